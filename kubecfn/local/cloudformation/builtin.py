"""CloudFormation's own resource types: wait conditions, which exist only to be signalled.

AWS: Template Reference "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle".
"""

# ruff: noqa: ARG002  every provider has the same four signatures
from __future__ import annotations

from collections.abc import Mapping

from kubecfn.local.providers.seam import Context, Made, Properties, Provider, UnsupportedError

WAIT_CONDITION = "AWS::CloudFormation::WaitCondition"
WAIT_HANDLE = "AWS::CloudFormation::WaitConditionHandle"


class WaitCondition:
    """A point that is passed once its CreationPolicy has its signals.

    Signals arrive by SignalResource; the older way, a PUT to the handle's presigned URL, is not emulated and refused.
    """

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the point; the engine waits for the signals of its CreationPolicy."""
        if properties:
            named = ", ".join(sorted(properties))
            raise UnsupportedError(
                f"not emulated: {WAIT_CONDITION} with {named}; give it a CreationPolicy and signal that"
            )
        return Made(f"{context.stack_id}/{context.logical_id}", {"Data": "{}"})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        """Refuse: "Updates are not supported."."""
        raise UnsupportedError(f"Update to resource type {WAIT_CONDITION} is not supported.")

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Nothing exists outside the stack."""


class WaitHandle(WaitCondition):
    """A handle: it can exist and be referred to, but nobody can PUT to its URL here."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the handle."""
        return Made(
            f"https://cloudformation-waitcondition-{context.region}.invalid/{context.stack_id}/{context.logical_id}"
        )

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        """Nothing can change."""
        return Made(physical_id)


BUILTIN: Mapping[str, Provider] = {WAIT_CONDITION: WaitCondition(), WAIT_HANDLE: WaitHandle()}
