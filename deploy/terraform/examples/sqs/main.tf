# A queue between bucket and function: many uploads at once wait there, and failures come to its dead-letter queue. The function logs in
# to RDS Proxy with a token of its role, so there is no password. What is in angle brackets in example.tfvars is yours to fill in.

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

variable "rds_proxy_name" {
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

variable "security_group_id" {
  type = string
}

module "posterframe" {
  source = "../.."

  function_name = "posterframe-queue"
  image_uri     = var.image_uri
  architecture  = "arm64"
  bucket        = var.bucket
  trigger       = "sqs"

  rds_proxy_name        = var.rds_proxy_name
  db_user               = "posterframe"
  db_name               = "catalogue"
  db_iam_auth           = true
  catalog_api_base      = var.catalog_api_base
  internal_token_secret = var.internal_token_secret

  vpc = {
    subnet_ids         = var.subnet_ids
    security_group_ids = [var.security_group_id]
  }
}

# Add this to the bucket's notifications, wherever those are managed.
output "bucket_notification_to_add" {
  value = module.posterframe.bucket_notification_to_add
}
