"""Where this node is in AWS: its address, its group, its cluster's bucket. Asked of EC2 once, then kept on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List

from agent import kept
from agent.patience import Patience
from agent.steps import StepFailed
from botocore.exceptions import BotoCoreError, ClientError

STEP = "identity"
FILE = "var/lib/kubecfn/identity.json"
GROUP_TAG = "aws:autoscaling:groupName"
OWN_TAGS = "kubecfn:"
BUCKET_TAG = f"{OWN_TAGS}backup-bucket"


@dataclass(frozen=True)
class Identity:
    """What never changes in an instance's life, and so is asked once: a node starts again without EC2.

    Attributes:
        instance: its id.
        address: its own IPv4 address.
        group: its Auto Scaling group.
        bucket: where etcd's state and snapshots are kept.
        account: AWS's, 12 digits.
        tags: those that this tool gave it.
    """

    instance: str
    address: str
    group: str
    bucket: str
    account: str
    tags: Dict[str, str]


def learn(root: Path, instance: str, ec2: Any, patience: Patience) -> Identity:
    """Return what is kept, or ask EC2 and keep it. A disk that was another instance's says nothing.

    Raises:
        StepFailed: EC2 refuses or does not answer for as long as patience lasts, or a tag is missing.
        StoppedError: told to stop meanwhile.
    """
    known = kept.read(root / FILE, Identity, instance)
    if known:
        return known
    found = _made(instance, _described(instance, ec2, patience))
    kept.write(root / FILE, found)
    return found


def _described(instance: str, ec2: Any, patience: Patience) -> Dict[str, Any]:
    """Ask by a filter: EC2 answers an id that it does not know yet with nothing, not with an error."""
    answers: List[Dict[str, Any]] = []

    def ask() -> None:
        answer = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance]}])
        answers.extend(
            {**one, "OwnerId": each["OwnerId"]} for each in answer["Reservations"] for one in each["Instances"]
        )
        if not answers or not answers[0].get("PrivateIpAddress") or GROUP_TAG not in _tags(answers[0]):
            answers.clear()
            raise LookupError(f"EC2 does not show {instance} with its address and group yet")

    try:
        patience.retry(ask, on=(BotoCoreError, ClientError, LookupError), unless=lambda _error: False)
    except (BotoCoreError, ClientError, LookupError) as error:
        raise StepFailed(STEP, str(error)) from error
    return answers[0]


def _tags(described: Dict[str, Any]) -> Dict[str, str]:
    return {one["Key"]: one["Value"] for one in described.get("Tags", [])}


def _made(instance: str, described: Dict[str, Any]) -> Identity:
    tags = _tags(described)
    if not tags.get(BUCKET_TAG):
        raise StepFailed(STEP, f"{instance} has no tag {BUCKET_TAG}: its launch template has to name the backup bucket")
    own = {key: value for key, value in tags.items() if key.startswith(OWN_TAGS)}
    address, account = str(described["PrivateIpAddress"]), str(described["OwnerId"])
    return Identity(instance, address, tags[GROUP_TAG], tags[BUCKET_TAG], account, own)
