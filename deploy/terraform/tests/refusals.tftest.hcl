# Inputs that cannot work are refused before anything is planned.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  function_name         = "films"
  image_uri             = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/films:1"
  bucket                = "example-films"
  db_host               = "database.example"
  db_user               = "films"
  db_name               = "films"
  db_password_secret    = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/db-AbCdEf"
  catalog_api_base      = "https://api.example/api"
  internal_token_secret = "films/token"
}

run "a_name_with_a_slash" {
  command = plan
  variables {
    function_name = "a/b"
  }
  expect_failures = [var.function_name]
}

run "neither_image_nor_zip" {
  command = plan
  variables {
    image_uri = null
  }
  expect_failures = [var.zip_path]
}

run "image_and_zip" {
  command = plan
  variables {
    zip_path = "versions.tf"
  }
  expect_failures = [var.zip_path]
}

run "another_processor" {
  command = plan
  variables {
    architecture = "amd64"
  }
  expect_failures = [var.architecture]
}

run "too_little_memory" {
  command = plan
  variables {
    memory_size = 64
  }
  expect_failures = [var.memory_size]
}

run "too_long_a_timeout" {
  command = plan
  variables {
    timeout = 901
  }
  expect_failures = [var.timeout]
}

run "too_short_a_timeout" {
  command = plan
  variables {
    timeout = 10
  }
  expect_failures = [var.timeout]
}

run "a_small_tmp" {
  command = plan
  variables {
    ephemeral_storage_size = 256
  }
  expect_failures = [var.ephemeral_storage_size]
}

run "another_mode" {
  command = plan
  variables {
    mode = "dry"
  }
  expect_failures = [var.mode]
}

run "a_role_that_is_not_used" {
  command = plan
  variables {
    role_arn = "arn:aws:iam::111122223333:role/x"
  }
  expect_failures = [var.role_arn]
}

run "no_role" {
  command = plan
  variables {
    create_role = false
  }
  expect_failures = [var.role_arn]
}

run "a_prefix_without_slash" {
  command = plan
  variables {
    video_prefix = "videos"
  }
  expect_failures = [var.video_prefix]
}

run "suffixes_without_dot" {
  command = plan
  variables {
    video_suffixes = ["mp4"]
  }
  expect_failures = [var.video_suffixes]
}

run "no_suffixes" {
  command = plan
  variables {
    video_suffixes = []
  }
  expect_failures = [var.video_suffixes]
}

run "thumbnails_around_the_videos" {
  command = plan
  variables {
    thumbnail_prefix = "videos/"
  }
  expect_failures = [var.thumbnail_prefix]
}

run "another_trigger" {
  command = plan
  variables {
    trigger = "sns"
  }
  expect_failures = [var.trigger]
}

run "nothing_to_notify" {
  command = plan
  variables {
    trigger                    = "none"
    manage_bucket_notification = true
  }
  expect_failures = [var.manage_bucket_notification]
}

run "one_at_a_time_cannot_be_told_to_a_queue" {
  command = plan
  variables {
    max_concurrency = 1
  }
  expect_failures = [var.max_concurrency]
}

run "no_concurrency" {
  command = plan
  variables {
    reserved_concurrency = 0
  }
  expect_failures = [var.reserved_concurrency]
}

run "a_reservation_that_throttles_the_queue" {
  command = plan
  variables {
    trigger              = "sqs"
    reserved_concurrency = 5
  }
  expect_failures = [var.reserved_concurrency]
}

run "no_time_for_an_object" {
  command = plan
  variables {
    seconds_per_object = 0
  }
  expect_failures = [var.seconds_per_object]
}

run "a_batch_beyond_ten" {
  command = plan
  variables {
    batch_size = 11
  }
  expect_failures = [var.batch_size]
}

run "a_batch_longer_than_the_timeout" {
  command = plan
  variables {
    batch_size = 9
    timeout    = 200
  }
  expect_failures = [var.batch_size]
}

run "a_batch_one_after_another" {
  command = plan
  variables {
    batch_size  = 3
    environment = { MAX_CONCURRENCY = "1" }
  }
  expect_failures = [var.batch_size]
}

run "messages_that_come_again_too_early" {
  command = plan
  variables {
    visibility_timeout = 1799
  }
  expect_failures = [var.visibility_timeout]
}

run "messages_hidden_for_too_long" {
  command = plan
  variables {
    visibility_timeout = 43201
  }
  expect_failures = [var.visibility_timeout]
}

run "given_up_too_early" {
  command = plan
  variables {
    max_receive_count = 4
  }
  expect_failures = [var.max_receive_count]
}

run "a_delay_beyond_sqs" {
  command = plan
  variables {
    queue_delay = 901
  }
  expect_failures = [var.queue_delay]
}

run "two_destinations" {
  command = plan
  variables {
    failure_destination = { arn = "arn:aws:sqs:eu-central-1:111122223333:x" }
  }
  expect_failures = [var.failure_destination]
}

run "dead_letters_to_a_topic" {
  command = plan
  variables {
    trigger              = "sqs"
    create_failure_queue = false
    failure_destination  = { arn = "arn:aws:sns:eu-central-1:111122223333:x", type = "sns" }
  }
  expect_failures = [var.failure_destination]
}

run "no_database" {
  command = plan
  variables {
    db_host = null
  }
  expect_failures = [var.db_host]
}

run "two_proxies" {
  command = plan
  variables {
    rds_proxy_name = "films"
    proxy_endpoint = "proxy.example"
  }
  expect_failures = [var.rds_proxy_name]
}

run "another_tls_mode" {
  command = plan
  variables {
    db_ssl_mode = "preferred"
  }
  expect_failures = [var.db_ssl_mode]
}

run "a_token_in_the_open" {
  command = plan
  variables {
    db_ssl_mode        = "disabled"
    db_password_secret = null
    db_iam_auth        = true
    db_resource_id     = "prx-0123456789abcdef0"
  }
  expect_failures = [var.db_ssl_mode]
}

run "two_ways_to_log_in" {
  command = plan
  variables {
    db_password = "placeholder"
  }
  expect_failures = [var.db_iam_auth]
}

run "no_way_to_log_in" {
  command = plan
  variables {
    db_password_secret = null
  }
  expect_failures = [var.db_iam_auth]
}

run "a_token_for_nothing" {
  command = plan
  variables {
    db_password_secret = null
    db_iam_auth        = true
  }
  expect_failures = [var.db_resource_id]
}

run "an_arn_for_an_id" {
  command = plan
  variables {
    db_resource_id = "arn:aws:rds:eu-central-1:111122223333:db-proxy:prx-0123456789abcdef0"
  }
  expect_failures = [var.db_resource_id]
}

run "an_api_without_scheme" {
  command = plan
  variables {
    catalog_api_base = "api.example"
  }
  expect_failures = [var.catalog_api_base]
}

run "an_api_with_a_password" {
  command = plan
  variables {
    catalog_api_base = "https://user:placeholder@api.example"
  }
  expect_failures = [var.catalog_api_base]
}

run "two_tokens" {
  command = plan
  variables {
    internal_token = "placeholder"
  }
  expect_failures = [var.internal_token]
}

run "no_token" {
  command = plan
  variables {
    internal_token_secret = null
  }
  expect_failures = [var.internal_token]
}

run "a_setting_said_twice" {
  command = plan
  variables {
    environment = { MODE = "shadow" }
  }
  expect_failures = [var.environment]
}

run "no_subnets" {
  command = plan
  variables {
    vpc = { subnet_ids = [], security_group_ids = ["sg-0"] }
  }
  expect_failures = [var.vpc]
}

run "no_security_group" {
  command = plan
  variables {
    vpc = { subnet_ids = ["subnet-0"] }
  }
  expect_failures = [var.vpc]
}

run "a_group_without_network" {
  command = plan
  variables {
    vpc = { subnet_ids = ["subnet-0"], create_security_group = true }
  }
  expect_failures = [var.vpc]
}

run "a_folder_without_slash" {
  command = plan
  variables {
    batch_prefix = "batch"
  }
  expect_failures = [var.batch_prefix]
}

run "manifests_among_the_videos" {
  command = plan
  variables {
    batch_prefix = "videos/batch/"
  }
  expect_failures = [var.batch_prefix]
}

run "one_folder_for_all_storyboards" {
  command = plan
  variables {
    storyboard_key = "storyboards/"
  }
  expect_failures = [var.storyboard_key]
}

run "a_storyboard_folder_with_an_extension" {
  command = plan
  variables {
    storyboard_key = "storyboards/{name}.{ext}"
  }
  expect_failures = [var.storyboard_key]
}
