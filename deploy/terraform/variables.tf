# The function

variable "function_name" {
  description = "Name of the function. To take over an existing function, use an import block (see examples/cutover)."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name: 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "description" {
  description = "Description of the function."
  type        = string
  default     = "Poster frames and durations of uploaded videos"
}

variable "image_uri" {
  description = "Container image in ECR, with its tag or digest. Set either image_uri or zip_path."
  type        = string
  default     = null
}

variable "zip_path" {
  description = "Zip file with the program as bootstrap. Set either zip_path or image_uri. Lambda cannot change a function from image to zip or back: Terraform then replaces the function with a new one."
  type        = string
  default     = null

  validation {
    condition     = (var.zip_path == null) != (var.image_uri == null)
    error_message = "Set either image_uri or zip_path."
  }
}

variable "image_command" {
  description = "Command that overrides the command of the image. The posterframe image needs none; the image of the replaced Lambda, for a rollback, may."
  type        = list(string)
  default     = null
}

variable "architecture" {
  description = "Processor architecture of the image or zip: x86_64 or arm64. The replaced Lambda uses x86_64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: must be x86_64 or arm64."
  }
}

variable "memory_size" {
  description = "Memory in MB. The share of processor time grows with the memory; 1769 MB corresponds to one full processor."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size: must be a whole number from 128 to 10240."
  }
}

variable "timeout" {
  description = "Maximum duration of an invocation in seconds."
  type        = number
  default     = 300

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout: must be a whole number from 30 to 900. With less time the function cannot report a database that does not respond."
  }
}

variable "ephemeral_storage_size" {
  description = "Size of /tmp in MB. The function does not use /tmp; the replaced Lambda does."
  type        = number
  default     = 512

  validation {
    condition     = var.ephemeral_storage_size >= 512 && var.ephemeral_storage_size <= 10240
    error_message = "ephemeral_storage_size: must be from 512 to 10240."
  }
}

variable "mode" {
  description = "live, or shadow. A shadow compares its results with the stored thumbnails and rows, and writes nothing. A role created by this module then has no permission to write."
  type        = string
  default     = "live"

  validation {
    condition     = contains(["live", "shadow"], var.mode)
    error_message = "mode: must be live or shadow."
  }
}

variable "tags" {
  description = "Tags of all resources that this module creates."
  type        = map(string)
  default     = {}
}

# Role and log group

variable "create_role" {
  description = "Whether to create the function's role. If not, role_arn is the ARN of an existing role, which stays unchanged; the output role_policy contains the permissions that it needs."
  type        = bool
  default     = true
}

variable "role_arn" {
  description = "ARN of the function's existing role, if create_role is false."
  type        = string
  default     = null

  validation {
    condition     = var.create_role == (var.role_arn == null)
    error_message = "role_arn: must be set if, and only if, create_role = false."
  }
}

variable "create_log_group" {
  description = "Whether to create the log group. If not, the existing log group is used and stays unchanged."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Number of days for which logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "ARN of your own KMS key for encrypting environment and logs at rest. The key's policy must permit CloudWatch Logs to use the key. Null: keys of AWS."
  type        = string
  default     = null
}

variable "kms_key_arns" {
  description = "ARNs of your own KMS keys that encrypt the bucket's objects or the secrets. The role may use the keys through S3 and Secrets Manager; the role for batch_prefix may use them through S3."
  type        = list(string)
  default     = []
}

# The bucket

variable "bucket" {
  description = "Name of the existing bucket with the videos."
  type        = string
}

variable "video_prefix" {
  description = "Folder of the videos, with a final slash. Empty: the whole bucket."
  type        = string
  default     = "videos/"

  validation {
    condition     = var.video_prefix == "" || endswith(var.video_prefix, "/")
    error_message = "video_prefix: must be empty or end with a slash."
  }
}

variable "video_suffixes" {
  description = "Suffixes of video names. The filters of S3 are case-sensitive, the function is not: list every spelling that occurs."
  type        = list(string)
  default     = [".mp4", ".MP4"]

  validation {
    condition     = length(var.video_suffixes) > 0 && alltrue([for suffix in var.video_suffixes : startswith(suffix, ".") && !strcontains(suffix, "/")])
    error_message = "video_suffixes: must contain at least one suffix, each with a leading dot and without slashes."
  }
}

variable "thumbnail_prefix" {
  description = "Folder of the thumbnails, with a final slash."
  type        = string
  default     = "thumbnails/"

  validation {
    condition     = endswith(var.thumbnail_prefix, "/") && !startswith(var.video_prefix, var.thumbnail_prefix)
    error_message = "thumbnail_prefix: must end with a slash and must not contain the videos."
  }
}

variable "thumbnail_key" {
  description = "Template of a thumbnail's key (THUMBNAIL_KEY). If the template does not begin with {prefix}, the role may write anywhere in the bucket."
  type        = string
  default     = null
}

variable "storyboard_key" {
  description = "Template of the folder of a video's storyboard (STORYBOARD_KEY), such as storyboards/{dir}{name}/. The role may then write below the part before the first placeholder. Null: no storyboards. Tiles and sheets are set by STORYBOARD_* in environment."
  type        = string
  default     = null

  validation {
    condition     = var.storyboard_key == null ? true : can(regex("\\{(name|stem|file)\\}", var.storyboard_key)) && !can(regex("\\{(ext|width)\\}", var.storyboard_key)) && !startswith(var.storyboard_key, "/")
    error_message = "storyboard_key: a folder with {name}, {stem} or {file} in it, without {ext} and {width}, and without a slash at its start."
  }
}

variable "poster_at_tag" {
  description = "Whether the object tag poster-at chooses the time of the frame (POSTER_AT_TAG). Changes of tags then send events, and the role may read tags."
  type        = bool
  default     = false
}

# How events reach the function

variable "trigger" {
  description = <<-TEXT
    How events reach the function. s3: the bucket invokes the function. sqs: the bucket sends to a queue that the function reads. eventbridge: a rule
    sends to the queue; the bucket's notifications stay unchanged. none: you set up the source of events yourself.
  TEXT
  type        = string
  default     = "s3"

  validation {
    condition     = contains(["s3", "sqs", "eventbridge", "none"], var.trigger)
    error_message = "trigger: must be s3, sqs, eventbridge or none."
  }
}

variable "manage_bucket_notification" {
  description = <<-TEXT
    Whether to create the bucket's notification. It REPLACES all notifications of the bucket, including those of others: set this only for a
    bucket without notifications. By default nothing is created, and the output bucket_notification_to_add contains what to add to yours.
  TEXT
  type        = bool
  default     = false

  validation {
    condition     = !var.manage_bucket_notification || var.trigger != "none"
    error_message = "manage_bucket_notification: must be false with trigger = none, which has no target to notify."
  }
}

variable "max_concurrency" {
  description = "Maximum number of concurrent invocations, to protect the database. With a queue this is the limit of the event source mapping; without a queue it is the function's reserved concurrency."
  type        = number
  default     = 5

  validation {
    condition     = var.max_concurrency >= 2 && var.max_concurrency <= 1000 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "max_concurrency: must be a whole number from 2 to 1000."
  }
}

variable "reserved_concurrency" {
  description = <<-TEXT
    The function's reserved concurrency. Null: max_concurrency, or none with a queue. -1: none. With a queue it must be higher than
    max_concurrency, because a received message counts towards max_receive_count even if it is throttled. An account whose
    limit is 10 cannot reserve any.
  TEXT
  type        = number
  default     = null

  validation {
    condition = (
      var.reserved_concurrency == null ? true
      : var.reserved_concurrency == -1 ? true
      : var.reserved_concurrency < 1 ? false
      : contains(["sqs", "eventbridge"], var.trigger) ? var.reserved_concurrency > var.max_concurrency
      : true
    )
    error_message = "reserved_concurrency: must be null, -1 or at least 1; with a queue it must be higher than max_concurrency."
  }
}

# The queue

variable "seconds_per_object" {
  description = "Maximum time for one object in seconds. Requests to the API take up to a minute, and those to the database about twenty seconds."
  type        = number
  default     = 120

  validation {
    condition     = var.seconds_per_object >= 1
    error_message = "seconds_per_object: must be at least 1."
  }
}

variable "batch_size" {
  description = "Maximum number of messages for one invocation, up to 10. Null: as many as fit into the timeout."
  type        = number
  default     = null

  validation {
    condition = (
      var.batch_size == null ? true
      : var.batch_size < 1 || var.batch_size > 10 || floor(var.batch_size) != var.batch_size ? false
      : ceil(var.batch_size / local.objects_at_once) * var.seconds_per_object <= var.timeout || var.batch_size == 1
    )
    error_message = "batch_size: must be a whole number from 1 to 10, and a full batch must fit into the timeout (concurrent objects: one per 128 MB, at most 8; each takes up to seconds_per_object)."
  }
}

variable "visibility_timeout" {
  description = "Seconds for which a received message is hidden from other receivers. Null: six times the function's timeout."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout == null ? true : var.visibility_timeout >= 6 * var.timeout && var.visibility_timeout <= 43200
    error_message = "visibility_timeout: must be at least six times the function's timeout and at most 43200."
  }
}

variable "max_receive_count" {
  description = "Number of times that a message is received before it moves to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "max_receive_count: must be from 5 to 1000. With fewer receives, temporary failures fill the dead-letter queue."
  }
}

variable "queue_delay" {
  description = "Seconds that a message waits before delivery. A shadow uses this delay to wait for the function that it compares with."
  type        = number
  default     = 0

  validation {
    condition     = var.queue_delay >= 0 && var.queue_delay <= 900
    error_message = "queue_delay: must be from 0 to 900."
  }
}

# Failed events

variable "create_failure_queue" {
  description = "Whether to create the queue for failed events. It is the function's on-failure destination, or the dead-letter queue of its queue."
  type        = bool
  default     = true
}

variable "failure_destination" {
  description = "Existing destination for failed events, with create_failure_queue = false: its ARN and its type, sqs or sns (sns not with a queue)."
  type = object({
    arn  = string
    type = optional(string, "sqs")
  })
  default = null

  validation {
    condition     = var.failure_destination == null || !var.create_failure_queue
    error_message = "failure_destination: needs create_failure_queue = false."
  }
  validation {
    condition = (
      var.failure_destination == null ? true
      : contains(["sqs", "eventbridge"], var.trigger) ? var.failure_destination.type == "sqs"
      : contains(["sqs", "sns"], var.failure_destination.type)
    )
    error_message = "failure_destination.type: must be sqs or sns; with a queue it must be sqs, because the dead-letter queue of a queue is a queue."
  }
}

# Alarms

variable "create_alarms" {
  description = "Whether to create alarms on errors, throttles, failing objects, waiting messages and failed events."
  type        = bool
  default     = true
}

variable "queue_age_alarm" {
  description = "Seconds that a message may wait in the queue before the alarm; queue_delay is added."
  type        = number
  default     = 900

  validation {
    condition     = var.queue_age_alarm >= 60
    error_message = "queue_age_alarm: must be at least 60 s, the resolution of CloudWatch."
  }
}

variable "alarm_actions" {
  description = "ARNs of the targets that alarms notify, such as an SNS topic. They are also notified when an alarm ends."
  type        = list(string)
  default     = []
}

# Database

variable "db_host" {
  description = "Host of the database (DB_HOST). Optional with rds_proxy_name."
  type        = string
  default     = null

  validation {
    condition     = var.db_host != null || var.rds_proxy_name != null
    error_message = "Set db_host or rds_proxy_name."
  }
}

variable "proxy_endpoint" {
  description = "Host to connect to instead of db_host (PROXY_ENDPOINT)."
  type        = string
  default     = null
}

variable "rds_proxy_name" {
  description = "Name of an RDS Proxy. The function connects to its endpoint, and with db_iam_auth the role has the permission to connect."
  type        = string
  default     = null

  validation {
    condition     = var.rds_proxy_name == null || var.proxy_endpoint == null
    error_message = "Set rds_proxy_name or proxy_endpoint, not both."
  }
}

variable "db_port" {
  description = "Port of the database (RDS_PORT)."
  type        = number
  default     = 3306
}

variable "db_user" {
  description = "User of the database (DB_USER)."
  type        = string
}

variable "db_name" {
  description = "Name of the database (DB_NAME)."
  type        = string
}

variable "db_ssl_mode" {
  description = "verify_identity, verify_ca, required or disabled (DB_SSL_MODE). Null: the function's default, verify_identity."
  type        = string
  default     = null

  validation {
    condition     = var.db_ssl_mode == null ? true : contains(["verify_identity", "verify_ca", "required", "disabled"], var.db_ssl_mode)
    error_message = "db_ssl_mode: must be verify_identity, verify_ca, required or disabled."
  }
  validation {
    condition     = var.db_ssl_mode == null ? true : !(var.db_ssl_mode == "disabled" && var.db_iam_auth)
    error_message = "db_ssl_mode: disabled cannot be used with db_iam_auth, because the token would be sent unencrypted."
  }
}

variable "db_password_secret" {
  description = "ARN or name of the secret that contains the password (DB_PASSWORD_SECRET)."
  type        = string
  default     = null
}

variable "db_password" {
  description = "The password itself (DB_PASSWORD). It is readable in Terraform's state and in the function's configuration. The replaced Lambda supports only this: keep it set while a rollback to the replaced Lambda is possible."
  type        = string
  default     = null
  sensitive   = true
}

variable "db_iam_auth" {
  description = "Whether the user logs in with a token that the role signs (DB_IAM_AUTH) instead of a password."
  type        = bool
  default     = false

  validation {
    condition     = length([for given in [var.db_iam_auth, var.db_password != null, var.db_password_secret != null] : given if given]) == 1
    error_message = "Set exactly one of db_password_secret, db_password, db_iam_auth = true."
  }
}

variable "db_resource_id" {
  description = "Resource id that the IAM token is valid for: prx-... of an RDS Proxy, cluster-... of Aurora, db-... of an instance. Not needed with rds_proxy_name."
  type        = string
  default     = null

  validation {
    condition     = var.db_resource_id == null ? !var.db_iam_auth || var.rds_proxy_name != null : can(regex("^(prx|cluster|db)-[A-Za-z0-9]+$", var.db_resource_id))
    error_message = "db_resource_id: must be prx-..., cluster-... or db-...; required with db_iam_auth unless rds_proxy_name is set."
  }
}

# Catalogue API

variable "catalog_api_base" {
  description = "The part of the catalogue API's URL before /v1/contents/ (CATALOG_API_BASE)."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/?#@]+(/[^?#@]*)?$", var.catalog_api_base))
    error_message = "catalog_api_base: must be an http:// or https:// URL without user name, query and fragment."
  }
}

variable "internal_token_secret" {
  description = "ARN or name of the secret that contains the API's token (INTERNAL_TOKEN_SECRET)."
  type        = string
  default     = null
}

variable "internal_token" {
  description = "The token itself (INTERNAL_TOKEN). It is readable in Terraform's state and in the function's configuration. The replaced Lambda supports only this: keep it set while a rollback to the replaced Lambda is possible."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.internal_token == null) != (var.internal_token_secret == null)
    error_message = "Set either internal_token_secret or internal_token."
  }
}

# Bastion

variable "bastion" {
  description = "An SSH server through which the function connects to the database. ssh_key_secret is the ARN or name of the secret with the private key; host_key is the server's public key or fingerprint, which `ssh-keyscan` prints."
  type = object({
    host           = string
    port           = optional(number, 22)
    user           = optional(string, "ec2-user")
    ssh_key_secret = string
    host_key       = string
  })
  default = null
}

variable "environment" {
  description = "Additional environment variables of the function, such as THUMBNAIL_WIDTH; see docs/configuration.md."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "DB_HOST", "DB_USER", "DB_NAME", "DB_PASSWORD", "DB_PASSWORD_SECRET", "DB_IAM_AUTH", "DB_SSL_MODE", "PROXY_ENDPOINT", "RDS_PORT",
      "CATALOG_API_BASE", "INTERNAL_TOKEN", "INTERNAL_TOKEN_SECRET", "BASTION_HOST", "BASTION_PORT", "BASTION_USER",
      "BASTION_SSH_KEY_SECRET", "BASTION_HOST_KEY", "VIDEO_PREFIX", "VIDEO_SUFFIXES", "THUMBNAIL_PREFIX", "THUMBNAIL_KEY", "STORYBOARD_KEY", "MODE",
    ])) == 0
    error_message = "environment: contains a variable that this module sets from another input; use that input."
  }
}

# Network

variable "vpc" {
  description = <<-TEXT
    The network of the database. Null: no VPC. security_group_ids are existing groups. create_security_group creates one more group in vpc_id. This group may connect to the
    database's port, port 443 (S3, Secrets Manager, the API) and the API's port if it differs. Each of database_security_group_ids, the groups of RDS Proxy or Aurora, admits it.
  TEXT
  type = object({
    subnet_ids                  = list(string)
    security_group_ids          = optional(list(string), [])
    create_security_group       = optional(bool, false)
    vpc_id                      = optional(string)
    database_security_group_ids = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.subnet_ids) > 0
    error_message = "vpc.subnet_ids: must contain at least one subnet."
  }
  validation {
    condition     = var.vpc == null ? true : var.vpc.create_security_group || length(var.vpc.security_group_ids) > 0
    error_message = "vpc: set security_group_ids, or create_security_group = true with vpc_id."
  }
  validation {
    condition     = var.vpc == null ? true : var.vpc.create_security_group ? var.vpc.vpc_id != null : length(var.vpc.database_security_group_ids) == 0
    error_message = "vpc: create_security_group needs vpc_id, and database_security_group_ids needs create_security_group."
  }
}

# Repository and back-fills

variable "repository" {
  description = "An ECR repository to create, or to take over with an import block. Null: none; image_uri refers to an existing repository. Tags are immutable by default, so that a tag always refers to the same image."
  type = object({
    name                 = string
    image_tag_mutability = optional(string, "IMMUTABLE")
    scan_on_push         = optional(bool, true)
  })
  default = null
}

variable "batch_prefix" {
  description = "Folder of the bucket for manifests and reports of S3 Batch Operations, with a final slash. If set, a role for these jobs is created. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.batch_prefix == null ? true : endswith(var.batch_prefix, "/") && (var.video_prefix == "" || !startswith(var.batch_prefix, var.video_prefix))
    error_message = "batch_prefix: must end with a slash and be outside video_prefix."
  }
}
