import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kubecfn import artifacts

# Functions import each other's folders from the top, as they lie in their zips.
sys.path.insert(0, str(artifacts.data_root("lambdas")))

REGION = "eu-central-1"
# Runs as the Lambda runtime does: the unpacked zip first, boto3 behind it, nothing of this repository.
RUNNER = """
import importlib, json, sys
code, name, events, repository = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
sys.path[:] = [code, *(path for path in sys.path if path != repository)]
handle = importlib.import_module(name + ".handler").handle
own = {module.__file__ for key, module in sys.modules.items() if key.split(".")[0] in ("kubecfn", "hooks", name)}
assert all(file.startswith(code) for file in own), own
for event in events:
    try:
        print("result", json.dumps(handle(event, None)))
    except Exception as error:
        print("raised", type(error).__name__, *getattr(error, "exceptions", ()), error)
"""


@pytest.fixture(scope="session")
def invoke(tmp_path_factory):
    """Unpack a function's zip and hand events to its handler in a fresh process; return the lines it wrote."""
    unpacked = {}
    for function in artifacts.lambda_zips():
        unpacked[function.name] = tmp_path_factory.mktemp(function.name)
        zipfile.ZipFile(io.BytesIO(function.data)).extractall(unpacked[function.name])

    def run(name, settings, events, session):
        keys = session.get_credentials().get_frozen_credentials()
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": session.client("sts").meta.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.token or "",
            **settings,
        }
        repository = str(Path(artifacts.__file__).parents[2])
        arguments = [str(unpacked[name]), name, json.dumps(events), repository]
        command = [sys.executable, "-I", "-B", "-c", RUNNER, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=unpacked[name], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="session")
def function_role():
    """Make a role that has these rights and no others; return a session of it, as a function's."""

    def make(aws, name, statements):
        iam = aws.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy([trust]))["Role"]["Arn"]
        rights = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in statements]
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy(rights))
        return aws.role_session(arn, name)

    return make


def policy(statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
