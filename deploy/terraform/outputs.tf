output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_lambda_function.this.role
}

output "role_policy" {
  description = "Permissions that the role needs, as JSON. A role created by this module has exactly these permissions."
  value       = local.role_policy
}

output "log_group_name" {
  description = "Name of the log group."
  value       = "/aws/lambda/${var.function_name}"
}

output "queue_arn" {
  description = "ARN of the queue between bucket and function. Null without a queue."
  value       = one(aws_sqs_queue.events[*].arn)
}

output "queue_url" {
  description = "URL of the queue between bucket and function. Null without a queue."
  value       = one(aws_sqs_queue.events[*].url)
}

output "failure_arn" {
  description = "ARN of the destination of failed events. Null if failed events are not kept."
  value       = local.failure_arn
}

output "failure_queue_url" {
  description = "URL of the queue with failed events, if this module creates it."
  value       = one(aws_sqs_queue.failures[*].url)
}

output "security_group_id" {
  description = "ID of the function's security group, if this module creates it."
  value       = one(aws_security_group.this[*].id)
}

output "repository_url" {
  description = "URL of the ECR repository, if this module creates it."
  value       = one(aws_ecr_repository.this[*].repository_url)
}

output "batch_role_arn" {
  description = "ARN of the role for S3 Batch Operations, if this module creates it."
  value       = one(aws_iam_role.batch[*].arn)
}

locals {
  target_arn = var.trigger == "s3" ? local.function_arn : local.queue_arn

  notification_blocks = var.trigger == "eventbridge" ? ["eventbridge = true"] : [
    for notification in local.notifications : join("\n", [
      var.trigger == "s3" ? "lambda_function {" : "queue {",
      var.trigger == "s3" ? "  lambda_function_arn = \"${local.target_arn}\"" : "  queue_arn           = \"${local.target_arn}\"",
      "  events              = ${jsonencode(local.event_names)}",
      "  filter_prefix       = \"${notification.prefix}\"",
      "  filter_suffix       = \"${notification.suffix}\"",
      "}",
    ])
  ]

  notification_members = [
    for notification in local.notifications : merge(
      {
        Id     = notification.id
        Events = local.event_names
        Filter = { Key = { FilterRules = [
          { Name = "prefix", Value = notification.prefix },
          { Name = "suffix", Value = notification.suffix },
        ] } }
      },
      var.trigger == "s3" ? { LambdaFunctionArn = local.target_arn } : { QueueArn = local.target_arn },
    )
  ]
  notification_json = {
    s3          = jsonencode({ LambdaFunctionConfigurations = local.notification_members })
    sqs         = jsonencode({ QueueConfigurations = local.notification_members })
    eventbridge = jsonencode({ EventBridgeConfiguration = {} })
    none        = null
  }
}

output "bucket_notification_to_add" {
  description = "Notifications to add to the bucket's existing configuration: as a block for your aws_s3_bucket_notification, and as JSON for aws s3api. Null if there is nothing to add."
  value = var.manage_bucket_notification || var.trigger == "none" ? null : {
    terraform = join("\n", local.notification_blocks)
    json      = local.notification_json[var.trigger]
  }
}
