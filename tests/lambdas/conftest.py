import io
import itertools
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
# Runs as the Lambda runtime does: the unpacked zip first, boto3 behind it, nothing of this repository; one event a line.
RUNNER = """
import importlib, json, os, sys, threading, time
code, name, repository = sys.argv[1:]
sys.path[:] = [code, *(path for path in sys.path if path != repository)]
handle = importlib.import_module(name + ".handler").handle
packages = ("kubecfn", "hooks", "etcd_access", name)
own = {module.__file__ for key, module in sys.modules.items() if key.split(".")[0] in packages}
assert all(file.startswith(code) for file in own), own

class Context:
    def __init__(self, request):
        self.began, self.request = time.monotonic(), request
        self.aws_request_id = f"request-{os.getpid()}-{time.monotonic_ns()}"

    def get_remaining_time_in_millis(self):
        used = (time.monotonic() - self.began) * self.request["pace"]
        return max(0, int((self.request["seconds"] - used) * 1000))

for line in sys.stdin:
    request = json.loads(line)
    os.environ.update(request["settings"])
    end = threading.Timer(request["seconds"] / request["pace"], os._exit, (9,))
    end.daemon = True
    end.start()
    try:
        print("result", json.dumps(handle(request["event"], Context(request))))
    except Exception as error:
        print("raised", type(error).__name__, error)
    end.cancel()
    print("end", flush=True)
"""


class Environment:
    """A warm execution environment of one function: its unpacked zip in a process of its own, one event at a time."""

    def __init__(self, code, name, session):
        repository = str(Path(artifacts.__file__).parents[2])
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", RUNNER, str(code), name, repository],
            env={"PATH": os.environ["PATH"], **variables(session)},
            cwd=code,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def send(self, event, settings, *, seconds=60, pace=1):
        """Hand over an event and what the environment variables are from now on; `pace`: how much faster time runs."""
        request = {"event": event, "settings": settings, "seconds": seconds, "pace": pace}
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def lines(self):
        """Return the lines that the invocation wrote, the last of them its outcome; of a killed one, what it wrote till then."""
        said = list(itertools.takewhile(lambda line: line != "end\n", self.process.stdout))
        return [line.rstrip("\n") for line in said]

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def variables(session):
    """Where AWS is and who is asking."""
    keys = session.get_credentials().get_frozen_credentials()
    return {
        "AWS_ENDPOINT_URL": session.client("sts").meta.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token or "",
    }


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """Unpack every function's zip; return the folders by name."""
    folders = {}
    for function in artifacts.lambda_zips():
        folders[function.name] = tmp_path_factory.mktemp(function.name)
        zipfile.ZipFile(io.BytesIO(function.data)).extractall(folders[function.name])
    return folders


@pytest.fixture(scope="session")
def invoke(unpacked):
    """Hand events to a function's handler in a fresh process; return the lines it wrote."""

    def run(name, settings, events, session):
        environment = Environment(unpacked[name], name, session)
        try:
            for event in events:
                environment.send(event, settings)
            return [line for _ in events for line in environment.lines()]
        finally:
            environment.close()

    return run


@pytest.fixture(scope="module")
def warm(unpacked):
    """Start a function's execution environment, or take the one that is warm; a killed one is started anew."""
    started = {}

    def start(name, session):
        old = started.get(name)
        if old is None or old.process.poll() is not None:
            if old:
                old.close()
            started[name] = Environment(unpacked[name], name, session)
        return started[name]

    yield start
    for environment in started.values():
        environment.close()


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
