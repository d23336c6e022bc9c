"""A Lambda execution environment: imports the handler once, then answers one event after the other.

Run as ``python -I worker.py REQUESTS ANSWERS CODE HANDLER``: two inherited file descriptors with one JSON document a line,
the folder of the unpacked code, and the dotted handler. Output goes to standard output and error, whoever writes it.
Source: Lambda Developer Guide, "Define Lambda function handler in Python" and "Using the Lambda context object".
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """What a handler gets as its second argument.

    Args:
        request: ``id``, ``arn`` and ``budget``: real seconds until it is ended.
    """

    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    function_version = "$LATEST"
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    identity = None
    client_context = None

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["id"]
        self.invoked_function_arn = request["arn"]
        self._began = time.monotonic()
        self._timeout = request["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left of the function's Timeout."""
        left = self._timeout - (time.monotonic() - self._began)
        return max(0, int(left * 1000))


def main(requests: int, answers: int, code: str, dotted: str) -> None:
    """Serve until the requests end."""
    sys.path.insert(0, code)
    os.chdir(code)
    handler, broken = load(dotted)
    with open(requests, encoding="utf-8") as asked, open(answers, "w", encoding="utf-8") as answered:
        for line in asked:
            answer = broken or answer_one(handler, json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            answered.write(json.dumps(answer) + "\n")
            answered.flush()


def load(dotted: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the handler, or what every invocation answers because there is none."""
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name), None
    except AttributeError:
        words = f"Handler '{name}' missing on module '{module}'"
        return None, failure("Runtime.HandlerNotFound", words, [])
    except ImportError as error:
        traceback.print_exc()
        return None, failure("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}", [])
    except BaseException as error:  # noqa: BLE001  a module may raise anything; the caller is to be told
        traceback.print_exc()
        return None, failure(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))


def answer_one(handler: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call the handler and say how it ended."""
    try:
        result = handler(request["event"], Context(request))
    except BaseException as error:  # noqa: BLE001  sys.exit of a handler must not end the environment silently
        traceback.print_exc()
        return failure(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))
    try:
        return {"result": json.dumps(result)}
    except (TypeError, ValueError) as error:
        return failure("Runtime.MarshalError", f"Unable to marshal response: {error}", [])


def failure(kind: str, words: str, stack: list[str]) -> dict[str, Any]:
    """Return an error as Lambda shows it to the caller."""
    return {"error": {"errorMessage": words, "errorType": kind, "stackTrace": stack}}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
