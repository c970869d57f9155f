# The function, its role and its log group.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

data "aws_db_proxy" "this" {
  count = var.rds_proxy_name == null ? 0 : 1
  name  = var.rds_proxy_name
}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name

  uses_queue = contains(["sqs", "eventbridge"], var.trigger)
  writes     = var.mode == "live"

  # The same calculation as in the function: src/lambda/records.rs.
  objects_at_once = tonumber(lookup(var.environment, "MAX_CONCURRENCY", max(1, min(8, floor(var.memory_size / 128)))))

  reserved_concurrency = coalesce(var.reserved_concurrency, local.uses_queue ? -1 : var.max_concurrency)

  proxy_endpoint = var.rds_proxy_name == null ? var.proxy_endpoint : data.aws_db_proxy.this[0].endpoint
  # The last part of the proxy's ARN is its id in IAM.
  db_resource_id = var.rds_proxy_name == null ? var.db_resource_id : coalesce(var.db_resource_id, element(split(":", data.aws_db_proxy.this[0].arn), 6))
}

# Values at their defaults are left out, so that a function that is taken over keeps its environment.
locals {
  environment = merge(
    {
      DB_HOST          = coalesce(var.db_host, local.proxy_endpoint)
      DB_USER          = var.db_user
      DB_NAME          = var.db_name
      CATALOG_API_BASE = var.catalog_api_base
    },
    local.proxy_endpoint == null ? {} : { PROXY_ENDPOINT = local.proxy_endpoint },
    var.db_port == 3306 ? {} : { RDS_PORT = tostring(var.db_port) },
    var.db_ssl_mode == null ? {} : { DB_SSL_MODE = var.db_ssl_mode },
    # The presence of a password is not a secret. Plans show the whole environment unless it contains a sensitive value.
    nonsensitive(var.db_password == null) ? {} : { DB_PASSWORD = var.db_password },
    var.db_password_secret == null ? {} : { DB_PASSWORD_SECRET = var.db_password_secret },
    var.db_iam_auth ? { DB_IAM_AUTH = "true" } : {},
    nonsensitive(var.internal_token == null) ? {} : { INTERNAL_TOKEN = var.internal_token },
    var.internal_token_secret == null ? {} : { INTERNAL_TOKEN_SECRET = var.internal_token_secret },
    var.bastion == null ? {} : merge(
      {
        BASTION_HOST           = var.bastion.host
        BASTION_USER           = var.bastion.user
        BASTION_SSH_KEY_SECRET = var.bastion.ssh_key_secret
        BASTION_HOST_KEY       = var.bastion.host_key
      },
      var.bastion.port == 22 ? {} : { BASTION_PORT = tostring(var.bastion.port) },
    ),
    var.video_prefix == "videos/" ? {} : { VIDEO_PREFIX = var.video_prefix },
    join(",", distinct([for suffix in var.video_suffixes : lower(suffix)])) == ".mp4" ? {} : { VIDEO_SUFFIXES = join(",", var.video_suffixes) },
    var.thumbnail_prefix == "thumbnails/" ? {} : { THUMBNAIL_PREFIX = var.thumbnail_prefix },
    var.poster_at_tag ? { POSTER_AT_TAG = "true" } : {},
    var.thumbnail_key == null ? {} : { THUMBNAIL_KEY = var.thumbnail_key },
    var.storyboard_key == null ? {} : { STORYBOARD_KEY = var.storyboard_key },
    local.writes ? {} : { MODE = var.mode },
    var.environment,
  )
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:The function writes its own times as metrics; it sends nothing to X-Ray
  #checkov:skip=CKV_AWS_116:Failed events go to the on-failure destination or the queue's dead-letter queue, which tell more than a dead-letter queue of the function
  #checkov:skip=CKV_AWS_272:Container images cannot be signed for Lambda; the digest of image_uri names what runs
  function_name    = var.function_name
  description      = var.description
  role             = var.create_role ? aws_iam_role.this[0].arn : var.role_arn
  package_type     = var.zip_path == null ? "Image" : "Zip"
  image_uri        = var.image_uri
  filename         = var.zip_path
  source_code_hash = var.zip_path == null ? null : filebase64sha256(var.zip_path)
  runtime          = var.zip_path == null ? null : "provided.al2023"
  handler          = var.zip_path == null ? null : "bootstrap"
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = var.timeout
  kms_key_arn      = var.kms_key_arn
  tags             = var.tags

  reserved_concurrent_executions = local.reserved_concurrency

  environment {
    variables = local.environment
  }

  ephemeral_storage {
    size = var.ephemeral_storage_size
  }

  dynamic "image_config" {
    for_each = var.image_command == null ? [] : ["image"]
    content {
      command = var.image_command
    }
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : ["network"]
    content {
      subnet_ids         = var.vpc.subnet_ids
      security_group_ids = concat(var.vpc.security_group_ids, aws_security_group.this[*].id)
    }
  }

  # Otherwise Lambda would create the log group without retention at the first invocation, and could not create network
  # interfaces.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:How long logs are kept is the caller's choice (variable log_retention_days)
  count = var.create_log_group ? 1 : 0

  name              = "/aws/lambda/${var.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# The role. Its policy is written as JSON and not with aws_iam_policy_document, so that the tests can check what it
# permits.

locals {
  objects       = "arn:${local.partition}:s3:::${var.bucket}"
  function_arn  = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.function_name}"
  log_group_arn = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.function_name}"

  any_key    = var.thumbnail_key == null ? false : !startswith(var.thumbnail_key, "{prefix}")
  write_keys = distinct(concat([local.any_key ? "*" : "${var.thumbnail_prefix}*"], local.storyboard_keys))
  read_keys  = distinct(concat(["${var.video_prefix}*"], local.write_keys))
  # What the template of storyboards begins with, up to its first placeholder. {prefix} is the folder of the thumbnails.
  storyboard_keys = [
    for key in compact([local.writes ? var.storyboard_key : null]) :
    "${split("{", replace(key, "/^\\{prefix\\}/", var.thumbnail_prefix))[0]}*"
  ]

  # The ARN of a secret ends in six characters that are not part of its name.
  secrets = [
    for secret in compact([var.db_password_secret, var.internal_token_secret, try(var.bastion.ssh_key_secret, null)]) :
    startswith(secret, "arn:") ? secret : "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${secret}-??????"
  ]

  # The role writes to the destination of the function. SQS itself moves messages to a dead-letter queue.
  statements = concat(
    [
      {
        Sid      = "ReadVideosAndThumbnails"
        Effect   = "Allow"
        Action   = concat(["s3:GetObject"], var.poster_at_tag ? ["s3:GetObjectTagging"] : [])
        Resource = [for key in contains(local.read_keys, "*") ? ["*"] : local.read_keys : "${local.objects}/${key}"]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.log_group_arn}:*"]
      },
    ],
    [for _ in range(local.writes ? 1 : 0) : {
      Sid      = "WriteThumbnails"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = [for key in contains(local.write_keys, "*") ? ["*"] : local.write_keys : "${local.objects}/${key}"]
    }],
    [for _ in range(length(local.secrets) > 0 ? 1 : 0) : {
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = local.secrets
    }],
    [for _ in range(length(var.kms_key_arns) > 0 ? 1 : 0) : {
      Sid      = "UseKeys"
      Effect   = "Allow"
      Action   = local.writes ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"]
      Resource = var.kms_key_arns
      # The program sends no requests to KMS: S3 and Secrets Manager do, on its behalf.
      Condition = { StringLike = { "kms:ViaService" = [for service in ["s3", "secretsmanager"] : "${service}.*.${data.aws_partition.this.dns_suffix}"] } }
    }],
    [for _ in range(var.db_iam_auth ? 1 : 0) : {
      Sid      = "LogInToTheDatabase"
      Effect   = "Allow"
      Action   = ["rds-db:connect"]
      Resource = ["arn:${local.partition}:rds-db:${local.region}:${local.account}:dbuser:${local.db_resource_id}/${var.db_user}"]
    }],
    [for _ in range(local.uses_queue ? 1 : 0) : {
      Sid      = "ReadTheQueue"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      Resource = [local.queue_arn]
    }],
    [for _ in range(local.has_destination ? 1 : 0) : {
      Sid      = "TellOfFailures"
      Effect   = "Allow"
      Action   = [try(var.failure_destination.type, "sqs") == "sns" ? "sns:Publish" : "sqs:SendMessage"]
      Resource = [local.failure_arn]
    }],
    # Lambda creates the interfaces with the permissions of the role, for which IAM supports no narrower resource. The
    # second statement denies them to the program itself.
    [for _ in range(var.vpc == null ? 0 : 1) : {
      Sid      = "LambdaMakesNetworkInterfaces"
      Effect   = "Allow"
      Action   = local.interface_actions
      Resource = ["*"]
    }],
    [for _ in range(var.vpc == null ? 0 : 1) : {
      Sid       = "TheProgramDoesNot"
      Effect    = "Deny"
      Action    = local.interface_actions
      Resource  = ["*"]
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [local.function_arn] } }
    }],
  )
  interface_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]

  role_policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_role" "this" {
  count = var.create_role ? 1 : 0

  name = var.function_name
  tags = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count = var.create_role ? 1 : 0

  name   = "posterframe"
  role   = aws_iam_role.this[0].id
  policy = local.role_policy
}
