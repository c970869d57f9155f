# How events reach the function, and where failed events go.

locals {
  queue_arn       = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.function_name}"
  bucket_arn      = local.objects
  keeps_failures  = var.create_failure_queue || var.failure_destination != null
  has_destination = local.keeps_failures && !local.uses_queue
  failure_arn     = var.create_failure_queue ? "${local.queue_arn}-failures" : try(var.failure_destination.arn, null)
  # Uploads, and changes of tags if tags choose the frame.
  event_names  = concat(["s3:ObjectCreated:*"], var.poster_at_tag ? ["s3:ObjectTagging:*"] : [])
  detail_types = concat(["Object Created"], var.poster_at_tag ? ["Object Tags Added", "Object Tags Deleted"] : [])
  # An EventBridge pattern must contain both prefix and suffix.
  event_keys = [for suffix in var.video_suffixes : { wildcard = "${var.video_prefix}*${suffix}" }]
}

# S3 invokes the function.

resource "aws_lambda_permission" "bucket" {
  count = var.trigger == "s3" ? 1 : 0

  statement_id   = "posterframe-bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "s3.amazonaws.com"
  source_arn     = local.bucket_arn
  source_account = local.account
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count = local.has_destination ? 1 : 0

  function_name = aws_lambda_function.this.function_name
  # Lambda's defaults, set explicitly because operations rely on them. A throttled event is retried for this long.
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = local.failure_arn
    }
  }

  depends_on = [aws_iam_role_policy.this, aws_sqs_queue.failures]
}

# A queue between bucket and function.

resource "aws_sqs_queue" "events" {
  count = local.uses_queue ? 1 : 0

  name                       = var.function_name
  delay_seconds              = var.queue_delay
  visibility_timeout_seconds = coalesce(var.visibility_timeout, 6 * var.timeout)
  # Ten days allow for a flood of uploads, or for an outage over a long weekend. The failure queue keeps messages four
  # days longer.
  message_retention_seconds = 864000
  sqs_managed_sse_enabled   = true
  tags                      = var.tags

  redrive_policy = local.keeps_failures ? jsonencode({
    deadLetterTargetArn = local.failure_arn
    maxReceiveCount     = var.max_receive_count
  }) : null

  depends_on = [aws_sqs_queue.failures]
}

resource "aws_sqs_queue_policy" "events" {
  count = local.uses_queue ? 1 : 0

  queue_url = aws_sqs_queue.events[0].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = var.trigger == "sqs" ? "TheBucketSends" : "TheRuleSends"
      Effect    = "Allow"
      Action    = "sqs:SendMessage"
      Principal = { Service = var.trigger == "sqs" ? "s3.amazonaws.com" : "events.amazonaws.com" }
      Resource  = local.queue_arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = var.trigger == "sqs" ? local.bucket_arn : aws_cloudwatch_event_rule.this[0].arn }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })
}

resource "aws_lambda_event_source_mapping" "queue" {
  count = local.uses_queue ? 1 : 0

  event_source_arn = aws_sqs_queue.events[0].arn
  function_name    = aws_lambda_function.this.arn
  batch_size       = coalesce(var.batch_size, max(1, min(10, local.objects_at_once * floor(var.timeout / var.seconds_per_object))))
  # Without this setting Lambda deletes every message of a batch, including the failed ones.
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = var.max_concurrency
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_event_rule" "this" {
  count = var.trigger == "eventbridge" ? 1 : 0

  name        = var.function_name
  description = "New videos, for the function ${var.function_name}"
  tags        = var.tags
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = local.detail_types
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = local.event_keys }
    }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  count = var.trigger == "eventbridge" ? 1 : 0

  rule      = aws_cloudwatch_event_rule.this[0].name
  target_id = "queue"
  arn       = aws_sqs_queue.events[0].arn
}

# Failed events: the on-failure destination, or the dead-letter queue of the queue.

resource "aws_sqs_queue" "failures" {
  count = var.create_failure_queue ? 1 : 0

  name = "${var.function_name}-failures"
  # The maximum. The age of a message counts from its first queue, so this time must be longer than that of the first
  # queue.
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

check "failed_events_are_kept" {
  assert {
    condition     = local.keeps_failures
    error_message = "With create_failure_queue = false and without failure_destination, failed events are lost after Lambda's retries, unless the function already had a destination."
  }
}

# The notifications of a bucket are one resource with one owner. If your configuration already manages them, add these
# to it.

locals {
  notifications = [
    for index, suffix in var.video_suffixes : { id = "posterframe-${index}", prefix = var.video_prefix, suffix = suffix }
  ]
}

resource "aws_s3_bucket_notification" "this" {
  count = var.manage_bucket_notification ? 1 : 0

  bucket      = var.bucket
  eventbridge = var.trigger == "eventbridge"

  dynamic "lambda_function" {
    for_each = var.trigger == "s3" ? local.notifications : []
    content {
      id                  = lambda_function.value.id
      lambda_function_arn = aws_lambda_function.this.arn
      events              = local.event_names
      filter_prefix       = lambda_function.value.prefix
      filter_suffix       = lambda_function.value.suffix
    }
  }

  dynamic "queue" {
    for_each = var.trigger == "sqs" ? local.notifications : []
    content {
      id            = queue.value.id
      queue_arn     = aws_sqs_queue.events[0].arn
      events        = local.event_names
      filter_prefix = queue.value.prefix
      filter_suffix = queue.value.suffix
    }
  }

  # S3 checks that it is allowed to invoke the target before it accepts the notification.
  depends_on = [aws_lambda_permission.bucket, aws_sqs_queue_policy.events]
}

# A role for back-fills and shadow runs over the existing objects of the bucket.

resource "aws_iam_role" "batch" {
  count = var.batch_prefix == null ? 0 : 1

  name = "${var.function_name}-batch"
  tags = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "batchoperations.s3.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "batch" {
  count = var.batch_prefix == null ? 0 : 1

  name = "posterframe-batch"
  role = aws_iam_role.batch[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "CallTheFunction"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [local.function_arn]
      },
      {
        Sid      = "ReadTheManifest"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource = ["${local.objects}/${var.batch_prefix}*"]
      },
      {
        Sid      = "WriteTheReport"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${local.objects}/${var.batch_prefix}*"]
      },
      ],
      # Manifest and report are also objects of the bucket.
      [for _ in range(length(var.kms_key_arns) > 0 ? 1 : 0) : {
        Sid       = "UseKeys"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arns
        Condition = { StringLike = { "kms:ViaService" = ["s3.*.${data.aws_partition.this.dns_suffix}"] } }
      }],
    )
  })
}
