# The role permits exactly what the way of use needs: every run compares the whole list of actions, and what each is on.

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

run "s3" {
  command = plan

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s } == {
      ReadVideosAndThumbnails = {
        Sid      = "ReadVideosAndThumbnails"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::example-films/videos/*", "arn:aws:s3:::example-films/thumbnails/*"]
      }
      WriteThumbnails = {
        Sid      = "WriteThumbnails"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::example-films/thumbnails/*"]
      }
      WriteLogs = {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/films:*"]
      }
      ReadSecrets = {
        Sid    = "ReadSecrets"
        Effect = "Allow"
        Action = ["secretsmanager:GetSecretValue"]
        Resource = [
          "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/db-AbCdEf",
          "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/token-??????",
        ]
      }
      TellOfFailures = {
        Sid      = "TellOfFailures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:aws:sqs:eu-central-1:111122223333:films-failures"]
      }
    }
    error_message = "The role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
    error_message = "Only Lambda may take the role."
  }

  assert {
    condition     = output.role_policy == aws_iam_role_policy.this[0].policy
    error_message = "role_policy is not what the role permits."
  }
}

run "plain_secrets_and_no_destination" {
  command = plan
  variables {
    db_password_secret    = null
    db_password           = "placeholder"
    internal_token_secret = null
    internal_token        = "placeholder"
    create_failure_queue  = false
  }

  expect_failures = [check.failed_events_are_kept]

  assert {
    condition     = toset(flatten([for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Action])) == toset(["s3:GetObject", "s3:PutObject", "logs:CreateLogStream", "logs:PutLogEvents"])
    error_message = "The least role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "shadow_cannot_write" {
  command = plan
  variables {
    mode                 = "shadow"
    trigger              = "none"
    create_failure_queue = false
    failure_destination  = { arn = "arn:aws:sns:eu-central-1:111122223333:failures", type = "sns" }
    kms_key_arns         = ["arn:aws:kms:eu-central-1:111122223333:key/films"]
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Action } == {
      ReadVideosAndThumbnails = ["s3:GetObject"]
      WriteLogs               = ["logs:CreateLogStream", "logs:PutLogEvents"]
      ReadSecrets             = ["secretsmanager:GetSecretValue"]
      UseKeys                 = ["kms:Decrypt"]
      TellOfFailures          = ["sns:Publish"]
    }
    error_message = "A shadow's role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.MODE == "shadow"
    error_message = "MODE is not set."
  }
}

run "queue_iam_login_network_and_bastion" {
  command = plan
  variables {
    trigger            = "sqs"
    db_password_secret = null
    db_host            = null
    rds_proxy_name     = "films"
    db_iam_auth        = true
    kms_key_arns       = ["arn:aws:kms:eu-central-1:111122223333:key/films"]
    vpc                = { subnet_ids = ["subnet-0123456789abcdef0"], security_group_ids = ["sg-0123456789abcdef0"] }
    bastion            = { host = "bastion.example", ssh_key_secret = "films/ssh", host_key = "ssh-ed25519 AAAA" }
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => { does = s.Action, on = s.Resource, effect = s.Effect } if !contains(["WriteLogs", "ReadVideosAndThumbnails", "WriteThumbnails"], s.Sid) } == {
      ReadSecrets = {
        does   = ["secretsmanager:GetSecretValue"]
        on     = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/token-??????", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:films/ssh-??????"]
        effect = "Allow"
      }
      UseKeys = {
        does   = ["kms:Decrypt", "kms:GenerateDataKey"]
        on     = ["arn:aws:kms:eu-central-1:111122223333:key/films"]
        effect = "Allow"
      }
      LogInToTheDatabase = {
        does   = ["rds-db:connect"]
        on     = ["arn:aws:rds-db:eu-central-1:111122223333:dbuser:prx-0123456789abcdef0/films"]
        effect = "Allow"
      }
      ReadTheQueue = {
        does   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        on     = ["arn:aws:sqs:eu-central-1:111122223333:films"]
        effect = "Allow"
      }
      LambdaMakesNetworkInterfaces = {
        does   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        on     = ["*"]
        effect = "Allow"
      }
      TheProgramDoesNot = {
        does   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        on     = ["*"]
        effect = "Deny"
      }
    }
    error_message = "The role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }

  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Condition if s.Sid == "UseKeys"] == [{ StringLike = { "kms:ViaService" = ["s3.*.amazonaws.com", "secretsmanager.*.amazonaws.com"] } }]
    error_message = "The program may use the keys by itself."
  }

  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Condition if s.Effect == "Deny"] == [{ ArnEquals = { "lambda:SourceFunctionArn" = ["arn:aws:lambda:eu-central-1:111122223333:function:films"] } }]
    error_message = "The denial is not about the program."
  }
}

run "another_thumbnail_key_may_be_anywhere" {
  command = plan
  variables {
    thumbnail_key = "{dir}{stem}.{ext}"
    video_prefix  = ""
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "s3:") } == {
      ReadVideosAndThumbnails = ["arn:aws:s3:::example-films/*"]
      WriteThumbnails         = ["arn:aws:s3:::example-films/*"]
    }
    error_message = "The role cannot reach the thumbnails: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "storyboards_have_a_folder_of_their_own" {
  command = plan
  variables {
    storyboard_key = "storyboards/{dir}{name}/"
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "s3:") } == {
      ReadVideosAndThumbnails = ["arn:aws:s3:::example-films/videos/*", "arn:aws:s3:::example-films/thumbnails/*", "arn:aws:s3:::example-films/storyboards/*"]
      WriteThumbnails         = ["arn:aws:s3:::example-films/thumbnails/*", "arn:aws:s3:::example-films/storyboards/*"]
    }
    error_message = "The role cannot reach the storyboards, or reaches more: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "storyboards_beside_the_thumbnails_need_no_more" {
  command = plan
  variables {
    storyboard_key = "{prefix}{dir}{name}/"
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "s3:") } == {
      ReadVideosAndThumbnails = ["arn:aws:s3:::example-films/videos/*", "arn:aws:s3:::example-films/thumbnails/*"]
      WriteThumbnails         = ["arn:aws:s3:::example-films/thumbnails/*"]
    }
    error_message = "The role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "storyboards_anywhere_and_none_in_a_shadow" {
  command = plan
  variables {
    storyboard_key = "{dir}{name}/"
    mode           = "shadow"
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "s3:") } == {
      ReadVideosAndThumbnails = ["arn:aws:s3:::example-films/videos/*", "arn:aws:s3:::example-films/thumbnails/*"]
    }
    error_message = "A shadow's role permits something else: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "storyboards_anywhere" {
  command = plan
  variables {
    storyboard_key = "{dir}{name}/"
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.this[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "s3:") } == {
      ReadVideosAndThumbnails = ["arn:aws:s3:::example-films/*"]
      WriteThumbnails         = ["arn:aws:s3:::example-films/*"]
    }
    error_message = "The role cannot reach the storyboards: ${aws_iam_role_policy.this[0].policy}"
  }
}

run "a_role_of_ones_own_is_left_alone" {
  command = plan
  variables {
    create_role = false
    role_arn    = "arn:aws:iam::111122223333:role/existing"
  }

  assert {
    condition     = length(aws_iam_role.this) == 0 && length(aws_iam_role_policy.this) == 0
    error_message = "A role or policy is made."
  }

  assert {
    condition     = aws_lambda_function.this.role == "arn:aws:iam::111122223333:role/existing"
    error_message = "The function has another role."
  }

  assert {
    condition     = length(jsondecode(output.role_policy).Statement) == 5
    error_message = "role_policy does not say what the role must permit."
  }
}

run "batch_operations" {
  command = plan
  variables {
    batch_prefix = "batch/"
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.batch[0].policy).Statement : [s.Action, s.Resource]] == [
      [["lambda:InvokeFunction"], ["arn:aws:lambda:eu-central-1:111122223333:function:films"]],
      [["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::example-films/batch/*"]],
      [["s3:PutObject"], ["arn:aws:s3:::example-films/batch/*"]],
    ]
    error_message = "The jobs' role permits something else: ${aws_iam_role_policy.batch[0].policy}"
  }
}

run "batch_operations_with_a_key" {
  command = plan
  variables {
    batch_prefix = "batch/"
    kms_key_arns = ["arn:aws:kms:eu-central-1:111122223333:key/films"]
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.batch[0].policy).Statement : s if s.Sid == "UseKeys"] == [{
      Sid       = "UseKeys"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = ["arn:aws:kms:eu-central-1:111122223333:key/films"]
      Condition = { StringLike = { "kms:ViaService" = ["s3.*.amazonaws.com"] } }
    }]
    error_message = "The jobs cannot read their manifest, or may do more with the key: ${aws_iam_role_policy.batch[0].policy}"
  }
}
