# A second function beside the one that works: it reads, compares and writes nothing, and its role could not. New uploads reach it by
# EventBridge, which sends besides the bucket's notifications, fifteen minutes later, when the other function is done with them. What is
# there already reaches it by S3 Batch Operations. What is in angle brackets in example.tfvars is yours to fill in.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  type = string
}

variable "bucket" {
  type = string
}

variable "image_uri" {
  type = string
}

variable "db_host" {
  type = string
}

variable "db_user" {
  type = string
}

variable "db_name" {
  type = string
}

variable "db_password_secret" {
  type = string
}

variable "internal_token_secret" {
  type = string
}

variable "catalog_api_base" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_ids" {
  type = list(string)
}

module "shadow" {
  source = "../.."

  function_name = "posterframe-shadow"
  image_uri     = var.image_uri
  mode          = "shadow"
  bucket        = var.bucket
  trigger       = "eventbridge"
  queue_delay   = 900
  batch_prefix  = "posterframe-batch/"

  db_host               = var.db_host
  db_user               = var.db_user
  db_name               = var.db_name
  db_password_secret    = var.db_password_secret
  catalog_api_base      = var.catalog_api_base
  internal_token_secret = var.internal_token_secret

  vpc = {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }
}

output "function_arn" {
  value = module.shadow.function_arn
}

output "batch_role_arn" {
  value = module.shadow.batch_role_arn
}

# Switch EventBridge on for the bucket, wherever its notifications are managed; they stay as they are.
output "bucket_notification_to_add" {
  value = module.shadow.bucket_notification_to_add
}
