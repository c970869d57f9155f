# Alarms: failures, throttles, and events that nobody will try again.

locals {
  # What fails in a queue's message is in the reply and no function error: the dead letters tell of it.
  alarms = var.create_alarms ? merge(
    {
      errors = {
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        statistic   = "Sum"
        dimensions  = { FunctionName = var.function_name }
        threshold   = 0
        description = "Invocations fail. The log line with level ERROR names the object and what to do."
      }
      throttles = {
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        statistic   = "Sum"
        dimensions  = { FunctionName = var.function_name }
        threshold   = 0
        description = "Invocations are throttled: more uploads at once than max_concurrency lets through, or the account's limit is reached."
      }
    },
    local.uses_queue ? {
      age = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        statistic   = "Maximum"
        dimensions  = { QueueName = var.function_name }
        threshold   = var.queue_delay + var.queue_age_alarm
        description = "Uploads wait: objects fail and are tried again, or more come than max_concurrency lets through. After ten days messages expire."
      }
    } : {},
    local.keeps_failures && try(var.failure_destination.type, "sqs") == "sqs" ? {
      failures = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        statistic   = "Maximum"
        dimensions  = { QueueName = local.failure_queue_name }
        threshold   = 0
        description = "Events failed for good and wait in the queue. Put the cause right, then send them to the function again."
      }
    } : {},
  ) : {}

  # Outcomes of the function's metrics that are no fault of the video's.
  passing_failures = ["denied", "config", "unavailable", "timeout", "unstarted", "internal"]

  failure_queue_name = var.create_failure_queue ? "${var.function_name}-failures" : try(element(split(":", var.failure_destination.arn), 5), null)
}

# Failures that pass, told long before their messages are given up: S3, database, API, or settings.
resource "aws_cloudwatch_metric_alarm" "outcomes" {
  count = var.create_alarms ? 1 : 0

  alarm_name          = "${var.function_name}-outcomes"
  alarm_description   = "Objects fail for reasons that an operator can put right or that pass: the outcome in the metrics, and the log lines with level ERROR, say which. Nothing is lost yet."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  # One blip is what retries are for.
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "failing"
    expression  = join(" + ", [for outcome in local.passing_failures : "FILL(${outcome}, 0)"])
    label       = "failing objects"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.passing_failures
    content {
      id = metric_query.value
      metric {
        namespace   = lookup(var.environment, "METRICS_NAMESPACE", "posterframe")
        metric_name = "Records"
        dimensions  = { FunctionName = var.function_name, Outcome = metric_query.value }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.function_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  # No upload, no number, no trouble.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarm_actions
  ok_actions         = var.alarm_actions
  tags               = var.tags
}
