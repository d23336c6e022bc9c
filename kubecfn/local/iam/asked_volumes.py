"""What a call about EBS volumes asks for: every resource that it touches, and the tags that a new one is to have.

Source: Service Authorization Reference, "Amazon EC2"; EC2 User Guide, "Grant permission to tag Amazon EC2 resources during
creation": tags given in the call that makes something need ec2:CreateTags on it too, with ec2:CreateAction.
"""

from __future__ import annotations

from kubecfn.local.api import Call
from kubecfn.local.iam import tagged
from kubecfn.local.iam.lookups import Look, arn
from kubecfn.local.iam.tagged import Question

# Operation -> the resources that it touches: kind and the member that names it.
_VOLUME, _INSTANCE = ("volume", "VolumeId"), ("instance", "InstanceId")
_TOUCHED = {
    "AttachVolume": (_VOLUME, _INSTANCE),
    "DetachVolume": (_VOLUME, _INSTANCE),
    "DeleteVolume": (_VOLUME,),
    "ModifyVolume": (_VOLUME,),
}


def questions(call: Call, look: Look) -> list[Question]:
    """Return what the call asks for, all of which must be allowed; nothing when it is about no volume."""
    if call.operation == "CreateVolume":
        tags = tagged.specified(call, "volume")
        return list(tagged.made(call, "ec2", arn(call, "ec2", "volume/*"), tags, "CreateTags"))
    named = ((kind, str(call.params.get(member) or "")) for kind, member in _TOUCHED.get(call.operation, ()))
    # Who detaches need not say from which instance.
    return [
        Question(
            f"ec2:{call.operation}", arn(call, "ec2", f"{kind}/{name}"), tagged.has("ec2", look.ec2_tags(call, name))
        )
        for kind, name in named
        if name
    ]
