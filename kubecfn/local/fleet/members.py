"""The instances of groups in the API: describe, terminate, health, protection, processes, target groups, activities.

Source: Auto Scaling API reference, one page per operation; User Guide, "Suspend and resume Amazon EC2 Auto Scaling processes".
"""

from __future__ import annotations

from typing import Any

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.groups import member_answer
from kubecfn.local.fleet.model import Activity, Book, Group, Member

PROCESSES = (
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
)


def describe_instances(book: Book, call: Call) -> Answer:
    """DescribeAutoScalingInstances; an unknown id is left out, as on AWS."""
    wanted = set(call.params.get("InstanceIds") or [])
    with book.lock:
        found = [
            {**member_answer(member), "AutoScalingGroupName": group.name}
            for (region, _), group in book.groups.items()
            if region == call.region
            for member in group.members.values()
            if not wanted or member.id in wanted
        ]
    return {"AutoScalingInstances": found}


def terminate(book: Book, call: Call) -> Answer:
    """TerminateInstanceInAutoScalingGroup: a request only; hooks run. A retained instance goes without another hook."""
    decrement = bool(call.params["ShouldDecrementDesiredCapacity"])
    if not call.params.get("InstanceId"):
        raise ServiceError("ValidationError", "Not emulated: InstanceIds; name one InstanceId.")
    with book.lock:
        group, member = book.find(call, str(call.params["InstanceId"]))
        if member.state in {"Terminating", "Terminating:Wait", "Terminating:Proceed"}:
            raise ServiceError("ValidationError", f"Instance {member.id} is already terminating.")
        counted = member.counted
        if decrement and counted:
            if group.desired <= group.settings["MinSize"]:
                raise ServiceError(
                    "ValidationError",
                    f"Currently, desiredSize equals minSize ({group.settings['MinSize']}). Terminating instance without"
                    " replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag"
                    " to false or lower group's min size.",
                )
            group.settings["DesiredCapacity"] = group.desired - 1
        now = book.world.clock.now()
        start_terminating(
            group,
            member,
            Activity(
                "",
                f"At {now:%Y-%m-%dT%H:%M:%SZ} instance {member.id} was taken out of service in response to a user request.",
                now,
            ),
        )
        book.changed.set()
        assert member.activity is not None
        return {"Activity": activity_answer(group, member.activity)}


def start_terminating(group: Group, member: Member, activity: Activity) -> None:
    """Mark an instance for termination and open the activity; the caller holds the lock.

    Args:
        group: its group.
        member: any state that is not terminating yet.
        activity: cause and start; the description is filled in here.
    """
    if member.activity and member.activity.end is None:
        member.activity.finish("Cancelled", activity.start)
    member.final = member.final or member.state == "Terminating:Retained"
    member.state = "Terminating"
    member.actions = []
    activity.description = f"Terminating EC2 instance: {member.id}"
    member.activity = activity
    group.activities.appendleft(activity)


def set_health(book: Book, call: Call) -> Answer:
    """SetInstanceHealth. Within the grace period ``Unhealthy`` is ignored, unless ShouldRespectGracePeriod is false."""
    status = str(call.params["HealthStatus"])
    if status not in {"Healthy", "Unhealthy"}:
        raise ServiceError("ValidationError", f"Valid instance health states are: [Healthy, Unhealthy]. Not {status}.")
    with book.lock:
        group, member = book.find(call, str(call.params["InstanceId"]))
        respected = call.params.get("ShouldRespectGracePeriod", True)
        if status == "Unhealthy" and respected and in_grace(book, group, member):
            return {}
        member.health = status
        book.changed.set()
    return {}


def in_grace(book: Book, group: Group, member: Member) -> bool:
    """Whether an instance is too young to be judged (User Guide, "Set the health check grace period")."""
    age = (book.world.clock.now() - member.launched).total_seconds()
    return age < float(group.settings.get("HealthCheckGracePeriod") or 0)


def protect(book: Book, call: Call) -> Answer:
    """SetInstanceProtection."""
    with book.lock:
        group = book.group(call)
        for instance_id in call.params["InstanceIds"]:
            if instance_id not in group.members:
                raise ServiceError(
                    "ValidationError", f"The instance {instance_id} is not part of Auto Scaling group {group.name}."
                )
        for instance_id in call.params["InstanceIds"]:
            group.members[instance_id].protected = bool(call.params["ProtectedFromScaleIn"])
        book.changed.set()
    return {}


def suspend(book: Book, call: Call) -> Answer:
    """SuspendProcesses; without names, all of them."""
    names = _processes(call)
    with book.lock:
        group = book.group(call)
        reason = f"User suspended at {book.world.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        group.suspended.update(dict.fromkeys(names, reason))
    return {}


def resume(book: Book, call: Call) -> Answer:
    """ResumeProcesses; without names, all of them."""
    names = _processes(call)
    with book.lock:
        group = book.group(call)
        for name in names:
            group.suspended.pop(name, None)
        book.changed.set()
    return {}


def attach_targets(book: Book, call: Call) -> Answer:
    """AttachLoadBalancerTargetGroups: instances in service are registered soon after."""
    with book.lock:
        group = book.group(call)
        arns = group.settings["TargetGroupARNs"]
        group.settings["TargetGroupARNs"] = [*arns, *(a for a in call.params["TargetGroupARNs"] if a not in arns)]
        book.changed.set()
    return {}


def detach_targets(book: Book, call: Call) -> Answer:
    """DetachLoadBalancerTargetGroups: instances are deregistered soon after."""
    with book.lock:
        group = book.group(call)
        gone = set(call.params["TargetGroupARNs"])
        group.settings["TargetGroupARNs"] = [arn for arn in group.settings["TargetGroupARNs"] if arn not in gone]
        book.changed.set()
    return {}


def describe_targets(book: Book, call: Call) -> Answer:
    """DescribeLoadBalancerTargetGroups."""
    with book.lock:
        group = book.group(call)
        counted = group.counted()
        return {
            "LoadBalancerTargetGroups": [
                {
                    "LoadBalancerTargetGroupARN": arn,
                    "State": "InService" if all(arn in member.targets for member in counted) else "Adding",
                }
                for arn in group.settings["TargetGroupARNs"]
            ]
        }


def activities(book: Book, call: Call) -> Answer:
    """DescribeScalingActivities, newest first; all on one page unless MaxRecords says less."""
    wanted = set(call.params.get("ActivityIds") or [])
    with book.lock:
        if call.params.get("AutoScalingGroupName"):
            groups = [book.group(call)]
        else:
            groups = [group for (region, _), group in book.groups.items() if region == call.region]
        found = [activity_answer(g, a) for g in groups for a in g.activities if not wanted or a.id in wanted]
    return {"Activities": found[: call.params.get("MaxRecords", len(found))]}


def activity_answer(group: Group, activity: Activity) -> Answer:
    """The API's Activity."""
    shown: dict[str, Any] = {
        "ActivityId": activity.id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.start,
        "StatusCode": activity.status,
        "Progress": activity.progress,
        "Details": activity.details,
    }
    if activity.end:
        shown["EndTime"] = activity.end
    if activity.message:
        shown["StatusMessage"] = activity.message
    return shown


def enable_metrics(book: Book, call: Call) -> Answer:
    """EnableMetricsCollection: kept and shown; no metric is published."""
    names = call.params.get("Metrics") or [
        "GroupDesiredCapacity",
        "GroupInServiceInstances",
        "GroupMaxSize",
        "GroupMinSize",
        "GroupPendingInstances",
        "GroupStandbyInstances",
        "GroupTerminatingInstances",
        "GroupTotalInstances",
    ]
    with book.lock:
        book.group(call).metrics.update(names)
    return {}


def disable_metrics(book: Book, call: Call) -> Answer:
    """DisableMetricsCollection."""
    with book.lock:
        group = book.group(call)
        group.metrics -= set(call.params.get("Metrics") or group.metrics)
    return {}


def put_scheduled(book: Book, call: Call) -> Answer:
    """PutScheduledUpdateGroupAction: kept and shown; it never fires here."""
    with book.lock:
        group = book.group(call)
        name = str(call.params["ScheduledActionName"])
        group.scheduled[name] = {key: value for key, value in call.params.items() if key != "Time"}
    return {}


def delete_scheduled(book: Book, call: Call) -> Answer:
    """DeleteScheduledAction."""
    with book.lock:
        if book.group(call).scheduled.pop(str(call.params["ScheduledActionName"]), None) is None:
            raise ServiceError(
                "ValidationError", f"Scheduled action name not found: {call.params['ScheduledActionName']}"
            )
    return {}


def describe_scheduled(book: Book, call: Call) -> Answer:
    """DescribeScheduledActions."""
    with book.lock:
        groups = [book.group(call)] if call.params.get("AutoScalingGroupName") else list(book.groups.values())
        return {
            "ScheduledUpdateGroupActions": [
                dict(a) for g in groups if g.region == call.region for a in g.scheduled.values()
            ]
        }


OPERATIONS = {
    "DescribeAutoScalingInstances": describe_instances,
    "TerminateInstanceInAutoScalingGroup": terminate,
    "SetInstanceHealth": set_health,
    "SetInstanceProtection": protect,
    "SuspendProcesses": suspend,
    "ResumeProcesses": resume,
    "AttachLoadBalancerTargetGroups": attach_targets,
    "DetachLoadBalancerTargetGroups": detach_targets,
    "DescribeLoadBalancerTargetGroups": describe_targets,
    "DescribeScalingActivities": activities,
    "EnableMetricsCollection": enable_metrics,
    "DisableMetricsCollection": disable_metrics,
    "PutScheduledUpdateGroupAction": put_scheduled,
    "DeleteScheduledAction": delete_scheduled,
    "DescribeScheduledActions": describe_scheduled,
}


def _processes(call: Call) -> list[str]:
    names = call.params.get("ScalingProcesses") or list(PROCESSES)
    if unknown := [name for name in names if name not in PROCESSES]:
        raise ServiceError("ValidationError", f"Invalid process: {', '.join(unknown)}. Valid: {', '.join(PROCESSES)}.")
    return list(names)
