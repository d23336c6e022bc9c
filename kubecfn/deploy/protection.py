"""Holding a stack against its accidental end: termination protection and the stack policy."""

from __future__ import annotations

import json

from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.policy import stack_policy
from kubecfn.deploy.stacks import policy_of, read_stack, resources


def hold(aws: Aws, stack: str, *, enabled: bool) -> None:
    """Set termination protection and the stack policy where they are not as they should be.

    Args:
        aws: account and region.
        stack: its name.
        enabled: whether the configuration wants termination protection.
    """
    wanted = stack_policy(resource.logical_id for resource in resources(aws, stack))
    if policy_of(aws, stack) != wanted:
        with doing(f"setting the stack policy of {stack}"):
            aws.client("cloudformation").set_stack_policy(StackName=stack, StackPolicyBody=json.dumps(wanted))
    if read_stack(aws, stack).protected != enabled:
        _protect(aws, stack, enabled=enabled)


def lift(aws: Aws, stack: str) -> None:
    """Take termination protection away; only a deletion that was agreed to does this."""
    if read_stack(aws, stack).protected:
        _protect(aws, stack, enabled=False)


def _protect(aws: Aws, stack: str, *, enabled: bool) -> None:
    with doing(f"switching termination protection of {stack} {'on' if enabled else 'off'}"):
        aws.client("cloudformation").update_termination_protection(StackName=stack, EnableTerminationProtection=enabled)
