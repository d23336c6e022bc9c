"""What a decision needs to know about resources: full ARNs, tags and encryption, asked of the services themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from moto.kms.utils import KEY_ID_LEN

from kubecfn.local.api import Call
from kubecfn.local.world import partition_of


@dataclass(frozen=True)
class Encryption:
    """How an object is, or would be, encrypted under a customer's key.

    Attributes:
        key_arn: the KMS key.
        bucket_key: the bucket's own data key is used, which changes the encryption context.
    """

    key_arn: str
    bucket_key: bool


class Look:
    """Answers about existing resources; None, or the ARN with ``*`` in the unknown place, when there is none.

    Args:
        client: ``client(service, region)`` gives a client that acts as a service of ours.
    """

    def __init__(self, client: Callable[[str, str], Any]) -> None:
        self._client = client

    def group(self, call: Call, name: str) -> tuple[str, Mapping[str, str]]:
        """Return an auto scaling group's ARN and tags."""
        found = self._ask(call, "autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
        for group in (found or {}).get("AutoScalingGroups", []):
            return group["AutoScalingGroupARN"], {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])}
        return arn(call, "autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}"), {}

    def group_of_instance(self, call: Call, instance: str) -> tuple[str, Mapping[str, str]]:
        """Return the ARN and tags of the group an instance belongs to."""
        found = self._ask(call, "autoscaling", "describe_auto_scaling_instances", InstanceIds=[instance])
        for member in (found or {}).get("AutoScalingInstances", []):
            return self.group(call, member["AutoScalingGroupName"])
        return arn(call, "autoscaling", "autoScalingGroup:*:autoScalingGroupName/*"), {}

    def stack(self, call: Call, name: str) -> tuple[str, Mapping[str, str]]:
        """Return a stack's ARN and tags, by name or ARN."""
        found = self._ask(call, "cloudformation", "describe_stacks", StackName=name)
        for stack in (found or {}).get("Stacks", []):
            return stack["StackId"], {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
        return (name, {}) if name.startswith("arn:") else (arn(call, "cloudformation", f"stack/{name}/*"), {})

    def ec2_tags(self, call: Call, resource: str) -> Mapping[str, str]:
        """Return the tags of an EC2 resource by its id."""
        filters = [{"Name": "resource-id", "Values": [resource]}]
        found = self._ask(call, "ec2", "describe_tags", Filters=filters)
        return {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags", [])}

    def balancer_tags(self, call: Call, name: str) -> Mapping[str, str]:
        """Return the tags of a load balancer, a listener or a target group by its ARN, or of a classic one by its name."""
        if name.startswith("arn:"):
            found = self._ask(call, "elbv2", "describe_tags", ResourceArns=[name])
        else:
            found = self._ask(call, "elb", "describe_tags", LoadBalancerNames=[name])
        told = (found or {}).get("TagDescriptions", [])
        return {tag["Key"]: tag.get("Value", "") for one in told for tag in one["Tags"]}

    def key(self, call: Call, key: str) -> str:
        """Return a KMS key's ARN, from its ARN, id or alias."""
        found = self._ask(call, "kms", "describe_key", KeyId=key)
        return str(found["KeyMetadata"]["Arn"]) if found else arn(call, "kms", f"key/{key.rsplit('/', 1)[-1]}")

    def key_of(self, call: Call, ciphertext: bytes) -> str:
        """Return the ARN of the key that encrypted a text; moto writes the key's id in front of it."""
        return self.key(call, ciphertext[:KEY_ID_LEN].decode(errors="replace"))

    def object_encryption(self, call: Call, bucket: str, key: str, version: str | None) -> Encryption | None:
        """Return how an existing object is encrypted; None unless it is with a customer's key."""
        which = {"VersionId": version} if version else {}
        found = self._ask(call, "s3", "head_object", Bucket=bucket, Key=key, **which)
        if not found or found.get("ServerSideEncryption") != "aws:kms":
            return None
        default = self.bucket_encryption(call, bucket)
        if named := found.get("SSEKMSKeyId"):
            return Encryption(self.key(call, named), bool(found.get("BucketKeyEnabled")))
        return default

    def has_object(self, call: Call, bucket: str, key: str) -> bool:
        """Whether there is an object of this name."""
        return self._ask(call, "s3", "head_object", Bucket=bucket, Key=key) is not None

    def bucket_encryption(self, call: Call, bucket: str) -> Encryption | None:
        """Return a bucket's default encryption; None unless it is with a customer's key."""
        found = self._ask(call, "s3", "get_bucket_encryption", Bucket=bucket)
        for rule in (found or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
            named = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
            if named:
                return Encryption(self.key(call, named), bool(rule.get("BucketKeyEnabled")))
        return None

    def _ask(self, call: Call, service: str, method: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client(service, call.region), method)(**arguments)
        except ClientError:
            return None


def arn(call: Call, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
    """Return an ARN in the call's partition, region and account unless told otherwise."""
    where = call.region if region is None else region
    owner = call.account if account is None else account
    return f"arn:{partition_of(call.region)}:{service}:{where}:{owner}:{resource}"
