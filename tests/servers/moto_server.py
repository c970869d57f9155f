"""AWS for the tests: moto's S3, Secrets Manager and IAM, which check every signature and every permission.

    INITIAL_NO_AUTH_ACTION_COUNT=0 moto_server.py PORT [CERTIFICATE KEY]

The variable is moto's: the number of requests that are not checked.

The tests set the server up and inspect it at /_tests, without credentials. The server corrects moto in three points, so that it
behaves as AWS: a user who may not list a bucket gets 403 instead of 404 for a missing key, permissions for a single secret work, and only a
user who may read an object's tags learns their number.
"""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMPolicy, IAMUserAccessKey, PermissionResult
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug import Request, Response
from werkzeug.serving import run_simple

REGION = "ap-northeast-2"
USER = "lambda"

iam = iam_backends[ACCOUNT]["aws"]
s3 = s3_backends[ACCOUNT]["aws"]
secrets = secretsmanager_backends[ACCOUNT][REGION]

requests: list[dict[str, Any]] = []

unchanged_authorise = ActionAuthenticatorMixin._authenticate_and_authorize_normal_action


def authorise(self: Any, resource: str = "*") -> None:
    """Checks permissions for the requested secret. moto itself checks them for `*`."""
    if self.headers.get("X-Amz-Target", "").startswith("secretsmanager."):
        wanted = str(json.loads(self.raw_body or "{}").get("SecretId", ""))
        by_name = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{wanted}-unknown"
        found = [secret.arn for secret in secrets.secrets.values() if wanted in (secret.name, secret.arn)]
        resource = wanted if wanted.startswith("arn:") else [*found, by_name][0]
    unchanged_authorise(self, resource)


ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = authorise


def may(authorization: str, action: str, resource: str) -> bool:
    access_key = authorization.partition("Credential=")[2].partition("/")[0]
    policies = IAMUserAccessKey(ACCOUNT, "aws", access_key, {}).collect_policies()
    results = [IAMPolicy(policy).is_action_permitted(action, f"arn:aws:s3:::{resource}") for policy in policies]
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results


def set_up(request: Request, name: str) -> Any:
    """Creates a user who has only the permissions in the body."""
    if name not in iam.users:
        iam.create_user(REGION, name)
    iam.put_user_policy(name, "only", request.get_data(as_text=True))
    keys = iam.list_access_keys(name) or [iam.create_access_key(name)]
    return {"access_key": keys[0].access_key_id, "secret_key": keys[0].secret_access_key}


def secret(request: Request, name: str) -> Any:
    text = request.get_data(as_text=True)
    if name in secrets.secrets:
        secrets.put_secret_value(name, text, None, None, ["AWSCURRENT"])
    else:
        secrets.create_secret(name, text, None, None, None, None, None, [], False)
    return {"arn": secrets.secrets[name].arn}


def bucket(_: Request, name: str) -> Any:
    s3.create_bucket(name, REGION)


def objects(request: Request, path: str) -> Any:
    bucket, _, key = path.partition("/")
    if request.method == "PUT":
        stored = s3.put_object(bucket, key, request.get_data())
        prefix = "x-amz-meta-"
        stored.set_metadata({name.lower(): value for name, value in request.headers.items() if name.lower().startswith(prefix)})
        return {"etag": stored.etag}
    if request.method == "DELETE":
        s3.delete_object(bucket, key)
        return None
    if not key:
        return sorted(s3.get_bucket(bucket).keys.keys())
    found = s3.get_object(bucket, key)
    if found is None:
        return Response(status=404)
    headers = {"x-etag": found.etag} | {f"x-object-{name}": value for name, value in found.metadata.items()}
    return Response(found.value, headers=headers, content_type="application/octet-stream")


def tags(request: Request, path: str) -> Any:
    """Sets the tags of an object to those of the body, as an editor's console does."""
    bucket, _, key = path.partition("/")
    s3.put_object_tagging(s3.get_object(bucket, key), json.loads(request.get_data()))


def recorded(request: Request, _: str) -> Any:
    if request.method == "DELETE":
        requests.clear()
    return requests


CONTROLS = {"users": set_up, "secrets": secret, "buckets": bucket, "objects": objects, "tags": tags, "requests": recorded}

StartResponse = Callable[..., Any]


class Application:
    """moto with a record of all requests, and with the corrections of this file."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        path = unquote(environ.get("RAW_URI", request.path).partition("?")[0])
        if path.startswith("/_tests/"):
            what, _, name = path.removeprefix("/_tests/").partition("/")
            answer = CONTROLS[what](request, name)
            if not isinstance(answer, Response):
                answer = Response(json.dumps(answer), content_type="application/json")
            return answer(environ, start_response)

        entry = {"method": request.method, "path": path, "query": request.query_string.decode(), "status": None}
        entry["target"] = request.headers.get("X-Amz-Target")
        entry["headers"] = {name.lower(): value for name, value in request.headers.items()}
        requests.append(entry)

        response = Response.from_app(self.moto, environ, buffered=True)
        authorization = request.headers.get("Authorization", "")
        bucket, _, key = path.lstrip("/").partition("/")
        asks = request.method in ("GET", "HEAD") and "uploadId" not in parse_qs(entry["query"])
        hidden = response.status_code == 404 and key and asks and "/s3/aws4_request" in authorization
        if hidden and not may(authorization, "s3:ListBucket", bucket):
            body = '<?xml version="1.0" encoding="UTF-8"?>\n'
            body += "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            response = Response("" if request.method == "HEAD" else body, 403, content_type="application/xml")
        # S3 reports the number of tags only to callers that may read the tags.
        counted = "X-Amz-Tagging-Count" in response.headers and "/s3/aws4_request" in authorization
        if counted and not may(authorization, "s3:GetObjectTagging", f"{bucket}/{key}"):
            del response.headers["X-Amz-Tagging-Count"]
        entry["status"] = response.status_code
        return response(environ, start_response)


if __name__ == "__main__":
    port, *certificate = sys.argv[1:]
    run_simple(
        "127.0.0.1",
        int(port),
        Application(),
        threaded=True,
        ssl_context=tuple(certificate) or None,
        request_handler=MotoRequestHandler,
    )
