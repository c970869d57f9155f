# Passwords come by TF_VAR_db_password and TF_VAR_internal_token.
region             = "<region>"
function_name      = "<name of the function>"
image_uri          = "<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>"
role_arn           = "<ARN of the function's role>"
repository         = "<name of the ECR repository>"
bucket             = "<bucket with the videos>"
db_host            = "<DB_HOST>"
db_user            = "<DB_USER>"
db_name            = "<DB_NAME>"
catalog_api_base   = "<CATALOG_API_BASE>"
environment        = {}
subnet_ids         = ["<subnet-...>", "<subnet-...>"]
security_group_ids = ["<sg-...>"]
