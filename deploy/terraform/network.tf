# A security group between the function and the database.

locals {
  makes_security_group = try(var.vpc.create_security_group, false)
  database_groups      = try(var.vpc.database_security_group_ids, [])

  api_port = try(tonumber(regex("^https?://[^/]*:([0-9]+)(?:/|$)", var.catalog_api_base)[0]), startswith(var.catalog_api_base, "http:") ? 80 : 443)
}

# Terraform knows only the rules of groups created here: another group of yours may already permit connections to the
# database.
check "the_database_is_reached" {
  assert {
    condition     = !local.makes_security_group || length(local.database_groups) > 0 || var.bastion != null || length(try(var.vpc.security_group_ids, [])) > 0
    error_message = "vpc.create_security_group creates a group that permits connections to port 443 and the API only: set database_security_group_ids to the groups of the database, or add a group that reaches the database to security_group_ids."
  }
}

resource "aws_security_group" "this" {
  count = local.makes_security_group ? 1 : 0

  name_prefix = "${var.function_name}-"
  description = "The function ${var.function_name}"
  vpc_id      = var.vpc.vpc_id
  tags        = var.tags

  # Interfaces keep using a group for some time, so the new group is created first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count = local.makes_security_group ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "S3, Secrets Manager, the catalogue API"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "api" {
  count = local.makes_security_group && local.api_port != 443 ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "The catalogue API"
  ip_protocol       = "tcp"
  from_port         = local.api_port
  to_port           = local.api_port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "database" {
  count = local.makes_security_group ? length(local.database_groups) : 0

  security_group_id            = aws_security_group.this[0].id
  description                  = "The database"
  ip_protocol                  = "tcp"
  from_port                    = var.db_port
  to_port                      = var.db_port
  referenced_security_group_id = local.database_groups[count.index]
}

resource "aws_vpc_security_group_egress_rule" "bastion" {
  count = local.makes_security_group && var.bastion != null ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "The bastion"
  ip_protocol       = "tcp"
  from_port         = var.bastion.port
  to_port           = var.bastion.port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  count = local.makes_security_group ? length(local.database_groups) : 0

  security_group_id            = local.database_groups[count.index]
  description                  = "The function ${var.function_name}"
  ip_protocol                  = "tcp"
  from_port                    = var.db_port
  to_port                      = var.db_port
  referenced_security_group_id = aws_security_group.this[0].id
}
