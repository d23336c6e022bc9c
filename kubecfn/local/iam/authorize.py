"""The answer to "may this caller do this?", with AWS's sentence when the answer is no.

Only roles and users are judged: the operator owns the account, and our services act as AWS does. Resource policies (bucket,
key, queue) are not in force here; docs/limits.md says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubecfn.local.api import Call, ServiceError
from kubecfn.local.common_errors import common_error
from kubecfn.local.gate import Verdict
from kubecfn.local.iam.asked import Asked, asked
from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.evaluate import Decision, evaluate
from kubecfn.local.iam.lookups import Look
from kubecfn.local.iam.principals import Principal, principal
from kubecfn.local.identity import Caller, Kind

ALLOWED = Verdict(allowed=True)


class Authorizer:
    """Judges calls by the policies of the role or user that signed them.

    Args:
        client: ``client(service, region)`` gives a client that acts as a service of ours.
    """

    def __init__(self, client: Callable[[str, str], Any]) -> None:
        self._look = Look(client)

    def __call__(self, call: Call, caller: Caller, protocol: str) -> Verdict:
        """Judge one call; every question it puts to the policies must be allowed."""
        if (call.service, call.operation) == ("sts", "GetCallerIdentity"):  # needs no permission (STS API Reference)
            return ALLOWED
        if (call.service, call.operation) == ("sts", "AssumeRole") and not _is_trusted(call, caller):
            question = Asked("sts:AssumeRole", str(call.params.get("RoleArn", "*")), Context())
            return _no(call, caller, protocol, question, _NOT_TRUSTED)
        if caller.kind not in {Kind.ROLE, Kind.USER}:
            return ALLOWED
        held = principal(caller.principal)
        statements = held.statements if held else ()
        tags = _principal_tags(held)
        questions, gap = asked(call, caller.principal, self._look)
        used: list[str] = []
        for question in questions:
            context = question.context.also(tags.values, tuple(tags.absent))
            decision = _within_boundary(held, evaluate(statements, question.action, question.resource, context))
            if not decision.allowed:
                return _no(call, caller, protocol, question, decision, gap=gap)
            used.append(decision.statement)
        return Verdict(allowed=True, statements=tuple(dict.fromkeys(used)), reason=gap)


def _principal_tags(held: Principal | None) -> Context:
    tags = held.tags if held else {}
    return Context({f"aws:PrincipalTag/{key}": value for key, value in tags.items()}, frozenset({"aws:PrincipalTag/"}))


def _within_boundary(held: Principal | None, decision: Decision) -> Decision:
    if not held or not held.boundary:
        return decision
    gap = f"the permissions boundary {held.boundary} is not modelled"
    return Decision(allowed=False, reason="because of a permissions boundary", unjudged=(gap,))


_NOT_TRUSTED = Decision(allowed=False, reason="because no trust policy of a role that exists names this caller")


def _is_trusted(call: Call, caller: Caller) -> bool:
    """Return whether the role exists and lets this caller assume it; our services assume what they were given.

    Source: IAM User Guide, "AWS JSON policy elements: Principal". Conditions of trust policies are not judged.
    """
    role = principal(str(call.params.get("RoleArn", "")))
    if role is None:
        return False
    if caller.kind is Kind.SERVICE:
        return True
    statements = role.trust["Statement"]
    written = statements if isinstance(statements, list) else [statements]
    return any(one["Effect"] == "Allow" and _names(one.get("Principal", {}), caller) for one in written)


def _names(named: Mapping[str, Any] | str, caller: Caller) -> bool:
    if named == "*":
        return True
    found = named.get("AWS", []) if isinstance(named, Mapping) else []
    who = found if isinstance(found, list) else [found]
    partition = caller.arn.split(":")[1]
    everybody = f"arn:{partition}:iam::{caller.account}:root"
    return bool({"*", caller.account, everybody, caller.arn, caller.principal or caller.arn} & set(who))


def _no(call: Call, caller: Caller, protocol: str, question: Asked, decision: Decision, *, gap: str = "") -> Verdict:
    """Put a refusal in AWS's words ("Troubleshoot access denied error messages")."""
    own = common_error("denied", call.service, protocol)
    shown = f'"{question.resource}"' if call.service == "s3" else question.resource
    on = "" if question.resource == "*" else f" on resource: {shown}"
    words = f"User: {caller.arn} is not authorized to perform: {question.action}{on} {decision.reason}"
    if call.service == "ec2":
        words = f"{own.message} {words}"
    notes = "; ".join(note for note in (f"{question.action}{on}: {decision.reason}", *decision.unjudged, gap) if note)
    statements = (decision.statement,) if decision.statement else ()
    return Verdict(allowed=False, error=ServiceError(own.code, words, own.status), statements=statements, reason=notes)
