"""The errors every service has, each in that service's own code and status.

Source: "Common Errors" of each service's API reference; EC2 "Error codes for the Amazon EC2 API"; S3 "Error responses".
"""

from __future__ import annotations

from kubecfn.local.api import ServiceError

_QUERY = {
    "throttle": ("Throttling", 400, "Rate exceeded"),
    "error": ("InternalFailure", 500, "The request processing has failed because of an unknown error."),
    "expired": ("ExpiredToken", 403, "The security token included in the request is expired"),
    "denied": ("AccessDenied", 403, "Access denied by a fault"),
    "unknown-key": ("InvalidClientTokenId", 403, "The security token included in the request is invalid."),
    "skewed": ("SignatureDoesNotMatch", 403, "Signature expired, or not yet current: the clocks are too far apart"),
    "signature": (
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided.",
    ),
}
_JSON = {
    "throttle": ("ThrottlingException", 400, "Rate exceeded"),
    "error": ("InternalFailure", 500, "The request processing has failed because of an unknown error."),
    "expired": ("ExpiredTokenException", 400, "The security token included in the request is expired"),
    "denied": ("AccessDeniedException", 400, "Access denied by a fault"),
    "unknown-key": ("UnrecognizedClientException", 400, "The security token included in the request is invalid."),
    "skewed": ("InvalidSignatureException", 400, "Signature expired, or not yet current: the clocks are too far apart"),
    "signature": (
        "InvalidSignatureException",
        400,
        "The request signature we calculated does not match the signature you provided.",
    ),
}
_REST_JSON = {
    **{kind: (code, 403, words) for kind, (code, _, words) in _JSON.items()},
    "throttle": ("TooManyRequestsException", 429, "Rate Exceeded."),
    "error": ("ServiceException", 500, "The service encountered an internal error."),
}
_OWN = {
    "ec2": {
        "throttle": ("RequestLimitExceeded", 503, "Request limit exceeded."),
        "error": ("InternalError", 500, "An internal error has occurred"),
        "expired": ("RequestExpired", 400, "Request has expired."),
        "denied": ("UnauthorizedOperation", 403, "You are not authorized to perform this operation."),
        "skewed": ("RequestExpired", 400, "Request has expired."),
        "unknown-key": (
            "AuthFailure",
            401,
            "AWS was not able to validate the provided access credentials",
        ),
    },
    "s3": {
        "throttle": ("SlowDown", 503, "Please reduce your request rate."),
        "error": ("InternalError", 500, "We encountered an internal error. Please try again."),
        "expired": ("ExpiredToken", 400, "The provided token has expired."),
        "denied": ("AccessDenied", 403, "Access Denied"),
        "skewed": (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        "unknown-key": (
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
    },
    "kms": {"error": ("KMSInternalException", 500, "The request was rejected because an internal exception occurred.")},
    "ssm": {"error": ("InternalServerError", 500, "An error occurred on the server side.")},
    "logs": {"error": ("ServiceUnavailableException", 503, "The service cannot complete the request.")},
}
_BY_PROTOCOL = {"json": _JSON, "rest-json": _REST_JSON}

KINDS = frozenset(_QUERY)


def common_error(kind: str, service: str, protocol: str) -> ServiceError:
    """Return one of the errors every service has.

    Args:
        kind: one of `KINDS`.
        service: botocore's service name.
        protocol: what the request speaks, see `kubecfn.local.protocol.Wire`.
    """
    table = {**_BY_PROTOCOL.get(protocol, _QUERY), **_OWN.get(service, {})}
    code, status, message = table[kind]
    return ServiceError(code, message, status)
