# The replaced Lambda in its owner's Terraform, on a bucket that others have notifications on, too.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

variable "image_uri" {
  type = string
}

data "aws_caller_identity" "this" {}

resource "aws_ecr_repository" "videos" {
  name = "catalogue-videos"
}

resource "aws_s3_bucket" "videos" {
  bucket = "catalogue-videos"
}

resource "aws_sqs_queue" "subtitles" {
  name = "catalogue-subtitles"
}

resource "aws_iam_role" "video_processor" {
  name = "catalogue-video-processor"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "video_processor" {
  name = "video-processor"
  role = aws_iam_role.video_processor.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = "${aws_s3_bucket.videos.arn}/*" }]
  })
}

resource "aws_cloudwatch_log_group" "video_processor" {
  name = "/aws/lambda/catalogue-video-processor"
}

resource "aws_lambda_function" "video_processor" {
  function_name                  = "catalogue-video-processor"
  role                           = aws_iam_role.video_processor.arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  memory_size                    = 2048
  timeout                        = 600
  reserved_concurrent_executions = 5

  environment {
    variables = {
      DB_HOST          = "database.example"
      DB_USER          = "admin"
      DB_PASSWORD      = "placeholder"
      DB_NAME          = "catalogue"
      CATALOG_API_BASE = "https://api.example/api"
      INTERNAL_TOKEN   = "placeholder"
    }
  }
}

resource "aws_lambda_permission" "s3" {
  statement_id  = "AllowS3"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.video_processor.function_name
  principal     = "s3.amazonaws.com"
  source_arn    = aws_s3_bucket.videos.arn
}

resource "aws_s3_bucket_notification" "video_trigger" {
  bucket = aws_s3_bucket.videos.id

  lambda_function {
    lambda_function_arn = aws_lambda_function.video_processor.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "videos/"
    filter_suffix       = ".mp4"
  }

  queue {
    queue_arn     = aws_sqs_queue.subtitles.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "subtitles/"
  }

  depends_on = [aws_lambda_permission.s3]
}
