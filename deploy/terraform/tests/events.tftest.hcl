# How events come, in which numbers, and where failed ones go.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  function_name         = "films"
  image_uri             = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/films:1"
  bucket                = "example-films"
  db_host               = "database.example"
  db_user               = "films"
  db_name               = "films"
  db_password_secret    = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/db-AbCdEf"
  catalog_api_base      = "https://api.example/api"
  internal_token_secret = "films/token"
}

run "s3_calls_the_function" {
  assert {
    condition = (
      aws_lambda_permission.bucket[0].principal == "s3.amazonaws.com"
      && aws_lambda_permission.bucket[0].source_arn == "arn:aws:s3:::example-films"
      && aws_lambda_permission.bucket[0].source_account == "111122223333"
    )
    error_message = "Others than the bucket may call."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == "arn:aws:sqs:eu-central-1:111122223333:films-failures"
      && aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 2
      && aws_sqs_queue.failures[0].name == "films-failures"
      && aws_sqs_queue.failures[0].message_retention_seconds == 1209600
    )
    error_message = "Failed events are not kept."
  }

  assert {
    condition     = length(aws_s3_bucket_notification.this) == 0
    error_message = "The bucket's notifications are replaced without anybody asking for it."
  }

  assert {
    condition = jsondecode(output.bucket_notification_to_add.json) == {
      LambdaFunctionConfigurations = [for index, suffix in [".mp4", ".MP4"] : {
        Id                = "posterframe-${index}"
        LambdaFunctionArn = "arn:aws:lambda:eu-central-1:111122223333:function:films"
        Events            = ["s3:ObjectCreated:*"]
        Filter            = { Key = { FilterRules = [{ Name = "prefix", Value = "videos/" }, { Name = "suffix", Value = suffix }] } }
      }]
    }
    error_message = "What is to be added is wrong: ${output.bucket_notification_to_add.json}"
  }

  assert {
    condition = startswith(output.bucket_notification_to_add.terraform, <<-TEXT
      lambda_function {
        lambda_function_arn = "arn:aws:lambda:eu-central-1:111122223333:function:films"
        events              = ["s3:ObjectCreated:*"]
        filter_prefix       = "videos/"
        filter_suffix       = ".mp4"
      }
    TEXT
    )
    error_message = "What is to be added is wrong: ${output.bucket_notification_to_add.terraform}"
  }
}

run "the_only_notification_when_asked_for" {
  command = plan
  variables {
    manage_bucket_notification = true
  }

  assert {
    condition = (
      aws_s3_bucket_notification.this[0].lambda_function[0].filter_prefix == "videos/"
      && aws_s3_bucket_notification.this[0].lambda_function[0].filter_suffix == ".mp4"
      && aws_s3_bucket_notification.this[0].lambda_function[0].events == toset(["s3:ObjectCreated:*"])
      && output.bucket_notification_to_add == null
    )
    error_message = "The notification is another."
  }
}

run "queue" {
  variables {
    trigger = "sqs"
  }

  assert {
    condition = (
      aws_sqs_queue.events[0].visibility_timeout_seconds == 6 * aws_lambda_function.this.timeout
      && jsondecode(aws_sqs_queue.events[0].redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:eu-central-1:111122223333:films-failures", maxReceiveCount = 5 }
      && aws_sqs_queue.failures[0].message_retention_seconds > aws_sqs_queue.events[0].message_retention_seconds
    )
    error_message = "Messages come again too early, or are given up too early."
  }

  # A flood waits for days, and somebody is told long before it expires.
  assert {
    condition = (
      aws_sqs_queue.events[0].message_retention_seconds == 864000
      && aws_cloudwatch_metric_alarm.this["age"].metric_name == "ApproximateAgeOfOldestMessage"
      && aws_cloudwatch_metric_alarm.this["age"].dimensions == tomap({ QueueName = "films" })
      && aws_cloudwatch_metric_alarm.this["age"].threshold == 900
    )
    error_message = "Messages that wait are not told of."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.queue[0].function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.queue[0].scaling_config[0].maximum_concurrency == 5
      && aws_lambda_function.this.reserved_concurrent_executions == -1
    )
    error_message = "The queue is read without a limit, or failed messages are deleted."
  }

  # 1024 MB: eight objects side by side, 120 s each, two rounds in 300 s; SQS gives ten at most.
  assert {
    condition     = aws_lambda_event_source_mapping.queue[0].batch_size == 10
    error_message = "Batches of ${aws_lambda_event_source_mapping.queue[0].batch_size}."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_policy.events[0].policy).Statement == [{
      Sid       = "TheBucketSends"
      Effect    = "Allow"
      Action    = "sqs:SendMessage"
      Principal = { Service = "s3.amazonaws.com" }
      Resource  = "arn:aws:sqs:eu-central-1:111122223333:films"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:s3:::example-films" }, StringEquals = { "aws:SourceAccount" = "111122223333" } }
    }]
    error_message = "Others than the bucket may send."
  }

  assert {
    condition     = length(aws_lambda_permission.bucket) == 0 && length(aws_lambda_function_event_invoke_config.this) == 0 && length(aws_s3_bucket_notification.this) == 0
    error_message = "The bucket calls the function besides."
  }

  assert {
    condition     = jsondecode(output.bucket_notification_to_add.json).QueueConfigurations[0].QueueArn == aws_sqs_queue.events[0].arn
    error_message = "What is to be added is wrong: ${output.bucket_notification_to_add.json}"
  }
}

run "a_full_batch_fits_the_timeout" {
  command = plan
  variables {
    trigger     = "sqs"
    memory_size = 512
    timeout     = 250
  }

  # Four side by side, two rounds.
  assert {
    condition     = aws_lambda_event_source_mapping.queue[0].batch_size == 8 && aws_sqs_queue.events[0].visibility_timeout_seconds == 1500
    error_message = "Batches of ${aws_lambda_event_source_mapping.queue[0].batch_size}."
  }
}

run "one_at_a_time" {
  command = plan
  variables {
    trigger     = "sqs"
    timeout     = 60
    environment = { MAX_CONCURRENCY = "1" }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue[0].batch_size == 1
    error_message = "Batches of ${aws_lambda_event_source_mapping.queue[0].batch_size}."
  }
}

run "a_higher_reservation_is_taken" {
  command = plan
  variables {
    trigger              = "sqs"
    reserved_concurrency = 10
    batch_size           = 5
    visibility_timeout   = 3600
    max_receive_count    = 9
    queue_delay          = 60
    queue_age_alarm      = 600
    create_failure_queue = false
    failure_destination  = { arn = "arn:aws:sqs:eu-central-1:111122223333:dead" }
  }

  assert {
    condition = (
      aws_lambda_function.this.reserved_concurrent_executions == 10
      && aws_lambda_event_source_mapping.queue[0].batch_size == 5
      && aws_sqs_queue.events[0].visibility_timeout_seconds == 3600
      && aws_sqs_queue.events[0].delay_seconds == 60
      && jsondecode(aws_sqs_queue.events[0].redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:eu-central-1:111122223333:dead", maxReceiveCount = 9 }
      && aws_cloudwatch_metric_alarm.this["failures"].dimensions == tomap({ QueueName = "dead" })
      && aws_cloudwatch_metric_alarm.this["age"].threshold == 660
    )
    error_message = "What was given is not taken."
  }
}

run "eventbridge" {
  variables {
    trigger        = "eventbridge"
    video_suffixes = [".mp4", ".mov"]
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this[0].event_pattern) == {
      source      = ["aws.s3"]
      detail-type = ["Object Created"]
      detail = {
        bucket = { name = ["example-films"] }
        object = { key = [{ wildcard = "videos/*.mp4" }, { wildcard = "videos/*.mov" }] }
      }
    }
    error_message = "The rule is about other objects."
  }

  assert {
    condition = (
      jsondecode(aws_sqs_queue_policy.events[0].policy).Statement[0].Principal.Service == "events.amazonaws.com"
      && jsondecode(aws_sqs_queue_policy.events[0].policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == aws_cloudwatch_event_rule.this[0].arn
      && aws_cloudwatch_event_target.queue[0].arn == aws_sqs_queue.events[0].arn
      && output.bucket_notification_to_add.terraform == "eventbridge = true"
    )
    error_message = "The rule does not send to the queue, or others may."
  }
}

run "an_sns_destination_has_no_queue_to_watch" {
  command = plan
  variables {
    create_failure_queue = false
    failure_destination  = { arn = "arn:aws:sns:eu-central-1:111122223333:failures", type = "sns" }
  }

  assert {
    condition = (
      keys(aws_cloudwatch_metric_alarm.this) == ["errors", "throttles"]
      && aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == "arn:aws:sns:eu-central-1:111122223333:failures"
    )
    error_message = "The destination is another."
  }
}
