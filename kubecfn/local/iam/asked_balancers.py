"""What a call about load balancers, classic or not, or about security groups asks for, and the tags that decide.

Sources: Service Authorization Reference, "AWS Elastic Load Balancing", "AWS Elastic Load Balancing V2" and "Amazon EC2"; Elastic
Load Balancing User Guide, "Elastic Load Balancing API permissions to tag resources during creation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.local.api import Call
from kubecfn.local.iam.asked_volumes import Question
from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.lookups import Look, arn

_BALANCING = "elasticloadbalancing"
_REQUEST_TAG, _TAG_KEYS, _RESOURCE_TAG = "aws:RequestTag/", "aws:TagKeys", "aws:ResourceTag/"
# Whoever calls names one of these, and the first that is named is judged; a rule of a load balancer's listener by its listener.
_NAMES = ("ListenerArn", "TargetGroupArn", "LoadBalancerArn")
_GROUPS = frozenset({"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "DeleteSecurityGroup"})
_KINDS = {"application": "app", "network": "net", "gateway": "gwy"}


def questions(call: Call, look: Look) -> list[Question]:
    """Return what the call asks for, all of which must be allowed; nothing when it is about something else."""
    if call.service == "ec2":
        return list(_of_groups(call, look))
    if call.service in {"elb", "elbv2"} and not call.operation.startswith("Describe"):
        return list(_of_balancers(call, look))
    return []


def _of_groups(call: Call, look: Look) -> Iterator[Question]:
    if call.operation == "CreateSecurityGroup":
        wanted = [
            one for one in call.params.get("TagSpecifications", ()) if one.get("ResourceType") == "security-group"
        ]
        tags = _plain([tag for one in wanted for tag in one.get("Tags", ())])
        yield from _made(call, "ec2", arn(call, "ec2", "security-group/*"), tags, "CreateTags")
        network = str(call.params.get("VpcId") or "*")
        yield Question("ec2:CreateSecurityGroup", arn(call, "ec2", f"vpc/{network}"), _has("ec2", look, call, network))
    elif call.operation in _GROUPS and (name := str(call.params.get("GroupId") or "")):
        group = arn(call, "ec2", f"security-group/{name}")
        yield Question(f"ec2:{call.operation}", group, _has("ec2", look, call, name))


def _of_balancers(call: Call, look: Look) -> Iterator[Question]:
    tags = _plain(call.params.get("Tags", ()))
    match call.operation:
        case "CreateLoadBalancer" | "CreateTargetGroup":
            yield from _made(call, _BALANCING, arn(call, _BALANCING, _new(call)), tags, "AddTags")
        case "CreateListener":
            balancer = str(call.params.get("LoadBalancerArn", "*"))
            context = _has(_BALANCING, look, call, balancer).also(_asks(tags))
            yield Question(f"{_BALANCING}:CreateListener", balancer, context)
            if tags:
                listener = balancer.replace(":loadbalancer/", ":listener/") + "/*"
                yield Question(f"{_BALANCING}:AddTags", listener, _new_context(_BALANCING, call, tags))
        case _:
            for name in _named(call):
                context = _has(_BALANCING, look, call, name).also(_asks(tags))
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
    return f"loadbalancer/{_KINDS[call.params.get('Type') or 'application']}/{name}/*"


def _made(call: Call, prefix: str, new: str, tags: Mapping[str, str], tagging: str) -> Iterator[Question]:
    """Yield the right to make something, and the one to give it tags in the same call."""
    yield Question(f"{prefix}:{call.operation}", new, Context(_asks(tags), _absent(prefix)))
    if tags:
        yield Question(f"{prefix}:{tagging}", new, _new_context(prefix, call, tags))


def _new_context(prefix: str, call: Call, tags: Mapping[str, str]) -> Context:
    return Context({**_asks(tags), f"{prefix}:CreateAction": call.operation}, _absent(prefix))


def _asks(tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{f"{_REQUEST_TAG}{key}": value for key, value in tags.items()},
        **({_TAG_KEYS: list(tags)} if tags else {}),
    }


def _has(prefix: str, look: Look, call: Call, name: str) -> Context:
    tags = look.ec2_tags(call, name) if prefix == "ec2" else look.balancer_tags(call, name)
    keys = (_RESOURCE_TAG, f"{prefix}:ResourceTag/")
    return Context({f"{key}{tag}": value for key in keys for tag, value in tags.items()}, _absent(prefix))


def _absent(prefix: str) -> frozenset[str]:
    own = {f"{prefix}:CreateAction", f"{prefix}:ResourceTag/"}
    return frozenset({_REQUEST_TAG, _TAG_KEYS, _RESOURCE_TAG, *own})


def _plain(tags: Any) -> dict[str, str]:
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags}
