"""AWS's wire protocols: an HTTP request becomes a call's parameters, an answer or an error becomes an HTTP reply."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

XML = "text/xml;charset=utf-8"
SERVER_SIDE = 500


@dataclass(frozen=True)
class Wire:
    """What a request asks for, in the API's own terms.

    Attributes:
        operation: the API's own name, e.g. ``CompleteLifecycleAction``.
        protocol: ``ec2``, ``query``, ``json``, ``rest-json`` or ``rest-xml``.
        params: parsed parameters under the API's own names.
    """

    operation: str
    protocol: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_html(self) -> bool:
        """Whether this is a web page: no AWS API answers one, so it is a back end's own failure."""
        kinds = [value for name, value in self.headers if name.lower() == "content-type"]
        return any(kind.startswith("text/html") for kind in kinds) and self.body[:9].lower() == b"<!doctype"


class UnknownOperationError(Exception):
    """The request asks for no operation that the service's model knows."""


def read(service: str, environ: Mapping[str, Any]) -> Wire:
    """Parse a request whose body can be read from the start.

    Args:
        service: botocore's service name.
        environ: the WSGI environment; its input stream is read to the end.

    Raises:
        UnknownOperationError: no such service, operation or protocol, or parameters that do not fit its model.
    """
    request = Request(dict(environ))
    try:
        model = get_service_model(service)
        protocol = determine_request_protocol(model, request.content_type)
        operation, labels = get_service_router(service).match(request)
        shape = model.operation_model(operation.name)
        parser = PROTOCOL_PARSERS[protocol](shape, map_type=dict)
        params = parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.data,
                "url_path": request.path,
                "url_params": labels,
            }
        )
    except (NotFound, NotImplementedError) as error:
        asked = request.values.get("Action") or request.headers.get("X-Amz-Target") or request.path
        raise UnknownOperationError(f"{service}: {asked}") from error
    return Wire(operation.name, protocol, _sent(shape.input_shape, params))


def _sent(shape: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Drop the empty lists moto's parser makes of query parameters that were not sent."""
    return {
        name: value
        for name, value in params.items()
        if value != [] or shape.members[name].serialization.get("location") != "querystring"
    }


def protocol_of(service: str, environ: Mapping[str, Any]) -> str:
    """Return the protocol a request speaks even when its operation is unknown; ``query`` when that is unknown too."""
    try:
        return str(determine_request_protocol(get_service_model(service), environ.get("CONTENT_TYPE", "")))
    except Exception:  # noqa: BLE001  botocore and moto each have their own "no such service"
        return "query"


def write_answer(service: str, wire: Wire, answer: Mapping[str, Any]) -> Reply:
    """Serialise an answer of ours.

    Raises:
        ValueError: the answer has a member that the operation's output does not have.
    """
    model = get_service_model(service).operation_model(wire.operation)
    if model.output_shape is None:
        answer = {}
    else:
        _check_members(model.output_shape, answer, wire.operation)
    serializer = get_serializer_class(service, wire.protocol)(
        operation_model=model, pretty_print=False, value_picker=_member
    )
    made = serializer.serialize(dict(answer))
    body = made["body"].encode() if isinstance(made["body"], str) else made["body"]
    headers = [(name, str(value)) for name, value in made["headers"].items()]
    status = next((answer[name] for name in _status_members(model) if name in answer), made["status_code"])
    return Reply(status, [*headers, ("x-amzn-RequestId", str(uuid.uuid4()))], body)


def _status_members(model: Any) -> list[str]:
    """Return the output member that is the HTTP status itself, if there is one (Invoke's StatusCode); moto ignores it."""
    members = model.output_shape.members if model.output_shape else {}
    return [name for name, shape in members.items() if shape.serialization.get("location") == "statusCode"]


def _member(context: Any) -> Any:
    """Pick a member by the API's own name and no other."""
    return context.obj.get(context.key)


def _check_members(shape: Any, value: Any, path: str) -> None:
    """Refuse a misspelt member: botocore would drop it and the caller would see nothing."""
    if value is None:
        return
    if shape.type_name == "structure":
        if unknown := set(value) - set(shape.members):
            raise ValueError(f"{path} has no member {', '.join(sorted(unknown))}; it has {', '.join(shape.members)}")
        for name, inner in value.items():
            _check_members(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            _check_members(shape.member, inner, path)


def write_error(service: str, protocol: str, code: str, message: str, status: int) -> Reply:
    """Serialise an error as the service would.

    Source: Smithy's "AWS query", "AWS EC2 query", "AWS JSON 1.1", "AWS restJson1" and "AWS restXml" protocol
    documents, sections on operation error serialization; S3's own form from "Error responses" of its API reference.
    """
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    if protocol in {"json", "rest-json"}:
        headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
        side = "Sender" if status < SERVER_SIDE else "Receiver"
        if protocol == "json" and get_service_model(service).is_query_compatible:
            headers.append(("x-amzn-query-error", f"{code};{side}"))
        return Reply(status, headers, json.dumps({"__type": code, "message": message}).encode())
    detail = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        body = f"<Response><Errors><Error>{detail}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    elif service == "s3":
        body = f"<Error>{detail}<RequestId>{request_id}</RequestId></Error>"
        headers.append(("x-amz-request-id", request_id))
    else:
        side = "Sender" if status < SERVER_SIDE else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{side}</Type>{detail}</Error><RequestId>{request_id}</RequestId>"
            "</ErrorResponse>"
        )
    return Reply(status, [*headers, ("Content-Type", XML)], f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode())


def error_code(reply: Reply) -> str:
    """Return the error code inside a reply whose status says error; its status when the body has none (HEAD)."""
    for name, value in reply.headers:
        if name.lower() == "x-amzn-errortype":
            return value.split(":")[0]
    try:
        if reply.body.lstrip()[:1] == b"{":
            found = json.loads(reply.body)
            return str(found.get("__type") or found.get("code") or reply.status).split("#")[-1]
        if reply.body:
            for element in ET.fromstring(reply.body).iter():  # noqa: S314  our own process wrote it
                if element.tag.split("}")[-1] == "Code":
                    return element.text or str(reply.status)
    except (ValueError, ET.ParseError):
        pass
    return str(reply.status)
