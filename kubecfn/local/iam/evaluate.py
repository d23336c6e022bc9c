"""The decision: an explicit deny wins, then an allow, else no. Nothing here reads a clock, a disk or the network.

1. A statement applies when its action, its resource and every line of its condition fit.
2. One Deny that applies refuses, whatever else allows.
3. One Allow that applies, and no Deny, allows.
4. A statement whose condition cannot be judged does not allow; if it denies, it denies.

Source: IAM User Guide, "How AWS enforcement code logic evaluates requests".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubecfn.local.iam.conditions import Context, UnknownConditionError, fill, holds
from kubecfn.local.iam.policy import Statement, is_action_like, is_arn_like


@dataclass(frozen=True)
class Decision:
    """What the policies say about one action on one resource.

    Attributes:
        allowed: an Allow applies and no Deny does.
        reason: AWS's clause after "because" or "with", and what could not be judged.
        statement: name of the statement that decided; empty when none applied.
        unjudged: what could not be judged, one sentence each: a loud gap of the model, not of the policy.
    """

    allowed: bool
    reason: str
    statement: str = ""
    unjudged: tuple[str, ...] = ()


def evaluate(policies: Iterable[Statement], action: str, resource: str, context: Context) -> Decision:
    """Decide one action on one resource.

    Args:
        policies: every statement of every policy of the principal.
        action: ``service:Action``.
        resource: an ARN, or ``*`` for actions that have none.
        context: the request's condition keys.
    """
    allowing = ""
    unjudged: list[str] = []
    for statement in policies:
        if not _covers_action(statement, action):
            continue
        try:
            applies = _covers_resource(statement, resource, context) and all(
                holds(operator, key, values, context) for operator, key, values in statement.conditions
            )
        except UnknownConditionError as error:
            unjudged.append(f"{statement.name}: {error}")
            applies = not statement.allow
        if applies and not statement.allow:
            return Decision(
                allowed=False,
                reason="with an explicit deny in an identity-based policy",
                statement=statement.name,
                unjudged=tuple(unjudged),
            )
        if applies:
            allowing = allowing or statement.name
    if allowing:
        return Decision(allowed=True, reason="", statement=allowing)
    reason = f"because no identity-based policy allows the {action} action"
    return Decision(allowed=False, reason=reason, unjudged=tuple(unjudged))


def _covers_action(statement: Statement, action: str) -> bool:
    return any(is_action_like(glob, action) for glob in statement.actions) is not statement.all_but_actions


def _covers_resource(statement: Statement, resource: str, context: Context) -> bool:
    globs = (fill(glob, context) for glob in statement.resources)
    return any(glob is not None and is_arn_like(glob, resource) for glob in globs) is not statement.all_but_resources
