# Alarms: failures, throttles, and events that will not be retried any more.

locals {
  # A failed message of a queue is part of the response and not a function error. The dead-letter queue shows these
  # failures.
  alarms = var.create_alarms ? merge(
    {
      errors = {
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        statistic   = "Sum"
        dimensions  = { FunctionName = var.function_name }
        threshold   = 0
        description = "Invocations fail. The log line with level ERROR contains the object and the remedy."
      }
      throttles = {
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        statistic   = "Sum"
        dimensions  = { FunctionName = var.function_name }
        threshold   = 0
        description = "Invocations are throttled: more uploads arrive at once than max_concurrency allows, or the account's limit is reached."
      }
    },
    local.uses_queue ? {
      age = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        statistic   = "Maximum"
        dimensions  = { QueueName = var.function_name }
        threshold   = var.queue_delay + var.queue_age_alarm
        description = "Uploads wait: objects fail and are retried, or more arrive than max_concurrency allows. Messages expire after ten days."
      }
    } : {},
    local.keeps_failures && try(var.failure_destination.type, "sqs") == "sqs" ? {
      failures = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        statistic   = "Maximum"
        dimensions  = { QueueName = local.failure_queue_name }
        threshold   = 0
        description = "Events failed permanently and wait in the queue. Fix the cause, then send the events to the function again."
      }
    } : {},
  ) : {}

  # Outcomes in the function's metrics whose cause is not the video.
  passing_failures = ["denied", "config", "unavailable", "timeout", "unstarted", "internal"]

  failure_queue_name = var.create_failure_queue ? "${var.function_name}-failures" : try(element(split(":", var.failure_destination.arn), 5), null)
}

# Temporary failures, reported long before their messages are given up: S3, database, API, or settings.
resource "aws_cloudwatch_metric_alarm" "outcomes" {
  count = var.create_alarms ? 1 : 0

  alarm_name          = "${var.function_name}-outcomes"
  alarm_description   = "Objects fail for reasons that are temporary or that an operator can fix. The outcome in the metrics and the log lines with level ERROR show the reason. Nothing is lost yet."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  # Retries handle a single failure.
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
  # Without uploads there are no data points, and that is not a failure.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarm_actions
  ok_actions         = var.alarm_actions
  tags               = var.tags
}
