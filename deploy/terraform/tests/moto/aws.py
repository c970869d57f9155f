"""AWS for the module to be applied to: moto, on 127.0.0.1.

    aws.py PORT

Three of its answers are corrected, which otherwise look to Terraform like changes that somebody made: a function without an image
configuration has none, a rule about a security group has the description that it was given, and a queue's redrive policy is told
as it was written, without spaces.
"""

import json
import sys
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.server import main
from moto.sqs.models import Queue

unchanged_configuration = LambdaFunction.get_configuration
unchanged_attributes = Queue.attributes


def configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
    answer = unchanged_configuration(self, on_create)
    if not any(answer.get("ImageConfigResponse", {}).get("ImageConfig", {}).values()):
        answer.pop("ImageConfigResponse", None)
    return answer


def description(self: Any) -> str | None:
    return self.ip_range.get("Description") or self.source_group.get("Description")


def attributes(self: Any) -> dict[str, Any]:
    answer = unchanged_attributes.fget(self)  # type: ignore[union-attr]
    if answer.get("RedrivePolicy"):
        answer["RedrivePolicy"] = json.dumps(json.loads(answer["RedrivePolicy"]), separators=(",", ":"))
    return answer


Queue.attributes = property(attributes)  # type: ignore[assignment]
LambdaFunction.get_configuration = configuration  # type: ignore[method-assign]
SecurityGroupRule.description = property(description)  # type: ignore[assignment]

if __name__ == "__main__":
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
