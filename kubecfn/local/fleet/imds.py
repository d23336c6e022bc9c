"""The instance metadata service: IMDSv2 only, one address per instance, role credentials from STS.

Sources: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata" (tokens, status codes),
"Instance metadata categories", "Instance identity documents", "View tags ... using instance metadata"; Auto Scaling User
Guide, "Retrieve the target lifecycle state through instance metadata". The hop limit is not shown: there is no network
between an instance and this server. Credentials end in real time, as the emulated STS counts.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.fleet.instance import Instance
from kubecfn.local.world import World, partition_of

LONGEST_TTL = 21_600
# boto3 refreshes ten to fifteen minutes before the end; so do we.
RENEW_BEFORE = timedelta(minutes=15)
_ROOT = "/dev/xvda"
_TOKEN, _TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"


class Imds:
    """What one instance may know about itself.

    Args:
        instance: whom it speaks to.
        world: where credentials come from.
        target_state: see `kubecfn.local.fleet.machines.TargetState`.
    """

    endpoint = ""

    def __init__(self, instance: Instance, world: World, target_state: Callable[[], str]) -> None:
        self._instance = instance
        self._world = world
        self._target_state = target_state
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self._credentials: tuple[datetime, str] | None = None
        self._role: str | None = None

    def token(self, ttl: str) -> str | None:
        """Return a new token that lives `ttl` seconds, or None where AWS answers 400."""
        if not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL:
            return None
        token = secrets.token_urlsafe(40)
        with self._lock:
            now = time.monotonic()
            self._tokens = {known: until for known, until in self._tokens.items() if until > now}
            self._tokens[token] = now + int(ttl)
        return token

    def knows(self, token: str) -> bool:
        """Whether the token was given to this instance and still lives."""
        with self._lock:
            return self._tokens.get(token, 0.0) > time.monotonic()

    def read(self, path: str) -> bytes | None:
        """Return what stands at a path below ``/latest``, or None: 404. A path with children lists them.

        Raises:
            ClientError: STS or IAM refuses.
        """
        path = path.strip("/")
        if path == "user-data":
            return self._instance.user_data or None
        if path == "dynamic/instance-identity/document":
            return json.dumps(self._document(), indent=2).encode()
        if not (path == "meta-data" or path.startswith("meta-data/")):
            return None
        name = path.removeprefix("meta-data").strip("/")
        leaves = self._leaves(name)
        if name in leaves:
            found = leaves[name]()
            return found.encode() if found else None
        prefix = f"{name}/" if name else ""
        below = sorted({_child(leaf.removeprefix(prefix)) for leaf in leaves if leaf.startswith(prefix)})
        return "\n".join(below).encode() if below else None

    def _leaves(self, asked: str) -> dict[str, Callable[[], str]]:
        """Every path and how its value is made. The role's name costs a call: it is made only when `asked` is about it."""
        it = self._instance
        fixed = {
            "ami-id": it.image_id,
            # As every image here has it; no instance is launched with a volume beside its root's.
            "block-device-mapping/ami": _ROOT,
            "block-device-mapping/root": _ROOT,
            "hostname": f"{it.id}.{it.region}.compute.internal",
            "instance-id": it.id,
            "instance-type": it.instance_type,
            "local-hostname": f"{it.id}.{it.region}.compute.internal",
            "local-ipv4": it.private_ip,
            "mac": it.mac,
            f"network/interfaces/macs/{it.mac}/local-ipv4s": it.private_ip,
            f"network/interfaces/macs/{it.mac}/mac": it.mac,
            "placement/availability-zone": it.zone,
            "placement/region": it.region,
            "services/domain": "amazonaws.com.cn" if it.region.startswith("cn-") else "amazonaws.com",
            "services/partition": partition_of(it.region),
        }
        leaves: dict[str, Callable[[], str]] = {path: _always(value) for path, value in fixed.items()}
        if it.tags_in_metadata:
            leaves |= {f"tags/instance/{key}": _always(value) for key, value in it.tags.items()}
        if state := self._target_state():
            leaves["autoscaling/target-lifecycle-state"] = _always(state)
        if it.profile_arn:
            leaves["iam/info"] = self._info
            if asked.startswith("iam") and (role := self._role_name()):
                leaves[f"iam/security-credentials/{role}"] = self._role_credentials
        return leaves

    def _document(self) -> dict[str, Any]:
        it = self._instance
        return {
            "accountId": it.account,
            "architecture": it.architecture,
            "availabilityZone": it.zone,
            "billingProducts": None,
            "devpayProductCodes": None,
            "imageId": it.image_id,
            "instanceId": it.id,
            "instanceType": it.instance_type,
            "kernelId": None,
            "marketplaceProductCodes": None,
            "pendingTime": it.launched,
            "privateIp": it.private_ip,
            "ramdiskId": None,
            "region": it.region,
            "version": "2017-09-30",
        }

    def _info(self) -> str:
        profile = self._instance.profile_arn
        return json.dumps(
            {"Code": "Success", "LastUpdated": _stamp(self._world.clock.now()), "InstanceProfileArn": profile}
        )

    def _role_name(self) -> str:
        if self._role is None:
            name = self._instance.profile_arn.rsplit("/", 1)[-1]
            profile = self._world.client("iam", self._instance.region).get_instance_profile(InstanceProfileName=name)
            roles = profile["InstanceProfile"]["Roles"]
            if not roles:
                return ""
            self._role = str(roles[0]["Arn"])
        return self._role.rsplit("/", 1)[-1]

    def _role_credentials(self) -> str:
        with self._lock:
            known = self._credentials
        if known and known[0] - RENEW_BEFORE > datetime.now(UTC):
            return known[1]
        sts = self._world.client("sts", self._instance.region)
        assert self._role is not None
        keys = sts.assume_role(RoleArn=self._role, RoleSessionName=self._instance.id)["Credentials"]
        answer = {
            "Code": "Success",
            "LastUpdated": _stamp(datetime.now(UTC)),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "Token": keys["SessionToken"],
            "Expiration": _stamp(keys["Expiration"]),
        }
        with self._lock:
            self._credentials = (keys["Expiration"], json.dumps(answer))
            return self._credentials[1]


class MetadataServer:
    """All metadata services of this machine: one thread waits on every address, a connection gets a short thread of its own."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._listening: dict[int, socket.socket] = {}
        self._read, self._write = socket.socketpair()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="imds", daemon=True)
        self._thread.start()

    def serve(self, imds: Imds, address: str) -> Imds:
        """Listen for one instance on a free port of its address and write the endpoint into it."""
        listener = socket.create_server((address, 0), backlog=64)
        listener.setblocking(False)
        host, port = listener.getsockname()[:2]
        imds.endpoint = f"http://{host}:{port}"
        with self._lock:
            self._listening[id(imds)] = listener
            self._selector.register(listener, selectors.EVENT_READ, imds)
        self._wake()
        return imds

    def forget(self, imds: Imds) -> None:
        """Stop listening for one instance."""
        with self._lock:
            listener = self._listening.pop(id(imds), None)
            if listener:
                self._selector.unregister(listener)
                listener.close()

    def close(self) -> None:
        """Stop listening for all and end the thread."""
        self._closed = True
        self._wake()
        self._thread.join()
        with self._lock:
            for listener in self._listening.values():
                listener.close()
            self._listening.clear()
        self._selector.close()
        self._read.close()
        self._write.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._write.send(b".")

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._read.recv(512)
                    continue
                try:
                    connection, peer = key.fileobj.accept()  # type: ignore[union-attr]
                except OSError:  # forgotten between select and accept
                    continue
                connection.setblocking(True)
                threading.Thread(target=answer_one, args=(connection, peer, key.data), daemon=True).start()


def answer_one(connection: socket.socket, peer: Any, imds: Imds) -> None:
    """Answer one request and close, as HTTP/1.0 does."""
    connection.settimeout(5)
    with connection, contextlib.suppress(OSError):
        _Handler(connection, peer, imds)  # type: ignore[arg-type]  # the handler only passes its server on


class _Handler(BaseHTTPRequestHandler):
    """HTTP around one `Imds`, which stands in for the server object."""

    @property
    def imds(self) -> Imds:
        """Whose metadata this is."""
        found: Any = self.server
        assert isinstance(found, Imds)
        return found

    def do_PUT(self) -> None:
        """Give a token."""
        if self.path.rstrip("/") != "/latest/api/token":
            return self._say(404)
        # A forwarded request comes through a proxy: the way SSRF takes (User Guide, "How IMDSv2 works").
        if "X-Forwarded-For" in self.headers:
            return self._say(403)
        ttl = self.headers.get(_TTL, "")
        token = self.imds.token(ttl)
        return self._say(400) if token is None else self._say(200, token.encode(), {_TTL: ttl})

    def do_GET(self) -> None:
        """Give what stands at the path: with a token only (HttpTokens=required)."""
        if not self.imds.knows(self.headers.get(_TOKEN, "")):
            return self._say(401)
        version, _, path = self.path.split("?")[0].strip("/").partition("/")
        try:
            found = self.imds.read(path) if version == "latest" else None
        except (ClientError, BotoCoreError) as error:
            # The service answers so while a role cannot be assumed; the reason helps whoever reads the test.
            return self._say(200, json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": str(error)}).encode())
        return self._say(404) if found is None else self._say(200, found)

    def _say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


def _always(value: str) -> Callable[[], str]:
    return lambda: value


def _child(rest: str) -> str:
    head, slash, _ = rest.partition("/")
    return head + slash


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
