"""What updates may never do to a cluster's stack: replace or delete what holds its members, names, keys or backups.

Source: CloudFormation User Guide, "Prevent updates to stack resources". A stack policy binds updates only, never
DeleteStack; deletion is held back by termination protection, which `delete` alone lifts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

GUARDED = ("Controllers", "Zone", "ClusterKey", "BackupBucket")


def stack_policy(resources: Iterable[str]) -> dict[str, Any]:
    """Return the policy for a stack.

    Args:
        resources: logical ids in the template; CloudFormation accepts only resources that exist.
    """
    present = set(resources)
    guarded = [f"LogicalResourceId/{name}" for name in GUARDED if name in present]
    allow = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    deny = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        "Principal": "*",
        "Resource": guarded,
    }
    return {"Statement": [allow, deny] if guarded else [allow]}
