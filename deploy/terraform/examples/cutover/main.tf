# The function of the replaced Lambda goes on under its name, with its role, log group, repository, event source and settings: only its
# image becomes another, and that back again is the way back. First apply with the old image, which changes nothing that runs; then with
# the new one. docs/migration.md has the steps. What is in angle brackets in example.tfvars is yours to fill in.
#
# Does your Terraform manage the function already? Then put the module there, with a moved block instead of the import:
#
#   moved {
#     from = aws_lambda_function.video_processor
#     to   = module.posterframe.aws_lambda_function.this
#   }

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

variable "function_name" {
  type = string
}

variable "image_uri" {
  description = "The old image, then the new one, and for the way back the old one."
  type        = string
}

variable "image_command" {
  description = "What the function sets as its image's command today, if anything; unset with the new image."
  type        = list(string)
  default     = null
}

variable "role_arn" {
  type = string
}

variable "repository" {
  type = string
}

variable "log_retention_days" {
  description = "As it is today; 0: logs are kept for ever."
  type        = number
  default     = 0
}

variable "ephemeral_storage_size" {
  description = "Of /tmp, as it is today. Only the old image uses it."
  type        = number
  default     = 512
}

variable "bucket" {
  type = string
}

variable "db_host" {
  type = string
}

variable "db_user" {
  type = string
}

variable "db_password" {
  type      = string
  sensitive = true
}

variable "db_name" {
  type = string
}

variable "catalog_api_base" {
  type = string
}

variable "internal_token" {
  type      = string
  sensitive = true
}

variable "environment" {
  description = "Further variables that the function has today."
  type        = map(string)
  default     = {}
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_ids" {
  type = list(string)
}

import {
  to = module.posterframe.aws_lambda_function.this
  id = var.function_name
}

import {
  to = module.posterframe.aws_cloudwatch_log_group.this[0]
  id = "/aws/lambda/${var.function_name}"
}

import {
  to = module.posterframe.aws_ecr_repository.this[0]
  id = var.repository
}

module "posterframe" {
  source = "../.."

  function_name = var.function_name
  description   = ""
  image_uri     = var.image_uri
  image_command = var.image_command
  architecture  = "x86_64"

  # The replaced Lambda's settings, for as long as it may have to come back.
  memory_size            = 2048
  timeout                = 600
  ephemeral_storage_size = var.ephemeral_storage_size

  create_role        = false
  role_arn           = var.role_arn
  log_retention_days = var.log_retention_days
  repository = {
    name                 = var.repository
    image_tag_mutability = "MUTABLE"
    scan_on_push         = false
  }

  # The bucket's notification names the function, and stays.
  bucket  = var.bucket
  trigger = "none"

  # The role is left alone, so it cannot be given what a failure queue and its alarm need: afterwards.
  create_failure_queue = false
  create_alarms        = false

  db_host          = var.db_host
  db_user          = var.db_user
  db_password      = var.db_password
  db_name          = var.db_name
  catalog_api_base = var.catalog_api_base
  internal_token   = var.internal_token
  environment      = var.environment

  vpc = {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }
}
