"""Why a resource failed, as its event says it.

AWS: CloudFormation CLI User Guide "Handler error codes"; the sentence is the one every resource handler's failure arrives in.
"""

from __future__ import annotations

import logging

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.api import ServiceError
from kubecfn.local.cloudformation.refusals import CancelledError, OperationFailedError
from kubecfn.local.providers.seam import UnsupportedError

_log = logging.getLogger(__name__)
_HANDLER_CODES = (
    (("AccessDenied", "Unauthorized"), "AccessDenied"),
    (("AlreadyExists", "AlreadyOwned", "Duplicate", "EntityAlreadyExists"), "AlreadyExists"),
    (("NotFound", "NoSuch"), "NotFound"),
    (("Throttl", "RequestLimitExceeded", "SlowDown", "TooManyRequests"), "Throttling"),
    (("LimitExceeded", "QuotaExceeded"), "ServiceLimitExceeded"),
    (("Conflict", "InUse", "DependencyViolation", "NotEmpty"), "ResourceConflict"),
    (("Invalid", "Validation", "Malformed"), "InvalidRequest"),
)
_SERVER_ERROR = 500


def reason_of(problem: Exception, resource_type: str, token: str) -> str:
    """Return the ResourceStatusReason for what a provider or the resolver raised."""
    match problem:
        case CancelledError():
            return "Resource creation cancelled"
        case OperationFailedError() | UnsupportedError():
            return str(problem)
        case ServiceError():
            return problem.message
        case ClientError():
            return _handler_sentence(problem, resource_type, token)
        case BotoCoreError():
            return f'Resource handler returned message: "{problem}" (RequestToken: {token}, HandlerErrorCode: NetworkFailure)'
    _log.exception("%s failed inside the emulation", resource_type, exc_info=problem)
    return f"Internal Failure: {type(problem).__name__}: {problem}"


def _handler_sentence(problem: ClientError, resource_type: str, token: str) -> str:
    error, metadata = problem.response.get("Error", {}), problem.response.get("ResponseMetadata", {})
    code, status = error.get("Code", ""), int(metadata.get("HTTPStatusCode", 400))
    handler = next((name for parts, name in _HANDLER_CODES if any(part in code for part in parts)), "")
    if not handler:
        handler = "ServiceInternalError" if status >= _SERVER_ERROR else "GeneralServiceException"
    service = resource_type.split("::")[1] if "::" in resource_type else resource_type
    request = metadata.get("RequestId", "")
    return (
        f'Resource handler returned message: "{error.get("Message", "")} (Service: {service}, Status Code: {status}, '
        f'Request ID: {request})" (RequestToken: {token}, HandlerErrorCode: {handler})'
    )
