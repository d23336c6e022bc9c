"""What a call about load balancers, classic or not, or about security groups asks for, and the tags that decide.

Sources: Service Authorization Reference, "AWS Elastic Load Balancing", "AWS Elastic Load Balancing V2" and "Amazon EC2"; Elastic
Load Balancing User Guide, "Elastic Load Balancing API permissions to tag resources during creation".
"""

from __future__ import annotations

from collections.abc import Iterator

from kubecfn.local.api import Call
from kubecfn.local.balancers import KINDS
from kubecfn.local.iam import tagged
from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.lookups import Look, arn
from kubecfn.local.iam.tagged import Question

_BALANCING = "elasticloadbalancing"
# Whoever calls names one of these, and the first that is named is judged; a rule of a load balancer's listener by its listener.
_NAMES = ("ListenerArn", "TargetGroupArn", "LoadBalancerArn")
_GROUPS = frozenset({"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "DeleteSecurityGroup"})


def questions(call: Call, look: Look) -> list[Question]:
    """Return what the call asks for, all of which must be allowed; nothing when it is about something else."""
    if call.service == "ec2":
        return list(_of_groups(call, look))
    if call.service in {"elb", "elbv2"} and not call.operation.startswith("Describe"):
        return list(_of_balancers(call, look))
    return []


def _of_groups(call: Call, look: Look) -> Iterator[Question]:
    if call.operation == "CreateSecurityGroup":
        tags = tagged.specified(call, "security-group")
        yield from tagged.made(call, "ec2", arn(call, "ec2", "security-group/*"), tags, "CreateTags")
        network = str(call.params.get("VpcId") or "*")
        yield Question(
            "ec2:CreateSecurityGroup",
            arn(call, "ec2", f"vpc/{network}"),
            tagged.has("ec2", look.ec2_tags(call, network)),
        )
    elif call.operation in _GROUPS and (name := str(call.params.get("GroupId") or "")):
        group = arn(call, "ec2", f"security-group/{name}")
        yield Question(f"ec2:{call.operation}", group, tagged.has("ec2", look.ec2_tags(call, name)))


def _of_balancers(call: Call, look: Look) -> Iterator[Question]:
    tags = tagged.plain(call.params.get("Tags", ()))
    match call.operation:
        case "CreateLoadBalancer" | "CreateTargetGroup":
            yield from tagged.made(call, _BALANCING, arn(call, _BALANCING, _new(call)), tags, "AddTags")
        case "CreateListener":
            balancer = str(call.params.get("LoadBalancerArn", "*"))
            context = _has(look, call, balancer).also(tagged.asks(tags))
            yield Question(f"{_BALANCING}:CreateListener", balancer, context)
            if tags:
                listener = balancer.replace(":loadbalancer/", ":listener/") + "/*"
                yield tagged.gets_tags(call, _BALANCING, listener, tags, "AddTags")
        case _:
            for name in _named(call):
                context = _has(look, call, name).also(tagged.asks(tags))
                resource = name if name.startswith("arn:") else arn(call, _BALANCING, f"loadbalancer/{name}")
                yield Question(f"{_BALANCING}:{call.operation}", resource, context)


def _named(call: Call) -> list[str]:
    """Return whom a call is about: ARNs, or the names of classic load balancers."""
    params = call.params
    several = params.get("ResourceArns") or params.get("LoadBalancerNames")
    one = next((params[member] for member in (*_NAMES, "LoadBalancerName") if params.get(member)), None)
    return [str(name) for name in several or ([one] if one else [])]


def _new(call: Call) -> str:
    if call.service == "elb":
        return f"loadbalancer/{call.params.get('LoadBalancerName', '*')}"
    name = call.params.get("Name", "*")
    if call.operation == "CreateTargetGroup":
        return f"targetgroup/{name}/*"
    return f"loadbalancer/{KINDS[call.params.get('Type') or 'application']}/{name}/*"


def _has(look: Look, call: Call, name: str) -> Context:
    return tagged.has(_BALANCING, look.balancer_tags(call, name))
