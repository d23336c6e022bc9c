import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubecfn import artifacts
from kubecfn.local.api import Service, ServiceError
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.node.bootstrap import pool_text, user_data_template

REGION = "eu-central-1"
BUCKET = "kubecfn-123456789012-eu-central-1"
INSTANCE = "i-0123456789abcdef0"
FACTS = artifacts.NodeFacts("payments", "payments.example.com", "1.36.3", "3.6.5", 300)
CERTIFICATES = {"etc/kubernetes/pki/ca.crt": SimpleNamespace(data=b"certificate", mode=0o644)}
KEYS = {"etc/kubernetes/pki/ca.key": SimpleNamespace(data=b"key", mode=0o600)}
# Seconds for which a refused call is tried again; two minutes on a real node.
PATIENCE = "0.2"
DEADLINE = 40


def allow(bucket_path):
    return [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/{bucket_path}"},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
        {"Effect": "Allow", "Action": "cloudformation:SignalResource", "Resource": "*"},
    ]


class Signals:
    """CloudFormation as one instance sees it: takes signals, or refuses them as it is told."""

    def __init__(self):
        self.taken = []
        self.refusals = []

    def service(self, _world):
        """Answer the one operation a node asks of CloudFormation."""
        return Service({("cloudformation", "SignalResource"): self.answer}, lambda: None)

    def answer(self, call):
        """Take a signal, or refuse it."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append(dict(call.params))
        return {}


class Metadata(BaseHTTPRequestHandler):
    """An instance's metadata service, version 2 only: the role's credentials for who brings a token."""

    def do_PUT(self):
        """Hand out the token."""
        self.reply("the-token" if self.path == "/latest/api/token" else None)

    def do_GET(self):
        """Answer who brings the token."""
        if self.headers.get("X-aws-ec2-metadata-token") != "the-token":
            self.send_error(401)
            return
        keys = self.server.credentials
        document = {
            "Code": "Success",
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "Token": keys.token,
            "Expiration": (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        role = "/latest/meta-data/iam/security-credentials/"
        self.reply({role: "node", f"{role}node": json.dumps(document)}.get(self.path))

    def reply(self, text):
        """Write a short answer, or 404 for None."""
        self.send_response(200 if text is not None else 404)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One account with the artifact bucket, the log group and CloudFormation's ear for signals."""
    signals = Signals()
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), region=REGION, services=[signals.service]) as aws:
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        aws.client("logs").create_log_group(logGroupName="/kubecfn/payments/nodes")
        yield SimpleNamespace(aws=aws, signals=signals)


@dataclass
class Node:
    """An instance that runs its user data below a root of its own."""

    root: Path
    world: SimpleNamespace
    role: str = "worker"
    processes: list = field(default_factory=list)
    servers: list = field(default_factory=list)

    def upload(self, data, *, name=None):
        """Put a bundle where the user data looks for it; return the hash it is looked for by."""
        digest = name or sha256(data).hexdigest()
        key = f"payments/{self.role}/{self.role}-{digest}.tar.gz"
        self.world.aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
        return digest

    def boot(self, digest, *, rights=None):
        """Run the emitted user data as cloud-init does."""
        values = {
            "AWS::Region": REGION,
            "AWS::StackName": "payments",
            "ArtifactBucket": BUCKET,
            "Cluster": "payments",
            "ControllerBundleSha256": digest,
            "WorkerBundleSha256": digest,
            "Group": "Controllers",
            "NodeLogGroup": "/kubecfn/payments/nodes",
            "Pool": pool_text("", {}, ()),
        }
        text = re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], user_data_template(self.role))
        script = self.root.parent / "user-data"
        script.write_text(text)
        return self._start([str(script)], rights or allow(f"payments/{self.role}/*"))

    def reboot(self):
        """Start the service again, as systemd does at a later boot."""
        return self._start([str(self.root / "usr/local/bin/kubecfn-agent"), "run"], allow("none"))

    def _start(self, command, rights):
        imds = self._imds(rights)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.world.aws.endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds,
            "KUBECFN_ROOT": str(self.root),
            "KUBECFN_PATIENCE": PATIENCE,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def _imds(self, rights):
        iam = self.world.aws.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        name = f"node-{time.monotonic_ns()}"
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document([trust]))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="node", PolicyDocument=document(rights))
        server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        server.credentials = self.world.aws.role_session(arn, INSTANCE).get_credentials().get_frozen_credentials()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    def end(self, process):
        """Wait until a process ends by itself; return its exit status and what it said."""
        out, err = process.communicate(timeout=DEADLINE)
        return process.returncode, out + err

    def wait_until_signalled(self):
        """Wait for the marker that the agent leaves after its signal; fail with its output when it ends before."""
        end = time.monotonic() + DEADLINE
        while not (self.root / "var/lib/kubecfn/signalled").exists():
            assert self.processes[-1].poll() is None, self.processes[-1].communicate()
            assert time.monotonic() < end, "no signal within the deadline"
            time.sleep(0.01)

    def stop(self, process):
        """Stop the service as systemd does; return its exit status and what it said."""
        process.send_signal(signal.SIGTERM)
        return self.end(process)

    def said(self):
        """Return the lines this instance left in the log group."""
        logs = self.world.aws.client("logs")
        streams = logs.describe_log_streams(logGroupName="/kubecfn/payments/nodes", logStreamNamePrefix=INSTANCE)
        if not streams["logStreams"]:
            return []
        events = logs.get_log_events(logGroupName="/kubecfn/payments/nodes", logStreamName=INSTANCE)["events"]
        return [json.loads(event["message"]) for event in events]

    def close(self):
        """End what was started."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for server in self.servers:
            server.shutdown()
            server.server_close()


def document(statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def node(world, tmp_path):
    """An instance with an empty disk, in an account where nothing was signalled or logged."""
    world.signals.taken.clear()
    world.signals.refusals.clear()
    (tmp_path / "root").mkdir()
    made = Node(tmp_path / "root", world)
    yield made
    made.close()
    if made.said():
        world.aws.client("logs").delete_log_stream(logGroupName="/kubecfn/payments/nodes", logStreamName=INSTANCE)


@pytest.fixture(scope="session")
def controllers():
    """A controller's good bundle."""
    return artifacts.controller_bundle(FACTS, KEYS).data


@pytest.fixture(scope="session")
def bundle():
    """A worker's good bundle: its boot needs nothing but its files."""
    return artifacts.worker_bundle(FACTS, CERTIFICATES).data


@pytest.fixture(scope="session")
def packed():
    """Return bundles of any members, as an attacker or a broken tool would pack them."""

    def pack(*members):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, kind in members:
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, 4 if kind == tarfile.REGTYPE else 0, "/etc/passwd"
                tar.addfile(info, io.BytesIO(b"data"))
        return buffer.getvalue()

    return pack


@pytest.fixture(scope="session")
def refusal():
    """Return an error as CloudFormation answers it."""
    return ServiceError
