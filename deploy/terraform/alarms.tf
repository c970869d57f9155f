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
        description = "Invocations fail. The log line with level ERROR names the object and what to do."
      }
      throttles = {
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        statistic   = "Sum"
        dimensions  = { FunctionName = var.function_name }
        description = "Invocations are throttled: more uploads at once than max_concurrency lets through, or the account's limit is reached."
      }
    },
    local.keeps_failures && try(var.failure_destination.type, "sqs") == "sqs" ? {
      failures = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        statistic   = "Maximum"
        dimensions  = { QueueName = local.failure_queue_name }
        description = "Events failed for good and wait in the queue. Put the cause right, then send them to the function again."
      }
    } : {},
  ) : {}

  failure_queue_name = var.create_failure_queue ? "${var.function_name}-failures" : try(element(split(":", var.failure_destination.arn), 5), null)
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
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  # No upload, no number, no trouble.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarm_actions
  ok_actions         = var.alarm_actions
  tags               = var.tags
}
