# The function

variable "function_name" {
  description = "Name of the function. One that exists is taken over by an import block (see examples/cutover)."
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
  description = "Container image in ECR, with its tag or digest. Either this or zip_path."
  type        = string
  default     = null
}

variable "zip_path" {
  description = "Zip file with the program as bootstrap. Either this or image_uri. Lambda cannot change a function from the one to the other: that makes a new function in place of the old one."
  type        = string
  default     = null

  validation {
    condition     = (var.zip_path == null) != (var.image_uri == null)
    error_message = "Give either image_uri or zip_path."
  }
}

variable "image_command" {
  description = "The image's command instead of its own. The posterframe image needs none; an image of the way back may."
  type        = list(string)
  default     = null
}

variable "architecture" {
  description = "Processor that the image or zip is built for: x86_64 or arm64. The replaced Lambda's is x86_64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: x86_64 or arm64."
  }
}

variable "memory_size" {
  description = "Memory in MB. The share of the processor grows with it; 1769 MB is one whole."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size: a whole number from 128 to 10240."
  }
}

variable "timeout" {
  description = "Seconds that an invocation may take."
  type        = number
  default     = 300

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout: a whole number from 30 to 900. With less, a database that does not answer cannot be told of in time."
  }
}

variable "ephemeral_storage_size" {
  description = "Size of /tmp in MB. The function does not use it; the replaced Lambda does."
  type        = number
  default     = 512

  validation {
    condition     = var.ephemeral_storage_size >= 512 && var.ephemeral_storage_size <= 10240
    error_message = "ephemeral_storage_size: from 512 to 10240."
  }
}

variable "mode" {
  description = "live, or shadow: reads, compares with what is stored, and writes nothing. The role made here cannot write then."
  type        = string
  default     = "live"

  validation {
    condition     = contains(["live", "shadow"], var.mode)
    error_message = "mode: live or shadow."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

# Role and log group

variable "create_role" {
  description = "Whether the function's role is made here. If not, role_arn names one that exists, and nothing is changed about it; the output role_policy shows what it must permit."
  type        = bool
  default     = true
}

variable "role_arn" {
  description = "ARN of the function's role, if create_role is false."
  type        = string
  default     = null

  validation {
    condition     = var.create_role == (var.role_arn == null)
    error_message = "role_arn goes with create_role = false, and only with that."
  }
}

variable "create_log_group" {
  description = "Whether the log group is made here. If not, the one that exists is used and left alone."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key of your own that encrypts environment and logs at rest. Its policy must permit CloudWatch Logs to use it. Null: keys of AWS."
  type        = string
  default     = null
}

variable "kms_key_arns" {
  description = "Keys of your own that encrypt the bucket's objects or the secrets: the role may use them through S3 and Secrets Manager, that of batch_prefix through S3."
  type        = list(string)
  default     = []
}

# The bucket

variable "bucket" {
  description = "Name of the bucket with the videos. It is not made here."
  type        = string
}

variable "video_prefix" {
  description = "Folder of the videos, with its final slash. Empty: the whole bucket."
  type        = string
  default     = "videos/"

  validation {
    condition     = var.video_prefix == "" || endswith(var.video_prefix, "/")
    error_message = "video_prefix: empty, or with a final slash."
  }
}

variable "video_suffixes" {
  description = "Endings of the videos' names. S3 tells upper from lower case in its filters, the function does not: name all that come."
  type        = list(string)
  default     = [".mp4", ".MP4"]

  validation {
    condition     = length(var.video_suffixes) > 0 && alltrue([for suffix in var.video_suffixes : startswith(suffix, ".") && !strcontains(suffix, "/")])
    error_message = "video_suffixes: at least one, each with a dot in front and without slashes."
  }
}

variable "thumbnail_prefix" {
  description = "Folder of the thumbnails, with its final slash."
  type        = string
  default     = "thumbnails/"

  validation {
    condition     = endswith(var.thumbnail_prefix, "/") && !startswith(var.video_prefix, var.thumbnail_prefix)
    error_message = "thumbnail_prefix: with a final slash, and not a folder that holds the videos."
  }
}

variable "thumbnail_key" {
  description = "Template of a thumbnail's key (THUMBNAIL_KEY). One that does not begin with {prefix} lets the role write anywhere in the bucket."
  type        = string
  default     = null
}

variable "poster_at_tag" {
  description = "Whether an object's tag poster-at chooses the time of its frame (POSTER_AT_TAG). Tags that are set or deleted then bring events, and the role may read tags."
  type        = bool
  default     = false
}

# How events come

variable "trigger" {
  description = <<-TEXT
    How events come. s3: the bucket calls the function. sqs: the bucket sends to a queue, the function reads that. eventbridge: a rule
    sends to the queue; the bucket's notifications stay as they are. none: by something that is there already.
  TEXT
  type        = string
  default     = "s3"

  validation {
    condition     = contains(["s3", "sqs", "eventbridge", "none"], var.trigger)
    error_message = "trigger: s3, sqs, eventbridge or none."
  }
}

variable "manage_bucket_notification" {
  description = <<-TEXT
    Whether the bucket's notification is made here. It REPLACES all notifications that the bucket has, those of others too: only for a
    bucket that has none. By default nothing is made, and the output bucket_notification_to_add says what to add to yours.
  TEXT
  type        = bool
  default     = false

  validation {
    condition     = !var.manage_bucket_notification || var.trigger != "none"
    error_message = "manage_bucket_notification: with trigger none there is nothing to notify."
  }
}

variable "max_concurrency" {
  description = "How many invocations run at once, so that the database is not flooded. With a queue it is the limit of the event source mapping, otherwise the function's reserved concurrency."
  type        = number
  default     = 5

  validation {
    condition     = var.max_concurrency >= 2 && var.max_concurrency <= 1000 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "max_concurrency: a whole number from 2 to 1000."
  }
}

variable "reserved_concurrency" {
  description = <<-TEXT
    The function's reserved concurrency. Null: max_concurrency, or none with a queue. -1: none. With a queue it must be higher than
    max_concurrency: a message that is received and then throttled has come nearer to the dead-letter queue. An account whose
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
    error_message = "reserved_concurrency: null, -1, or a number from 1 up; with a queue a higher one than max_concurrency."
  }
}

# The queue

variable "seconds_per_object" {
  description = "Longest time that one object may need: the API is asked for up to a minute, the database for some twenty seconds."
  type        = number
  default     = 120

  validation {
    condition     = var.seconds_per_object >= 1
    error_message = "seconds_per_object: 1 or more."
  }
}

variable "batch_size" {
  description = "Messages for one invocation, at most 10. Null: as many as fit the timeout."
  type        = number
  default     = null

  validation {
    condition = (
      var.batch_size == null ? true
      : var.batch_size < 1 || var.batch_size > 10 || floor(var.batch_size) != var.batch_size ? false
      : ceil(var.batch_size / local.objects_at_once) * var.seconds_per_object <= var.timeout || var.batch_size == 1
    )
    error_message = "batch_size: a whole number from 1 to 10, and so many that a full batch fits the timeout (objects side by side: one for each 128 MB, at most 8; each takes up to seconds_per_object)."
  }
}

variable "visibility_timeout" {
  description = "Seconds for which a message that was received is hidden from others. Null: six times the function's timeout."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout == null ? true : var.visibility_timeout >= 6 * var.timeout && var.visibility_timeout <= 43200
    error_message = "visibility_timeout: at least six times the function's timeout, at most 43200."
  }
}

variable "max_receive_count" {
  description = "How often a message is received before it goes to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "max_receive_count: from 5 to 1000. With fewer, passing failures fill the dead-letter queue."
  }
}

variable "queue_delay" {
  description = "Seconds that a message waits before it is delivered. A shadow waits until the function that it watches is done."
  type        = number
  default     = 0

  validation {
    condition     = var.queue_delay >= 0 && var.queue_delay <= 900
    error_message = "queue_delay: from 0 to 900."
  }
}

# Where failures go

variable "create_failure_queue" {
  description = "Whether the queue for failed events is made here: the function's on-failure destination, or the dead-letter queue of its queue."
  type        = bool
  default     = true
}

variable "failure_destination" {
  description = "One that exists instead, with create_failure_queue = false: its ARN, and its type: sqs, or sns (not with a queue)."
  type = object({
    arn  = string
    type = optional(string, "sqs")
  })
  default = null

  validation {
    condition     = var.failure_destination == null || !var.create_failure_queue
    error_message = "failure_destination goes with create_failure_queue = false."
  }
  validation {
    condition = (
      var.failure_destination == null ? true
      : contains(["sqs", "eventbridge"], var.trigger) ? var.failure_destination.type == "sqs"
      : contains(["sqs", "sns"], var.failure_destination.type)
    )
    error_message = "failure_destination.type: sqs or sns; only sqs with a queue, whose dead letters go to a queue."
  }
}

# Alarms

variable "create_alarms" {
  description = "Whether alarms on errors, throttles, failing objects, waiting messages and failed events are made."
  type        = bool
  default     = true
}

variable "queue_age_alarm" {
  description = "Seconds that a message may wait in the queue before an alarm tells of it; queue_delay comes on top."
  type        = number
  default     = 900

  validation {
    condition     = var.queue_age_alarm >= 60
    error_message = "queue_age_alarm: at least 60 s, CloudWatch's own resolution."
  }
}

variable "alarm_actions" {
  description = "ARNs of what an alarm tells, such as an SNS topic; it is told of the end, too."
  type        = list(string)
  default     = []
}

# Database

variable "db_host" {
  description = "Host of the database (DB_HOST). May be left out with rds_proxy_name."
  type        = string
  default     = null

  validation {
    condition     = var.db_host != null || var.rds_proxy_name != null
    error_message = "Give db_host or rds_proxy_name."
  }
}

variable "proxy_endpoint" {
  description = "Host that is connected to instead (PROXY_ENDPOINT)."
  type        = string
  default     = null
}

variable "rds_proxy_name" {
  description = "Name of an RDS Proxy: its endpoint is connected to, and with db_iam_auth the role may do so."
  type        = string
  default     = null

  validation {
    condition     = var.rds_proxy_name == null || var.proxy_endpoint == null
    error_message = "Give rds_proxy_name or proxy_endpoint, not both."
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
    error_message = "db_ssl_mode: verify_identity, verify_ca, required or disabled."
  }
  validation {
    condition     = var.db_ssl_mode == null ? true : !(var.db_ssl_mode == "disabled" && var.db_iam_auth)
    error_message = "db_ssl_mode: disabled does not go with db_iam_auth; the token would travel readable."
  }
}

variable "db_password_secret" {
  description = "ARN or name of the secret that holds the password (DB_PASSWORD_SECRET)."
  type        = string
  default     = null
}

variable "db_password" {
  description = "The password itself (DB_PASSWORD). It is readable in Terraform's state and in the function's configuration. The replaced Lambda knows no other way: keep this while you may have to go back to it."
  type        = string
  default     = null
  sensitive   = true
}

variable "db_iam_auth" {
  description = "Whether the user logs in by a token that the role signs (DB_IAM_AUTH), without a password."
  type        = bool
  default     = false

  validation {
    condition     = length([for given in [var.db_iam_auth, var.db_password != null, var.db_password_secret != null] : given if given]) == 1
    error_message = "Give exactly one of db_password_secret, db_password, db_iam_auth = true."
  }
}

variable "db_resource_id" {
  description = "What the IAM token is for: prx-... of an RDS Proxy, cluster-... of Aurora, db-... of an instance. Left out with rds_proxy_name."
  type        = string
  default     = null

  validation {
    condition     = var.db_resource_id == null ? !var.db_iam_auth || var.rds_proxy_name != null : can(regex("^(prx|cluster|db)-[A-Za-z0-9]+$", var.db_resource_id))
    error_message = "db_resource_id: prx-..., cluster-... or db-...; needed with db_iam_auth unless rds_proxy_name is given."
  }
}

# Catalogue API

variable "catalog_api_base" {
  description = "What comes before /v1/contents/ in the catalogue API's addresses (CATALOG_API_BASE)."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/?#@]+(/[^?#@]*)?$", var.catalog_api_base))
    error_message = "catalog_api_base: an http:// or https:// URL without user name, query and fragment."
  }
}

variable "internal_token_secret" {
  description = "ARN or name of the secret that holds the API's token (INTERNAL_TOKEN_SECRET)."
  type        = string
  default     = null
}

variable "internal_token" {
  description = "The token itself (INTERNAL_TOKEN). It is readable in Terraform's state and in the function's configuration. The replaced Lambda knows no other way: keep this while you may have to go back to it."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.internal_token == null) != (var.internal_token_secret == null)
    error_message = "Give either internal_token_secret or internal_token."
  }
}

# Bastion

variable "bastion" {
  description = "An SSH server to go through. ssh_key_secret is the ARN or name of the secret with the private key; host_key is the server's public key or fingerprint, which `ssh-keyscan` prints."
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
  description = "Further variables of the function, such as THUMBNAIL_WIDTH; docs/configuration.md lists them."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "DB_HOST", "DB_USER", "DB_NAME", "DB_PASSWORD", "DB_PASSWORD_SECRET", "DB_IAM_AUTH", "DB_SSL_MODE", "PROXY_ENDPOINT", "RDS_PORT",
      "CATALOG_API_BASE", "INTERNAL_TOKEN", "INTERNAL_TOKEN_SECRET", "BASTION_HOST", "BASTION_PORT", "BASTION_USER",
      "BASTION_SSH_KEY_SECRET", "BASTION_HOST_KEY", "VIDEO_PREFIX", "VIDEO_SUFFIXES", "THUMBNAIL_PREFIX", "THUMBNAIL_KEY", "MODE",
    ])) == 0
    error_message = "environment: holds a variable that has an input of its own here."
  }
}

# Network

variable "vpc" {
  description = <<-TEXT
    The network with the database. Null: none. security_group_ids exist already; with create_security_group one more is made, in vpc_id, that may reach the
    database's port, 443 (S3, Secrets Manager, the API) and the API's own port if that is another, and is let into each of database_security_group_ids, those of RDS Proxy or Aurora.
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
    error_message = "vpc.subnet_ids: at least one."
  }
  validation {
    condition     = var.vpc == null ? true : var.vpc.create_security_group || length(var.vpc.security_group_ids) > 0
    error_message = "vpc: give security_group_ids, or create_security_group = true with vpc_id."
  }
  validation {
    condition     = var.vpc == null ? true : var.vpc.create_security_group ? var.vpc.vpc_id != null : length(var.vpc.database_security_group_ids) == 0
    error_message = "vpc: create_security_group needs vpc_id, and database_security_group_ids go with it alone."
  }
}

# Repository and back-fills

variable "repository" {
  description = "An ECR repository to make, or to take over by an import block. Null: none; image_uri names one that exists. Tags are immutable unless told otherwise, so that what a tag ran can be run again."
  type = object({
    name                 = string
    image_tag_mutability = optional(string, "IMMUTABLE")
    scan_on_push         = optional(bool, true)
  })
  default = null
}

variable "batch_prefix" {
  description = "A folder of the bucket for manifests and reports of S3 Batch Operations, with its final slash: a role for such jobs is made. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.batch_prefix == null ? true : endswith(var.batch_prefix, "/") && (var.video_prefix == "" || !startswith(var.batch_prefix, var.video_prefix))
    error_message = "batch_prefix: with a final slash, and outside video_prefix."
  }
}
