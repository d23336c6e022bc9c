"""Where ``sts.REGION.amazonaws.com`` is: answers who signed a presigned GetCallerIdentity, over TLS and under that name.

aws-iam-authenticator asks nobody else, and takes JSON only; the embedded AWS, whose keys and sessions decide here too, answers
at another name without TLS. Whatever else is asked is passed on to it, so that programs that know no other address find it.

Source: AWS STS API Reference, GetCallerIdentity and "Common errors"; IAM User Guide, "AWS API request signing".
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import ssl
import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from kubecfn.local.identity import Caller, IdentityError, Kind, check_signature, identify
from kubecfn.local.signature import is_expired, signature_of

_SPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_REQUEST = "00000000-0000-4000-8000-000000000000"
# Services whose names programs in pods know, beside STS.
SERVICES = ("sts", "ec2", "elasticloadbalancing", "autoscaling", "kms")
_PATIENCE = 10.0
_ERRORS = {
    "unknown-key": ("InvalidClientTokenId", "The security token included in the request is invalid"),
    "expired": ("ExpiredToken", "The security token included in the request is expired"),
    "signature": (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
    ),
    "unsigned": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
}


def names(region: str) -> tuple[str, ...]:
    """Return the names under which programs look for AWS in a region."""
    return tuple(f"{service}.{region}.amazonaws.com" for service in SERVICES)


class Sts:
    """Listens, from the beginning until `close`.

    Args:
        address: where; port 0 takes a free one.
        context: what it shows.
        account: twelve digits.
        gate: address and port of the embedded AWS.

    Attributes:
        address: where it listens.
        answered: ARNs of those whom it knew, in order.
        refused: error codes of those whom it did not.
    """

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, account: str, gate: tuple[str, int]) -> None:
        self.account, self.gate = account, gate
        self.answered: list[str] = []
        self.refused: list[str] = []
        self._server = _Server(address, _Handler, self, context)
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]  # IPv4
        threading.Thread(target=self._server.serve_forever, name="sts", daemon=True, args=(0.05,)).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def caller(self, environ: dict[str, str]) -> Caller:
        """Return who signed a presigned request.

        Raises:
            IdentityError: nobody whose keys are known, or not this request.
        """
        signature = signature_of(environ)
        if signature is None:
            raise IdentityError("unsigned")
        found = identify(signature, self.account)
        if not signature.presigned or is_expired(environ, datetime.now(UTC)):
            raise IdentityError("expired")
        if signature.service != "sts":
            raise IdentityError("signature")
        check_signature(signature, environ, b"")
        assert found.kind is not Kind.ANONYMOUS
        return found


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, sts: Sts, context: ssl.SSLContext) -> None:
        self.sts, self._context = sts, context
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS in the connection's own thread: one who does not go on keeps nobody waiting."""
        request.settimeout(_PATIENCE)
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer a presigned GetCallerIdentity; pass on what is anything else."""
        query = urlsplit(self.path).query
        if "X-Amz-Signature" not in query or parse_qs(query).get("Action") != ["GetCallerIdentity"]:
            self._pass_on()
            return
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
        environ |= {"REQUEST_METHOD": self.command, "PATH_INFO": urlsplit(self.path).path, "QUERY_STRING": query}
        try:
            caller = self.server.sts.caller(environ)
        except IdentityError as error:
            code, words = _ERRORS.get(error.kind, _ERRORS["signature"])
            self.server.sts.refused.append(code)
            self._say(403, *self._refusal(code, words))
            return
        self.server.sts.answered.append(caller.arn)
        self._say(200, *self._identity(caller))

    def do_POST(self) -> None:
        """Pass on: a call of another kind."""
        self._pass_on()

    def _identity(self, caller: Caller) -> tuple[str, str]:
        found = {"Account": caller.account, "Arn": caller.arn, "UserId": caller.user_id}
        if self._wants_json():
            said = {"GetCallerIdentityResult": found, "ResponseMetadata": {"RequestId": _REQUEST}}
            return "application/json", json.dumps({"GetCallerIdentityResponse": said})
        inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in found.items())
        return "text/xml", (
            f'<GetCallerIdentityResponse xmlns="{_SPACE}"><GetCallerIdentityResult>{inside}</GetCallerIdentityResult>'
            f"<ResponseMetadata><RequestId>{_REQUEST}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )

    def _refusal(self, code: str, words: str) -> tuple[str, str]:
        if self._wants_json():
            error = {"Code": code, "Message": words, "Type": "Sender"}
            return "application/json", json.dumps({"Error": error, "RequestId": _REQUEST})
        return "text/xml", (
            f'<ErrorResponse xmlns="{_SPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{escape(words)}</Message></Error><RequestId>{_REQUEST}</RequestId></ErrorResponse>"
        )

    def _wants_json(self) -> bool:
        return "json" in self.headers.get("Accept", "")

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0))
        asked = http.client.HTTPConnection(*self.server.sts.gate, timeout=_PATIENCE)
        try:
            asked.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            # The host is signed: it goes on as it came.
            for name, value in self.headers.items():
                asked.putheader(name, value)
            asked.endheaders(body or None)
            answer = asked.getresponse()
            self._say(answer.status, answer.headers.get("Content-Type", "text/xml"), answer.read())
        except (OSError, http.client.HTTPException) as error:
            self._say(502, "text/plain", str(error))
        finally:
            asked.close()

    def _say(self, status: int, kind: str, text: str | bytes) -> None:
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""
