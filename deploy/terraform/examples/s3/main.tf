# The bucket calls the function. What is in angle brackets in example.tfvars is yours to fill in.

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

variable "db_password_secret" {
  type = string
}

variable "internal_token_secret" {
  type = string
}

variable "catalog_api_base" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "database_security_group_id" {
  type = string
}

variable "alarm_topic_arn" {
  type = string
}

module "posterframe" {
  source = "../.."

  function_name = "posterframe"
  image_uri     = var.image_uri
  bucket        = var.bucket
  trigger       = "s3"

  db_host               = var.db_host
  db_user               = "posterframe"
  db_name               = "catalogue"
  db_password_secret    = var.db_password_secret
  catalog_api_base      = var.catalog_api_base
  internal_token_secret = var.internal_token_secret

  vpc = {
    subnet_ids                  = var.subnet_ids
    create_security_group       = true
    vpc_id                      = var.vpc_id
    database_security_group_ids = [var.database_security_group_id]
  }

  batch_prefix  = "posterframe-batch/"
  alarm_actions = [var.alarm_topic_arn]
}

# Add this to the bucket's notifications, wherever those are managed.
output "bucket_notification_to_add" {
  value = module.posterframe.bucket_notification_to_add
}
