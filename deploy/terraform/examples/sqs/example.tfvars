region                = "<region>"
bucket                = "<bucket with the videos>"
image_uri             = "<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>"
rds_proxy_name        = "<name of the RDS Proxy>"
internal_token_secret = "<ARN of the secret with the API's token>"
catalog_api_base      = "https://<host>/<path>"
subnet_ids            = ["<subnet-...>", "<subnet-...>"]
security_group_id     = "<sg-... that RDS Proxy lets in>"
