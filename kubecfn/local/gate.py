"""The gate: every HTTP request becomes one call that is identified, authorised, recorded, hurt on request and answered.

Operations of ours are answered here, by functions that run at the same time and may call back; everything else goes to
moto's back ends, one call at a time, because these hold no locks of their own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from kubecfn.local.api import Call, Operations, PassOnError, ServiceError, Views
from kubecfn.local.clock import Clock
from kubecfn.local.common_errors import common_error
from kubecfn.local.faults import Fault, Faults
from kubecfn.local.identity import Caller, IdentityError, Kind, caller_identity, check_signature, identify
from kubecfn.local.protocol import (
    Reply,
    UnknownOperationError,
    Wire,
    error_code,
    protocol_of,
    read,
    write_answer,
    write_error,
)
from kubecfn.local.recorder import Recorded, Recorder
from kubecfn.local.signature import Signature, signature_of

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]

# Where a service signs under another name than botocore calls it.
SIGNING_NAMES = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi", "states": "stepfunctions"}
# Two services sign as elasticloadbalancing; only the API version tells them apart.
CLASSIC_ELB = "Version=2012-06-01"
# Here moto knows nothing of what exists, so that its answer to what we do not answer would mislead.
WHOLLY_OURS = frozenset({"cloudformation", "autoscaling"})
# moto answers these paths itself: its control panel, and a metadata service that knows none of our instances.
NOT_AWS = ("/moto-api", "/latest/")


@dataclass(frozen=True)
class Verdict:
    """Whether a role's policies allow a call.

    Attributes:
        allowed: it goes on.
        error: what the caller is answered when it does not.
        statements: which statements decided, as ``role/policy[index]``.
        reason: for the record: why not, or what could not be checked.
    """

    allowed: bool
    error: ServiceError | None = None
    statements: tuple[str, ...] = ()
    reason: str = ""


# Asked before anything is done: may this caller do this? The protocol is part of it: each has its own words for no.
Authorize = Callable[[Call, Caller, str], Verdict]
# Asked before moto or we answer; raises ServiceError where AWS would refuse and moto does not.
Check = Callable[[Call], None]


@dataclass(frozen=True)
class Rules:
    """What the gate asks besides the back ends.

    Attributes:
        authorize: may this caller do this?
        checks: what AWS refuses and moto does not.
    """

    authorize: Authorize
    checks: Sequence[Check] = ()


@dataclass(frozen=True)
class _Exchange:
    """One request on its way to an answer."""

    environ: Environ
    body: bytes
    call: Call
    caller: Caller
    wire: Wire

    def forward(self) -> Environ:
        """Return the request as moto is to see it: unread, and for the account that signed."""
        return {**self.environ, "wsgi.input": io.BytesIO(self.body), "HTTP_X_MOTO_ACCOUNT_ID": self.call.account}


class Gate:
    """The WSGI application in front of moto.

    Args:
        backend: moto's own application.
        account: the account of unsigned requests.
        rules: who may do what.
        recorder: keeps every call.
        faults: asked about every call.
        clock: dates the records.
        log: failures of ours and of moto, with their tracebacks.

    Attributes:
        operations: what is answered here instead of by moto.
        views: how moto's answers are shown.
        moto_lock: held while moto works.
    """

    def __init__(
        self,
        *,
        backend: Wsgi,
        account: str,
        rules: Rules,
        recorder: Recorder,
        faults: Faults,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self.operations: Operations = {}
        self.views: Views = {}
        self.moto_lock = threading.RLock()
        self._backend = backend
        self._account = account
        self._rules = rules
        self._recorder = recorder
        self._faults = faults
        self._clock = clock
        self._log = log

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        body = _take_body(environ)
        try:
            reply = self._reply(environ, body)
        except Exception:  # noqa: BLE001  whatever it was, the client is answered and the log has it
            self._log.exception("the gate failed on %s %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            reply = Reply(500, [("Content-Type", "text/plain")], b"The gate itself failed; see its log.")
        if reply is None:
            return _cut(environ, start_response)
        headers, content = _framed(environ["REQUEST_METHOD"], reply)
        start_response(f"{reply.status} {_phrase(reply.status)}", headers)
        return [content]

    def _reply(self, environ: Environ, body: bytes) -> Reply | None:
        """Return the answer, or None where the connection is to be cut."""
        if environ.get("PATH_INFO", "").startswith(NOT_AWS):
            return Reply(404, [("Content-Type", "text/plain")], b"This address serves AWS's service APIs only.")
        signature = signature_of(environ)
        service = _service(signature, environ, body)
        region = signature.region if signature else "us-east-1"
        try:
            wire = read(service, {**environ, "wsgi.input": io.BytesIO(body)})
        except UnknownOperationError as error:
            return write_error(service, protocol_of(service, environ), "NotEmulated", f"Not emulated: {error}.", 501)
        call = Call(service, wire.operation, wire.params, self._account, region, "unknown")
        try:
            caller = identify(signature, self._account)
            if signature:
                check_signature(signature, environ, body)
        except IdentityError as error:
            return self._refuse(call, wire, common_error(error.kind, service, wire.protocol))
        call = replace(call, account=caller.account, caller=caller.arn)
        return self._judge(_Exchange(environ, body, call, caller, wire))

    def _refuse(self, call: Call, wire: Wire, error: ServiceError, verdict: Verdict | None = None) -> Reply:
        statements, reason = (verdict.statements, verdict.reason) if verdict else ((), "")
        self._recorder.add(Recorded(self._clock.now(), call, error.code, call.caller == "service", statements, reason))
        return write_error(call.service, wire.protocol, error.code, error.message, error.status)

    def _judge(self, exchange: _Exchange) -> Reply | None:
        """Let faults and policies have their say, then carry the call out."""
        call, wire = exchange.call, exchange.wire
        internal = exchange.caller.kind is Kind.SERVICE
        at = self._clock.now()
        fault: Fault | None = None
        for struck in self._faults.strike(call, internal=internal):
            if struck.kind == "latency":
                time.sleep(struck.seconds)
            else:
                fault = struck
        if fault and fault.kind == "drop":
            self._recorder.add(Recorded(at, call, "cut", internal))
            return None
        if fault and fault.kind != "lost-answer":
            return self._refuse(call, wire, fault.error(call.service, wire.protocol))
        verdict = self._rules.authorize(call, exchange.caller, wire.protocol)
        if verdict.error:
            return self._refuse(call, wire, verdict.error, verdict)
        reply = self._carry_out(exchange)
        outcome = "ok" if reply.status < HTTPStatus.BAD_REQUEST else error_code(reply)
        if fault:
            outcome = "lost-answer"
        self._recorder.add(Recorded(at, call, outcome, internal, verdict.statements, verdict.reason))
        return None if fault else reply

    def _carry_out(self, exchange: _Exchange) -> Reply:
        """Answer the call; whatever goes wrong becomes an error of the service."""
        call, wire = exchange.call, exchange.wire
        try:
            for check in self._rules.checks:
                check(call)
            return self._answer(exchange)
        except ServiceError as error:
            return write_error(call.service, wire.protocol, error.code, error.message, error.status)
        except NotImplementedError:
            return self._not_emulated(call, wire)
        except Exception:  # noqa: BLE001  a handler's mistake is one call's InternalFailure, as in AWS
            self._log.exception("%s:%s failed; parameters: %r", call.service, call.operation, call.params)
            words = f"The embedded AWS failed inside {call.service}:{call.operation}; its log has the traceback."
            return write_error(call.service, wire.protocol, "InternalFailure", words, 500)

    def _answer(self, exchange: _Exchange) -> Reply:
        """Answer by a function of ours, else by moto."""
        call, wire = exchange.call, exchange.wire
        if (call.service, call.operation) == ("sts", "GetCallerIdentity"):
            return write_answer(call.service, wire, caller_identity(call, exchange.caller))
        if handler := self.operations.get((call.service, call.operation)):
            with contextlib.suppress(PassOnError):
                return write_answer(call.service, wire, handler(call))
        if call.service in WHOLLY_OURS:
            return self._not_emulated(call, wire)
        return self._ask_moto(exchange)

    def _ask_moto(self, exchange: _Exchange) -> Reply:
        started: list[Any] = []
        with self.moto_lock:
            chunks = self._backend(exchange.forward(), lambda status, headers, *_: started.extend([status, headers]))
            body = b"".join(chunks)
            if close := getattr(chunks, "close", None):
                close()
        reply = Reply(int(str(started[0]).split()[0]), list(started[1]), body)
        if reply.is_html:
            self._log.error("moto answered a web page to %s: %r", exchange.call, body[:500])
            return self._not_emulated(exchange.call, exchange.wire)
        view = self.views.get((exchange.call.service, exchange.call.operation))
        return replace(reply, body=view(reply.body)) if view and reply.status < HTTPStatus.BAD_REQUEST else reply

    @staticmethod
    def _not_emulated(call: Call, wire: Wire) -> Reply:
        words = f"Not emulated: {call.service}:{call.operation}."
        return write_error(call.service, wire.protocol, "NotEmulated", words, 501)


def _service(signature: Signature | None, environ: Mapping[str, Any], body: bytes) -> str:
    """Return botocore's name of the service a request is for; unsigned requests are S3's, unless they carry a form."""
    if signature is None:
        form = f"{environ.get('QUERY_STRING', '')}&{body[:4096].decode(errors='replace')}"
        return "sts" if "Action=AssumeRoleWith" in form or "Action=GetCallerIdentity" in form else "s3"
    if signature.service == "elasticloadbalancing":
        text = f"{environ.get('QUERY_STRING', '')}&{body[:4096].decode(errors='replace')}"
        return "elb" if CLASSIC_ELB in text else "elbv2"
    return SIGNING_NAMES.get(signature.service, signature.service)


def _take_body(environ: Environ) -> bytes:
    """Read the body once, so that the gate and moto can both read it again; a chunked one gets its length."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body: bytes = stream.read()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated")
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _framed(method: str, reply: Reply) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body as they go out. The answer to HEAD has the object's length and never a body."""
    if method == "HEAD":
        return reply.headers, b""
    headers = [(name, value) for name, value in reply.headers if name.lower() != "content-length"]
    return [*headers, ("Content-Length", str(len(reply.body)))], reply.body


def _cut(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Close the connection without a byte: what a client sees of a crash or a cut cable."""
    start_response("500 Cut", [])
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
