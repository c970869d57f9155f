# The function itself: its settings, its network, its alarms, its image.

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

run "defaults" {
  command = plan

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      DB_HOST               = "database.example"
      DB_USER               = "films"
      DB_NAME               = "films"
      DB_PASSWORD_SECRET    = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/db-AbCdEf"
      CATALOG_API_BASE      = "https://api.example/api"
      INTERNAL_TOKEN_SECRET = "films/token"
    })
    error_message = "The environment holds more, or less, than it was told."
  }

  assert {
    condition = (
      aws_lambda_function.this.package_type == "Image"
      && aws_lambda_function.this.architectures == tolist(["x86_64"])
      && aws_lambda_function.this.reserved_concurrent_executions == 5
      && length(aws_lambda_function.this.vpc_config) == 0
      && length(aws_lambda_function.this.image_config) == 0
    )
    error_message = "A default has changed."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].name == "/aws/lambda/films" && aws_cloudwatch_log_group.this[0].retention_in_days == 30
    error_message = "The log group is not the function's, or keeps logs for ever."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => [alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.threshold] } == {
      errors    = ["AWS/Lambda", "Errors", tomap({ FunctionName = "films" }), 0]
      throttles = ["AWS/Lambda", "Throttles", tomap({ FunctionName = "films" }), 0]
      failures  = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", tomap({ QueueName = "films-failures" }), 0]
    }
    error_message = "The alarms are others."
  }

  assert {
    condition = (
      one([for query in aws_cloudwatch_metric_alarm.outcomes[0].metric_query : query.expression if query.id == "failing"]) == "FILL(denied, 0) + FILL(config, 0) + FILL(unavailable, 0) + FILL(timeout, 0) + FILL(unstarted, 0) + FILL(internal, 0)"
      && alltrue([
        for query in aws_cloudwatch_metric_alarm.outcomes[0].metric_query : [for metric in query.metric : [metric.namespace, metric.metric_name, metric.dimensions]] == [["posterframe", "Records", tomap({ FunctionName = "films", Outcome = query.id })]]
        if query.id != "failing"
      ])
      && aws_cloudwatch_metric_alarm.outcomes[0].evaluation_periods == 3
      && aws_cloudwatch_metric_alarm.outcomes[0].datapoints_to_alarm == 2
    )
    error_message = "Objects that fail are not told of before they are given up."
  }

  assert {
    condition     = length(aws_ecr_repository.this) == 0 && length(aws_security_group.this) == 0 && length(aws_iam_role.batch) == 0
    error_message = "Something is made that nobody asked for."
  }
}

run "every_setting_has_its_variable" {
  command = plan
  variables {
    db_host               = null
    rds_proxy_name        = "films"
    db_port               = 3307
    db_ssl_mode           = "verify_ca"
    db_password_secret    = null
    db_password           = "placeholder-1"
    internal_token_secret = null
    internal_token        = "placeholder-2"
    video_prefix          = "in/"
    video_suffixes        = [".mp4", ".MOV"]
    thumbnail_prefix      = "out/"
    thumbnail_key         = "{prefix}{stem}.{ext}"
    storyboard_key        = "boards/{dir}{stem}/"
    poster_at_tag         = true
    mode                  = "shadow"
    environment           = { THUMBNAIL_WIDTH = "640" }
    bastion               = { host = "bastion.example", port = 2222, ssh_key_secret = "films/ssh", host_key = "ssh-ed25519 AAAA" }
  }

  assert {
    condition = nonsensitive(aws_lambda_function.this.environment[0].variables) == tomap({
      DB_HOST                = "films.proxy-example.eu-central-1.rds.amazonaws.com"
      PROXY_ENDPOINT         = "films.proxy-example.eu-central-1.rds.amazonaws.com"
      RDS_PORT               = "3307"
      DB_USER                = "films"
      DB_NAME                = "films"
      DB_SSL_MODE            = "verify_ca"
      DB_PASSWORD            = "placeholder-1"
      CATALOG_API_BASE       = "https://api.example/api"
      INTERNAL_TOKEN         = "placeholder-2"
      BASTION_HOST           = "bastion.example"
      BASTION_PORT           = "2222"
      BASTION_USER           = "ec2-user"
      BASTION_SSH_KEY_SECRET = "films/ssh"
      BASTION_HOST_KEY       = "ssh-ed25519 AAAA"
      VIDEO_PREFIX           = "in/"
      VIDEO_SUFFIXES         = ".mp4,.MOV"
      THUMBNAIL_PREFIX       = "out/"
      THUMBNAIL_KEY          = "{prefix}{stem}.{ext}"
      STORYBOARD_KEY         = "boards/{dir}{stem}/"
      POSTER_AT_TAG          = "true"
      MODE                   = "shadow"
      THUMBNAIL_WIDTH        = "640"
    })
    error_message = "A setting does not reach the function."
  }

  assert {
    condition = contains([
      for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Action
    ], ["s3:GetObject", "s3:GetObjectTagging"])
    error_message = "The role may not read tags."
  }
}

run "iam_login" {
  command = plan
  variables {
    db_password_secret = null
    db_iam_auth        = true
    db_resource_id     = "cluster-EXAMPLE"
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.DB_IAM_AUTH == "true"
    error_message = "The function does not know that it has no password."
  }
}

run "arm64_from_a_zip" {
  command = plan
  variables {
    image_uri    = null
    zip_path     = "versions.tf" # any file has a hash
    architecture = "arm64"
  }

  assert {
    condition = (
      aws_lambda_function.this.package_type == "Zip"
      && aws_lambda_function.this.runtime == "provided.al2023"
      && aws_lambda_function.this.handler == "bootstrap"
      && aws_lambda_function.this.source_code_hash == filebase64sha256("versions.tf")
      && aws_lambda_function.this.architectures == tolist(["arm64"])
    )
    error_message = "The zip is not deployed as a zip."
  }
}

run "network" {
  command = plan
  variables {
    db_port = 3307
    vpc = {
      subnet_ids                  = ["subnet-0123456789abcdef0"]
      security_group_ids          = ["sg-00000000000000001"]
      create_security_group       = true
      vpc_id                      = "vpc-0123456789abcdef0"
      database_security_group_ids = ["sg-00000000000000002"]
    }
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.database : [rule.security_group_id, rule.from_port, rule.to_port]] == [["sg-00000000000000002", 3307, 3307]]
    error_message = "The database does not let the function in."
  }

  assert {
    condition = concat(
      [for rule in aws_vpc_security_group_egress_rule.database : [rule.referenced_security_group_id, rule.from_port]],
      [for rule in aws_vpc_security_group_egress_rule.https : [rule.cidr_ipv4, rule.from_port]],
      [for rule in aws_vpc_security_group_egress_rule.api : [rule.cidr_ipv4, rule.from_port]],
      [for rule in aws_vpc_security_group_egress_rule.bastion : [rule.cidr_ipv4, rule.from_port]],
    ) == [["sg-00000000000000002", 3307], ["0.0.0.0/0", 443]]
    error_message = "The function may go elsewhere."
  }
}

run "an_api_on_a_port_of_its_own" {
  command = plan
  variables {
    catalog_api_base = "http://api.internal:8080/api"
    vpc              = { subnet_ids = ["subnet-0123456789abcdef0"], create_security_group = true, vpc_id = "vpc-0123456789abcdef0" }
  }

  # A database is not what this is about.
  expect_failures = [check.the_database_is_reached]

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.api : [rule.cidr_ipv4, rule.from_port, rule.to_port]] == [["0.0.0.0/0", 8080, 8080]]
    error_message = "The function cannot reach the API."
  }
}

run "an_api_without_tls" {
  command = plan
  variables {
    catalog_api_base = "http://[2001:db8::1]/api"
    vpc              = { subnet_ids = ["subnet-0123456789abcdef0"], create_security_group = true, vpc_id = "vpc-0123456789abcdef0" }
  }

  # A database is not what this is about.
  expect_failures = [check.the_database_is_reached]

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.api : rule.from_port] == [80]
    error_message = "The function cannot reach the API."
  }
}

run "drop_in_touches_the_function_alone" {
  command = plan
  variables {
    trigger              = "none"
    create_role          = false
    role_arn             = "arn:aws:iam::111122223333:role/existing"
    create_log_group     = false
    create_failure_queue = false
    create_alarms        = false
  }

  expect_failures = [check.failed_events_are_kept]

  assert {
    condition = 0 == (
      length(aws_iam_role.this) + length(aws_iam_role_policy.this) + length(aws_cloudwatch_log_group.this) + length(aws_lambda_permission.bucket)
      + length(aws_lambda_function_event_invoke_config.this) + length(aws_sqs_queue.events) + length(aws_sqs_queue.failures)
      + length(aws_sqs_queue_policy.events) + length(aws_lambda_event_source_mapping.queue)
      + length(aws_cloudwatch_event_rule.this) + length(aws_s3_bucket_notification.this) + length(aws_cloudwatch_metric_alarm.this) + length(aws_cloudwatch_metric_alarm.outcomes)
      + length(aws_security_group.this) + length(aws_ecr_repository.this) + length(aws_iam_role.batch)
    )
    error_message = "Something besides the function is made."
  }

  assert {
    condition     = output.bucket_notification_to_add == null
    error_message = "There is nothing to add."
  }
}

run "repository" {
  command = plan
  variables {
    repository = { name = "films" }
  }

  assert {
    condition     = aws_ecr_repository.this[0].image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this[0].image_scanning_configuration[0].scan_on_push
    error_message = "Tags can be moved, or images are not scanned."
  }
}
