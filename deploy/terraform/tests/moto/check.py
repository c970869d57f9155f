"""The module and its examples applied to moto, and the cut-over from the replaced Lambda and back.

    check.py WORK_FOLDER [PLUGIN_FOLDER]

moto is started here, on 127.0.0.1, and stopped again. Every example is applied and planned again, which must find nothing to do. For
the cut-over the replaced Lambda's resources are made as their owner has them, once by hand (taken over by import) and once by
Terraform (taken over by a moved block); the module must replace and destroy nothing, and everything but the function's own
settings is read before and after by other means than Terraform and compared. What is printed is the transcript.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3

REGION = "eu-central-1"
MODULE = Path(__file__).resolve().parents[2]
WORK = Path(sys.argv[1]).resolve()
PLUGINS = sys.argv[2] if len(sys.argv) > 2 else ""

FUNCTION = "catalogue-video-processor"
BUCKET = "catalogue-videos"
LOGS = f"/aws/lambda/{FUNCTION}"

PYTHON_IMAGE = "python-v1"
NEW_IMAGE = "posterframe-v1"

# Of a function: what says when, not what.
TIMES = {"LastModified", "RevisionId", "ResponseMetadata", "Code", "CodeSha256", "CodeSize", "LastUpdateStatus"}


class Failed(Exception):
    """Something is not as it must be."""


def start_moto() -> subprocess.Popen[bytes]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("aws.py"), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    for _ in range(600):
        if server.poll() is not None:
            raise Failed(f"moto ended with {server.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/data.json", timeout=5).close()
            return server
        except OSError:
            time.sleep(0.1)
    server.terminate()
    raise Failed("moto does not answer after a minute")


def forget_everything() -> None:
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/moto-api/reset", method="POST")
    urllib.request.urlopen(request).close()


class Root:
    """A Terraform root, in a copy of the module's folder: state and plug-ins stay out of the repository."""

    def __init__(self, name: str, source: str) -> None:
        copy = WORK / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.folder = copy / source
        self.run("init", "-backend=false", "-input=false", *([f"-plugin-dir={PLUGINS}"] if PLUGINS else []))

    def run(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> tuple[int, str]:
        done = subprocess.run(
            ["terraform", arguments[0], *(["-no-color"] if arguments[0] != "show" else []), *arguments[1:]],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=240,  # the provider waits for half an hour for what moto does not know
        )
        if done.returncode not in allowed:
            raise Failed(f"terraform {' '.join(arguments)} in {self.folder.name}:\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout

    def use(self, **variables: Any) -> None:
        (self.folder / "check.auto.tfvars.json").write_text(json.dumps(variables))

    def plan(self) -> dict[str, Any]:
        self.run("plan", "-input=false", "-out=check.tfplan")
        return json.loads(self.run("show", "-json", "check.tfplan")[1])

    def apply(self) -> None:
        self.run("apply", "-input=false", "check.tfplan")

    def finds_nothing_to_do(self) -> None:
        changed, text = self.run("plan", "-input=false", "-detailed-exitcode", allowed=(0, 2))
        if changed:
            raise Failed(f"the second plan finds something to do:\n{text}")


def counts(plan: dict[str, Any]) -> dict[str, int]:
    """Resources by what is done to them. A replacement counts as such, and as nothing else."""
    result = {"imported": 0, "moved": 0, "added": 0, "changed": 0, "replaced": 0, "destroyed": 0}
    for resource in plan.get("resource_changes", []):
        if resource["mode"] != "managed":
            continue
        change = resource["change"]
        result["imported"] += "importing" in change
        result["moved"] += "previous_address" in resource
        match change["actions"]:
            case ["create"]:
                result["added"] += 1
            case ["update"]:
                result["changed"] += 1
            case ["delete"]:
                result["destroyed"] += 1
            case ["no-op"] | ["read"]:
                pass
            case _:
                result["replaced"] += 1
    return result


def changes(plan: dict[str, Any]) -> dict[str, set[str]]:
    """Which arguments of which resource are changed. One whose values are only hidden from now on has none."""
    result = {}
    for resource in plan.get("resource_changes", []):
        change = resource["change"]
        if resource["mode"] == "managed" and change["actions"] == ["update"]:
            before, after, unknown = change["before"], change["after"], change["after_unknown"]
            # An import leaves `publish` open, and open is false: only Terraform's notes change.
            names = {name for name in after if before.get(name) != after[name] and (before.get(name), after[name]) != (None, False)}
            result[resource["address"]] = names | {name for name in unknown if unknown[name] is True}
    return {address: names for address, names in result.items() if names}


def say(text: str) -> None:
    print(text, flush=True)


def say_plan(step: str, plan: dict[str, Any]) -> None:
    say(f"  {step:<38}" + ", ".join(f"{number} {what}" for what, number in counts(plan).items()))


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise Failed(message)


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def account() -> str:
    return client("sts").get_caller_identity()["Account"]


def image(tag: str) -> str:
    return f"{account()}.dkr.ecr.{REGION}.amazonaws.com/{BUCKET}:{tag}"


# Examples


def network() -> dict[str, Any]:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    group = ec2.create_security_group(GroupName="database", Description="database", VpcId=vpc)["GroupId"]
    return {"vpc_id": vpc, "subnet_ids": subnets, "group": group}


def secret(name: str) -> str:
    return client("secretsmanager").create_secret(Name=name, SecretString="placeholder")["ARN"]


def subtitles_queue() -> str:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="catalogue-subtitles")["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def a_bucket_of_others() -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    configuration = {"QueueConfigurations": [of_others(subtitles_queue())]}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def of_others(queue: str) -> dict[str, Any]:
    return {
        "Id": "subtitles",
        "QueueArn": queue,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "subtitles/"}]}},
    }


def notifications() -> dict[str, Any]:
    answer = client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
    answer.pop("ResponseMetadata")
    return answer


def example(name: str) -> Root:
    """Applies an example on a bucket that others have notifications on."""
    forget_everything()
    a_bucket_of_others()
    net = network()
    variables: dict[str, Any] = {
        "region": REGION,
        "bucket": BUCKET,
        "image_uri": image(NEW_IMAGE),
        "internal_token_secret": secret("token"),
        "catalog_api_base": "https://api.example/api",
        "subnet_ids": net["subnet_ids"],
    }
    if name == "s3":
        topic = client("sns").create_topic(Name="alarms")["TopicArn"]
        variables |= {"db_host": "database.example", "db_password_secret": secret("database"), "vpc_id": net["vpc_id"]}
        variables |= {"database_security_group_id": net["group"], "alarm_topic_arn": topic}
    elif name == "sqs":
        proxy = client("rds").create_db_proxy(
            DBProxyName="catalogue",
            EngineFamily="MYSQL",
            Auth=[{"AuthScheme": "SECRETS", "SecretArn": secret("database")}],
            RoleArn=f"arn:aws:iam::{account()}:role/proxy",
            VpcSubnetIds=net["subnet_ids"],
            VpcSecurityGroupIds=[net["group"]],
        )["DBProxy"]
        variables |= {"rds_proxy_name": proxy["DBProxyName"], "security_group_id": net["group"]}
    else:
        variables |= {"db_host": "database.example", "db_user": "reader", "db_name": "catalogue"}
        variables |= {"db_password_secret": secret("database"), "security_group_ids": [net["group"]]}

    before = notifications()
    root = Root(name, f"examples/{name}")
    root.use(**variables)
    plan = root.plan()
    say_plan("made", plan)
    root.apply()
    root.finds_nothing_to_do()
    expect(notifications() == before, f"example {name} changed the bucket's notifications")
    return root


def example_s3() -> None:
    root = example("s3")
    function = client("lambda").get_function(FunctionName="posterframe")
    expect(function["Concurrency"]["ReservedConcurrentExecutions"] == 5, "example s3: no reserved concurrency of 5")
    invoke = client("lambda").get_function_event_invoke_config(FunctionName="posterframe")
    expect(invoke["DestinationConfig"]["OnFailure"]["Destination"].endswith(":posterframe-failures"), "no destination")
    add_as_the_page_says(root)


def example_sqs() -> None:
    root = example("sqs")
    function = client("lambda").get_function(FunctionName="posterframe-queue")
    expect("Concurrency" not in function, "example sqs: reserved concurrency is set")
    queue = f"arn:aws:sqs:{REGION}:{account()}:posterframe-queue"
    (mapping,) = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    expect(mapping["ScalingConfig"] == {"MaximumConcurrency": 5}, f"example sqs: {mapping}")
    expect(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], f"example sqs: {mapping}")
    variables = function["Configuration"]["Environment"]["Variables"]
    expect(variables["DB_IAM_AUTH"] == "true" and variables["PROXY_ENDPOINT"] == variables["DB_HOST"], f"{variables}")
    add_as_the_page_says(root)


def example_shadow() -> None:
    root = example("shadow")
    variables = client("lambda").get_function(FunctionName="posterframe-shadow")["Configuration"]["Environment"]["Variables"]
    expect(variables["MODE"] == "shadow", "example shadow: MODE is not shadow")
    add_as_the_page_says(root)


def add_as_the_page_says(root: Root) -> None:
    """Adds to the bucket's notifications what the module says is to be added, by the commands of its page: S3 takes it, and the other's stays."""
    before = notifications()
    page = (MODULE / "README.md").read_text()
    commands = re.search(r"^```bash\n(terraform output .*?)^```$", page, re.DOTALL | re.MULTILINE)
    expect(commands is not None, "the module's page does not say how to add a notification")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", commands[1]],
        cwd=root.folder,
        env=os.environ | {"BUCKET": BUCKET, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    expect(done.returncode == 0, f"the page's commands: {done.stdout}{done.stderr}")
    after = notifications()
    others = [queue for queue in after["QueueConfigurations"] if queue["Id"] == "subtitles"]
    expect(others == before["QueueConfigurations"], f"the other notification changed: {after}")
    # moto takes that EventBridge is switched on, and does not tell of it.
    addition = json.loads((root.folder / "add.json").read_text())
    told = {kind for kind, members in addition.items() if isinstance(members, list)}
    expect(bool(addition) and set(after) >= told, f"what was printed was not taken: {after}")


# The image's way into the repository


ENGINE = """#!/bin/sh
# Stands for docker: says which processor an image is for, and writes down what else it was told.
case $1 in
    image) echo "$TOLD_PROCESSOR" ;;
    login) cat >/dev/null; echo "$@" >>"$TOLD" ;;
    # What the Dockerfile needs of docker's builder, and what Lambda does not take from it.
    build) echo "buildkit $DOCKER_BUILDKIT, no attestations $BUILDX_NO_DEFAULT_ATTESTATIONS: $*" >>"$TOLD" ;;
    *) echo "$@" >>"$TOLD" ;;
esac
"""


def push(*arguments: str, processor: str = "amd64") -> tuple[int, str, str]:
    """Runs push-image.sh with the AWS command line, moto and a stand-in for docker. Exit code, what it said, what docker was told."""
    folder = WORK / "push"
    folder.mkdir(exist_ok=True)
    engine, told = folder / "engine", folder / "told"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    told.write_text("")
    environment = os.environ | {"ENGINE": str(engine), "TOLD": str(told), "TOLD_PROCESSOR": processor}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    script = MODULE.parent / "push-image.sh"
    done = subprocess.run([script, *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, told.read_text()


def push_image() -> None:
    forget_everything()
    the_replaced_lambda(network())  # on x86_64
    login = f"login --username AWS --password-stdin {image('')[: -len(f'/{BUCKET}:')]}\n"
    there = ("--repository", BUCKET, "--tag", "v2", "--image", "built:here")

    code, said, told = push(*there, "--function", FUNCTION)
    expect(code == 0 and told == f"{login}tag built:here {image('v2')}\npush {image('v2')}\n", f"push: {said}{told}")
    say("  an image that is there: logged in, tagged, pushed")

    code, said, told = push("--repository", BUCKET, "--tag", "v3", "--function", FUNCTION)
    built = f"buildkit 1, no attestations 1: build --platform linux/amd64 --tag {BUCKET}:v3 {MODULE.parent.parent}\n"
    expect(code == 0 and told == f"{built}{login}tag {BUCKET}:v3 {image('v3')}\npush {image('v3')}\n", f"build: {said}{told}")
    say("  none there: built for the function's processor first")

    code, said, told = push(*there, "--function", FUNCTION, "--dry-run")
    expect(code == 0 and told == "" and f"push {image('v2')}" in said, f"push --dry-run: {said}{told}")
    say("  --dry-run: printed, nothing done")

    for arguments, processor, why in (
        (("--function", FUNCTION), "arm64", "is for arm64, the function needs amd64"),
        (("--function", FUNCTION, "--arch", "arm64"), "arm64", f"the function {FUNCTION} runs on x86_64, --arch says arm64"),
        (("--arch", "arm64"), "amd64", "is for amd64, the function needs arm64"),
        (("--function", "another"), "amd64", "cannot read the function another"),
        ((), "amd64", "no processor"),
        (("--arch", "x86_64", "--tag", "latest"), "amd64", "the tag"),
    ):
        code, said, told = push(*there, *arguments, processor=processor)
        expect(code == 1 and why in said and told == "", f"push {arguments}: {code} {said}{told}")
    say("  another processor, no function, no tag of its own: refused, nothing done")


# The cut-over


def the_replaced_lambda(net: dict[str, Any]) -> dict[str, Any]:
    """What its owner has today, made by hand. Its variables for the example `cutover`."""
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client("ecr").create_repository(repositoryName=BUCKET)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = client("iam").create_role(
        RoleName=FUNCTION, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    client("iam").put_role_policy(
        RoleName=FUNCTION, PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]})
    )
    client("logs").create_log_group(logGroupName=LOGS)
    variables = {
        "DB_HOST": "database.example",
        "DB_USER": "admin",
        "DB_PASSWORD": "placeholder",
        "DB_NAME": "catalogue",
        "CATALOG_API_BASE": "https://api.example/api",
        "INTERNAL_TOKEN": "placeholder",
        "FFMPEG_PATH": "/usr/local/bin/ffmpeg",
    }
    functions = client("lambda")
    arn = functions.create_function(
        FunctionName=FUNCTION,
        Role=role,
        PackageType="Image",
        Code={"ImageUri": image(PYTHON_IMAGE)},
        MemorySize=2048,
        Timeout=600,
        EphemeralStorage={"Size": 2048},
        Environment={"Variables": variables},
        VpcConfig={"SubnetIds": net["subnet_ids"], "SecurityGroupIds": [net["group"]]},
    )["FunctionArn"]
    functions.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=5)
    functions.add_permission(
        FunctionName=FUNCTION,
        StatementId="AllowS3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{BUCKET}",
    )
    rules = [{"Name": "prefix", "Value": "videos/"}, {"Name": "suffix", "Value": ".mp4"}]
    videos = {"Id": "videos", "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [videos],
            "QueueConfigurations": [of_others(subtitles_queue())],
        },
    )
    return {
        "region": REGION,
        "function_name": FUNCTION,
        "role_arn": role,
        "repository": BUCKET,
        "bucket": BUCKET,
        "ephemeral_storage_size": 2048,
        "db_host": variables["DB_HOST"],
        "db_user": variables["DB_USER"],
        "db_password": variables["DB_PASSWORD"],
        "db_name": variables["DB_NAME"],
        "catalog_api_base": variables["CATALOG_API_BASE"],
        "internal_token": variables["INTERNAL_TOKEN"],
        "environment": {"FFMPEG_PATH": variables["FFMPEG_PATH"]},
        "subnet_ids": net["subnet_ids"],
        "security_group_ids": [net["group"]],
    }


def everything() -> dict[str, Any]:
    """All that the cut-over might touch, as AWS tells it."""
    functions, iam = client("lambda"), client("iam")
    function = functions.get_function(FunctionName=FUNCTION)
    role = function["Configuration"]["Role"].rpartition("/")[2]
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        "notifications": notifications(),
        "function": {name: value for name, value in function["Configuration"].items() if name not in TIMES},
        "image": function["Code"]["ImageUri"],
        "concurrency": function["Concurrency"]["ReservedConcurrentExecutions"],
        "who may call it": json.loads(functions.get_policy(FunctionName=FUNCTION)["Policy"]),
        "role": iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"],
        "role's policies": {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in policies},
        "roles": sorted(one["RoleName"] for one in iam.list_roles()["Roles"]),
        "log groups": [
            {name: group.get(name) for name in ("logGroupName", "retentionInDays", "creationTime")}
            for group in client("logs").describe_log_groups()["logGroups"]
        ],
        "repositories": client("ecr").describe_repositories()["repositories"],
        "queues": sorted(client("sqs").list_queues().get("QueueUrls", [])),
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
    }


def same_but_the_image(before: dict[str, Any], tag: str, step: str) -> None:
    after = everything()
    expect(after["image"] == image(tag), f"{step}: the function runs {after['image']}")
    for what in before:
        if what != "image":
            expect(after[what] == before[what], f"{step}: {what} changed from {before[what]} to {after[what]}")


def nothing_is_lost(plan: dict[str, Any], step: str) -> None:
    say_plan(step, plan)
    number = counts(plan)
    expect(number["destroyed"] == 0 and number["replaced"] == 0, f"{step}: something is destroyed or replaced")


def step(root: Root, name: str, before: dict[str, Any], tag: str, allowed: dict[str, set[str]]) -> dict[str, Any]:
    """One change of image: what is planned, and what has become of everything."""
    plan = root.plan()
    nothing_is_lost(plan, name)
    expect(changes(plan) == allowed, f"{name}: changes {changes(plan)}, not {allowed}")
    root.apply()
    root.finds_nothing_to_do()
    same_but_the_image(before, tag, name)
    return plan


THE_IMAGE = {"module.posterframe.aws_lambda_function.this": {"image_uri", "last_modified"}}


def cut_over_by_import() -> None:
    forget_everything()
    settings = the_replaced_lambda(network())
    before = everything()
    root = Root("cutover", "examples/cutover")

    root.use(**settings, image_uri=image(PYTHON_IMAGE))
    plan = step(root, "taken over by import, old image", before, PYTHON_IMAGE, {})
    expect(counts(plan)["imported"] == 3 and counts(plan)["added"] == 0, "not all of it was taken over")
    root.use(**settings, image_uri=image(NEW_IMAGE))
    step(root, "cut-over: new image", before, NEW_IMAGE, THE_IMAGE)
    root.use(**settings, image_uri=image(PYTHON_IMAGE))
    step(root, "way back: old image", before, PYTHON_IMAGE, THE_IMAGE)


def cut_over_by_moving() -> None:
    forget_everything()
    root = Root("moved", "tests/moto/before")
    here = root.folder / "main.tf"
    old, new = here.read_text(), (root.folder.parent / "after" / "main.tf").read_text()

    root.use(image_uri=image(PYTHON_IMAGE))
    say_plan("the owner's Terraform", root.plan())
    root.apply()
    before = everything()

    here.write_text(new)
    root.run("init", "-backend=false", "-input=false", *([f"-plugin-dir={PLUGINS}"] if PLUGINS else []))
    root.use(image_uri=image(NEW_IMAGE))
    plan = step(root, "cut-over: moved, new image", before, NEW_IMAGE, THE_IMAGE)
    expect(counts(plan)["moved"] == 1, "the function was not taken over")

    back = "aws_lambda_function.video_processor"
    moved = f"moved {{\n  from = module.posterframe.aws_lambda_function.this\n  to   = {back}\n}}\n"
    here.write_text(f"{old}\n{moved}")
    root.use(image_uri=image(PYTHON_IMAGE))
    plan = step(root, "way back: moved back, old image", before, PYTHON_IMAGE, {back: {"image_uri", "last_modified"}})
    expect(counts(plan)["moved"] == 1, "the function was not given back")


def main() -> int:
    WORK.mkdir(parents=True, exist_ok=True)
    server = start_moto()
    failed = 0
    try:
        for title, case in (
            ("push-image.sh", push_image),
            ("Example s3, on a bucket with another's notification", example_s3),
            ("Example sqs, likewise", example_sqs),
            ("Example shadow, likewise", example_shadow),
            ("Cut-over of a function made by hand", cut_over_by_import),
            ("Cut-over of a function that Terraform made", cut_over_by_moving),
        ):
            say(title)
            try:
                case()
                say("  as it must be")
            except (Failed, subprocess.TimeoutExpired) as error:
                say(f"  FAILED: {error}")
                failed += 1
    finally:
        server.terminate()
        server.wait()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
