# A repository for the image. Lambda adds its own permission to pull.

resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:The image holds no secrets; a repository's encryption cannot be changed without making it anew, and one that is taken over must stay
  #checkov:skip=CKV_AWS_51:Tags are immutable by default; one that is taken over may keep its own rule
  #checkov:skip=CKV_AWS_163:Images are scanned by default; one that is taken over may keep its own rule
  count = var.repository == null ? 0 : 1

  name                 = var.repository.name
  image_tag_mutability = var.repository.image_tag_mutability
  tags                 = var.tags

  image_scanning_configuration {
    scan_on_push = var.repository.scan_on_push
  }
}
