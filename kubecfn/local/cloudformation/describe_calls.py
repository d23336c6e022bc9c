"""Operations that only read stacks, their resources, events, templates and exports.

AWS: API Reference, the operations of the same names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kubecfn.local.api import Answer, Call
from kubecfn.local.cloudformation import graph, parameters, template
from kubecfn.local.cloudformation.account import Account
from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.requests import check_template, given_template, page, required_capabilities
from kubecfn.local.cloudformation.stacks import Event, Output, Resource, Stack

PAGE = 100
RESOURCES_LIMIT = 100


def describe_stacks(account: Account, call: Call) -> Answer:
    """DescribeStacks: all living ones, or one by name or id."""
    name = call.params.get("StackName")
    if name:
        stack = account.stacks.find(call.region, name)
        if stack is None:
            raise invalid(f"Stack with id {name} does not exist")
        stacks = [stack]
    else:
        stacks = list(account.stacks.living(call.region))
    with account.stacks.lock:
        return page(stacks, call.params, PAGE, lambda rows: {"Stacks": [_stack(row) for row in rows]})


def list_stacks(account: Account, call: Call) -> Answer:
    """ListStacks: the deleted ones too."""
    wanted = call.params.get("StackStatusFilter")
    rows = [stack for stack in account.stacks.all(call.region) if not wanted or stack.status in wanted]
    return page(rows, call.params, PAGE, lambda part: {"StackSummaries": [_summary(row) for row in part]})


def describe_stack_events(account: Account, call: Call) -> Answer:
    """DescribeStackEvents: newest first."""
    stack = account.stacks.get(call.region, str(call.params.get("StackName", "")))
    with account.stacks.lock:
        rows = stack.events[::-1]
    return page(rows, call.params, PAGE, lambda part: {"StackEvents": [_event(stack, row) for row in part]})


def describe_stack_resource(account: Account, call: Call) -> Answer:
    """DescribeStackResource: one, with its metadata."""
    stack = account.stacks.get(call.region, str(call.params["StackName"]))
    resource = _resource(stack, str(call.params["LogicalResourceId"]))
    detail = _row(resource, "LastUpdatedTimestamp") | {"StackName": stack.name, "StackId": stack.id}
    if "Metadata" in resource.definition:
        detail["Metadata"] = json.dumps(resource.definition["Metadata"])
    return {"StackResourceDetail": detail}


def describe_stack_resources(account: Account, call: Call) -> Answer:
    """DescribeStackResources: at most 100, by stack or by physical id."""
    name, physical = call.params.get("StackName"), call.params.get("PhysicalResourceId")
    if not name and not physical:
        raise invalid("StackName or PhysicalResourceId must be specified")
    if name:
        found = account.stacks.find(call.region, name)
    else:
        found = next((one for one in account.stacks.living(call.region) if physical in _physical_ids(one)), None)
    if found is None:
        raise invalid(f"Stack with id {name} does not exist" if name else f"Stack for {physical} does not exist")
    stack, logical = found, call.params.get("LogicalResourceId")
    resources = [_resource(stack, logical)] if logical else list(stack.resources.values())
    rows = [_row(one, "Timestamp") | {"StackName": stack.name, "StackId": stack.id} for one in resources]
    return {"StackResources": rows[:RESOURCES_LIMIT]}


def list_stack_resources(account: Account, call: Call) -> Answer:
    """ListStackResources."""
    stack = account.stacks.get(call.region, str(call.params["StackName"]))
    rows = [_row(resource, "LastUpdatedTimestamp") for resource in list(stack.resources.values())]
    return page(rows, call.params, PAGE, lambda part: {"StackResourceSummaries": part})


def get_template(account: Account, call: Call) -> Answer:
    """GetTemplate: the text as it was given."""
    name = call.params.get("StackName")
    stack = account.stacks.get(call.region, name) if name else None
    if call.params.get("ChangeSetName"):
        wanted = account.change_sets.get(call.params["ChangeSetName"], stack).wanted
    elif stack is None or stack.wanted is None:
        raise invalid(f"Stack [{name}] has no template yet" if name else "StackName must be specified")
    else:
        wanted = stack.wanted
    return {"TemplateBody": wanted.template.body, "StagesAvailable": ["Original", "Processed"]}


def get_template_summary(account: Account, call: Call) -> Answer:
    """GetTemplateSummary: of a text, or of a stack."""
    name = call.params.get("StackName")
    if name:
        stack = account.stacks.get(call.region, name)
        if stack.wanted is None:
            raise invalid(f"Stack [{name}] has no template yet")
        text = stack.wanted.template
    else:
        text = given_template(account.around, call.params, call.region, None)
        graph.check_references(text)
    return {
        "Parameters": [
            _declared(key, spec)
            | {
                "ParameterType": spec["Type"],
                "ParameterConstraints": {"AllowedValues": [str(value) for value in spec.get("AllowedValues", [])]},
            }
            for key, spec in text.parameters.items()
        ],
        "ResourceTypes": sorted({str(spec["Type"]) for spec in text.resources.values()}),
        "Version": "2010-09-09",
        **({"Metadata": json.dumps(text.data["Metadata"])} if "Metadata" in text.data else {}),
        **_about(text),
    }


def validate_template(account: Account, call: Call) -> Answer:
    """ValidateTemplate: the text alone, without values."""
    text = given_template(account.around, call.params, call.region, None)
    check_template(text, call.region)
    return {"Parameters": [_declared(key, spec) for key, spec in text.parameters.items()], **_about(text)}


def list_exports(account: Account, call: Call) -> Answer:
    """ListExports of the region."""
    rows = [
        {"ExportingStackId": stack.id, "Name": output.export, "Value": output.value}
        for stack in account.stacks.living(call.region)
        for output in stack.outputs
        if output.export
    ]
    rows.sort(key=lambda row: row["Name"])
    return page(rows, call.params, PAGE, lambda part: {"Exports": part})


def list_imports(account: Account, call: Call) -> Answer:
    """ListImports: names of the stacks that use an export."""
    name = call.params["ExportName"]
    rows = [stack.name for stack in account.stacks.living(call.region) if name in stack.imports]
    if not rows:
        raise invalid(f"Export '{name}' is not imported by any stack.")
    return page(rows, call.params, PAGE, lambda part: {"Imports": part})


def get_stack_policy(account: Account, call: Call) -> Answer:
    """GetStackPolicy: nothing when there is none."""
    stack = account.stacks.get(call.region, str(call.params["StackName"]))
    return {"StackPolicyBody": stack.policy} if stack.policy else {}


def _given(**members: Any) -> Answer:
    """Leave out what AWS leaves out: absent and empty members."""
    return {key: value for key, value in members.items() if value not in (None, "", [], ())}


def _stack(stack: Stack) -> Answer:
    wanted = stack.wanted
    about: Answer = {}
    if wanted is not None:
        about = _given(
            Description=wanted.template.description,
            Parameters=parameters.described(wanted.parameters),
            Capabilities=list(wanted.capabilities),
            RoleARN=wanted.role,
        )
        about |= {"Tags": [{"Key": key, "Value": value} for key, value in wanted.tags.items()]}
        about |= {"NotificationARNs": list(wanted.topics)}
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DisableRollback": stack.disable_rollback,
        "EnableTerminationProtection": stack.protected,
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        **about,
        **_given(
            StackStatusReason=stack.reason,
            LastUpdatedTime=stack.updated,
            DeletionTime=stack.deleted,
            ChangeSetId=stack.change_set_id,
            TimeoutInMinutes=stack.timeout_minutes or None,
            DeletionMode=stack.deletion_mode,
            RetainExceptOnCreate=stack.retain_except_on_create or None,
            Outputs=[_output(output) for output in stack.outputs],
        ),
        **_operations(stack),
    }


def _operations(stack: Stack) -> Answer:
    if not stack.operation:
        return {}
    return {"LastOperations": [{"OperationType": stack.operation_type, "OperationId": stack.operation}]}


def _summary(stack: Stack) -> Answer:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        **_given(
            TemplateDescription=stack.wanted.template.description if stack.wanted else "",
            LastUpdatedTime=stack.updated,
            DeletionTime=stack.deleted,
            StackStatusReason=stack.reason,
        ),
    }


def _output(output: Output) -> Answer:
    return {
        "OutputKey": output.key,
        "OutputValue": output.value,
        **_given(Description=output.description, ExportName=output.export),
    }


def _event(stack: Stack, event: Event) -> Answer:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "EventId": event.id,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "Timestamp": event.at,
        "ResourceStatus": event.status,
        **_given(ResourceStatusReason=event.reason, ClientRequestToken=event.token, OperationId=event.operation),
    }


def _resource(stack: Stack, logical_id: str) -> Resource:
    resource = stack.resources.get(logical_id)
    if resource is None:
        raise invalid(f"Resource {logical_id} does not exist for stack {stack.name}")
    return resource


def _physical_ids(stack: Stack) -> set[str]:
    return {resource.physical_id for resource in list(stack.resources.values())}


def _row(resource: Resource, stamp: str) -> Answer:
    return {
        "LogicalResourceId": resource.logical_id,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        **_given(
            PhysicalResourceId=resource.physical_id,
            ResourceStatusReason=resource.reason,
            Description=str(resource.definition.get("Description", "")),
        ),
        stamp: resource.updated,
    }


def _declared(name: str, spec: Any) -> Answer:
    return {
        "ParameterKey": name,
        "NoEcho": str(spec.get("NoEcho", "false")).lower() == "true",
        **_given(Description=str(spec.get("Description", ""))),
        **({"DefaultValue": parameters.plain(spec["Default"])} if "Default" in spec else {}),
    }


def _about(text: template.Template) -> Answer:
    needed, types = required_capabilities(text)
    reason = f"The following resource(s) require capabilities: [{', '.join(types)}]" if needed else ""
    return _given(Description=text.description, Capabilities=needed, CapabilitiesReason=reason)


READS: dict[str, Callable[[Account, Call], Answer]] = {
    "DescribeStackEvents": describe_stack_events,
    "DescribeStackResource": describe_stack_resource,
    "DescribeStackResources": describe_stack_resources,
    "DescribeStacks": describe_stacks,
    "GetStackPolicy": get_stack_policy,
    "GetTemplate": get_template,
    "GetTemplateSummary": get_template_summary,
    "ListExports": list_exports,
    "ListImports": list_imports,
    "ListStackResources": list_stack_resources,
    "ListStacks": list_stacks,
    "ValidateTemplate": validate_template,
}
