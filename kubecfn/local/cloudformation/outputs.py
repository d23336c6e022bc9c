"""Outputs of a stack and the exports other stacks import.

AWS: User Guide "Outputs", "Get exported outputs from a deployed CloudFormation stack".
"""

from __future__ import annotations

from typing import Any

from kubecfn.local.cloudformation.refusals import OperationFailedError
from kubecfn.local.cloudformation.resolver import Scope, resolve, text_of
from kubecfn.local.cloudformation.stacks import Output, Stack, Stacks
from kubecfn.local.cloudformation.template import Template


def settled_outputs(stacks: Stacks, stack: Stack, template: Template, scope: Scope) -> list[Output]:
    """Return the outputs whose condition holds, resolved.

    Raises:
        ServiceError: an output refers to what is not there.
        OperationFailedError: an export's name is taken, or an export in use would change or go.
    """
    outputs = [
        _output(name, definition, scope)
        for name, definition in template.outputs.items()
        if scope.conditions.get(str(definition.get("Condition", "")), True)
    ]
    with stacks.lock:
        _check_exports(stacks, stack, outputs)
    return outputs


def _output(name: str, definition: Any, scope: Scope) -> Output:
    value = resolve(definition["Value"], scope)
    if isinstance(value, dict | list):
        raise OperationFailedError(
            "Template format error: The Value field of every Outputs member must evaluate to a String."
        )
    export = definition.get("Export", {}).get("Name", "")
    description = str(definition.get("Description", ""))
    return Output(name, text_of(value), description, text_of(resolve(export, scope)) if export else "")


def _check_exports(stacks: Stacks, stack: Stack, outputs: list[Output]) -> None:
    exports = {output.export: output.value for output in outputs if output.export}
    for other in stacks.living(stack.region):
        if other is stack:
            continue
        for output in other.outputs:
            if output.export and output.export in exports:
                raise OperationFailedError(
                    f"Export with name {output.export} is already exported by stack {other.name}."
                )
        for output in stack.outputs:
            if output.export in other.imports and exports.get(output.export) != output.value:
                raise OperationFailedError(f"Export {output.export} cannot be updated as it is in use by {other.name}")
