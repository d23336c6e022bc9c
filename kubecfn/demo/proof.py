"""What the demo shows as proof: read from the embedded AWS's own services and from its record of every call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kubecfn.errors import KubecfnError
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.recorder import Recorded
from kubecfn.ready import Ready

# Functions are woken by events and work beside the stack operation: so long, in real seconds, they may take to follow.
_PATIENCE = 15.0
# The artifact bucket is shared by the clusters of an account and is not part of a cluster.
_SHARED = "kubecfn-artifacts"


def controllers(cloud: EmbeddedAws, cluster: str) -> frozenset[str]:
    """Return the instance ids in service in the controllers' group."""
    groups = cloud.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{cluster}-controllers"])
    members = [instance for group in groups["AutoScalingGroups"] for instance in group["Instances"]]
    return frozenset(one["InstanceId"] for one in members if one["LifecycleState"] == "InService")


def named_in_dns(cloud: EmbeddedAws, domain: str) -> frozenset[str]:
    """Return the instance ids that have a record of their own in the cluster's zone."""
    route53 = cloud.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        if zone["Name"] == f"{domain}.":
            records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            names = (record["Name"].split(".", 1)[0] for record in records if record["Type"] == "A")
            return frozenset(name for name in names if name.startswith("i-"))
    return frozenset()


def wait_until_dns_names(cloud: EmbeddedAws, domain: str, cluster: str, count: int) -> frozenset[str]:
    """Return the controllers once there are `count` and the zone names exactly those.

    Raises:
        KubecfnError: it does not come to that.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        alive, named = controllers(cloud, cluster), named_in_dns(cloud, domain)
        if alive == named and len(alive) == count:
            return alive
        if time.monotonic() > end:
            raise KubecfnError(
                f"The zone {domain} names {sorted(named) or 'nobody'}, but in service are {sorted(alive) or 'none'}.",
                remedy="The discovery function did not follow the group: please report it.",
            )
        time.sleep(0.1)


def signals(cloud: EmbeddedAws, cluster: str) -> Counter[str]:
    """Return how many signals of each status nodes sent for the cluster's stack."""
    sent = cloud.recorder.by("cloudformation:SignalResource")
    return Counter(
        one.call.params["Status"]
        for one in sent
        if one.outcome == "ok" and cluster in str(one.call.params["StackName"])
    )


def tamper_with_bundle(cloud: EmbeddedAws, ready: Ready) -> str:
    """Overwrite the controllers' bundle where it lies in S3, as an intruder would; return its key."""
    key = next(artifact.key for artifact in ready.deployment.artifacts if "/controller/" in artifact.key)
    cloud.client("s3").put_object(Bucket=ready.bucket.name, Key=key, Body=b"not what was uploaded")
    return key


@dataclass(frozen=True)
class Remains:
    """What an account still holds.

    Attributes:
        counted: what -> how many, for everything that is not AWS's default furniture or the shared artifact bucket.
    """

    counted: dict[str, int]

    @property
    def total(self) -> int:
        """How many things are left."""
        return sum(self.counted.values())


def remains(cloud: EmbeddedAws) -> Remains:
    """Count what is left in the account, service by service."""
    ec2, elbv2 = cloud.client("ec2"), cloud.client("elbv2")
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]}]
    reservations = ec2.describe_instances(Filters=alive)["Reservations"]
    own_vpcs = [{"Name": "is-default", "Values": ["false"]}]
    gateways = [one for one in ec2.describe_nat_gateways()["NatGateways"] if one["State"] != "deleted"]
    stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
    counted = {
        "stacks": sum(one["StackName"] != _SHARED for one in stacks),
        "instances": sum(len(one["Instances"]) for one in reservations),
        "volumes": len(ec2.describe_volumes()["Volumes"]),
        "groups": len(cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]),
        "launch templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
        "VPCs": len(ec2.describe_vpcs(Filters=own_vpcs)["Vpcs"]),
        "NAT gateways": len(gateways),
        "addresses": len(ec2.describe_addresses()["Addresses"]),
        "load balancers": len(elbv2.describe_load_balancers()["LoadBalancers"]),
        "target groups": len(elbv2.describe_target_groups()["TargetGroups"]),
        "hosted zones": len(cloud.client("route53").list_hosted_zones()["HostedZones"]),
        "functions": len(cloud.client("lambda").list_functions()["Functions"]),
        "rules": len(cloud.client("events").list_rules()["Rules"]),
        "log groups": len(cloud.client("logs").describe_log_groups()["logGroups"]),
        "roles": len(cloud.client("iam").list_roles()["Roles"]),
        "buckets": sum(not one["Name"].startswith("kubecfn-") for one in cloud.client("s3").list_buckets()["Buckets"]),
    }
    return Remains({what: count for what, count in counted.items() if count})


def proof(cloud: EmbeddedAws) -> tuple[tuple[str, str], ...]:
    """Return the table of what really ran."""
    calls = cloud.recorder.calls
    roles = Counter(_role_kind(one.call.caller) for one in calls)
    sent = Counter(
        one.call.params["Status"] for one in cloud.recorder.by("cloudformation:SignalResource") if one.outcome == "ok"
    )
    launched = [one for one in cloud.recorder.internal if one.call.operation == "RunInstances" and one.outcome == "ok"]
    refused = [one for one in calls if one.outcome.startswith(("AccessDenied", "Unauthorized"))]
    left = remains(cloud)
    return (
        ("API calls recorded", f"{len(calls)} by programs, {len(cloud.recorder.internal)} among services"),
        ("… by operator, nodes, functions", f"{roles['operator']}, {roles['node']}, {roles['function']}"),
        ("instances whose user data ran", str(len(launched))),
        ("signals that nodes sent", f"{sent['SUCCESS']} success, {sent['FAILURE']} failure"),
        ("calls refused by IAM policies", _named(refused)),
        ("left in the account", ", ".join(f"{count} {what}" for what, count in left.counted.items()) or "0"),
        ("kept on purpose", "the artifact bucket, its key and its stack: shared by an account's clusters"),
    )


def _named(calls: Sequence[Recorded]) -> str:
    """Return how many there were and which."""
    which = sorted({f"{one.call.service}:{one.call.operation} by {one.call.caller.split('/', 1)[-1]}" for one in calls})
    return ", ".join([str(len(calls)), *which])


def _role_kind(caller: str) -> str:
    if ":assumed-role/" not in caller:
        return "operator"
    return "node" if caller.rsplit("/", 1)[-1].startswith("i-") else "function"
