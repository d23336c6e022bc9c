"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        group: name of the controllers' auto scaling group.
        hook: name of its terminating lifecycle hook.
        stack: name or id of the cluster's stack.
        cluster: the cluster's name.
        bucket: of snapshots and of the cluster object.
        artifact_bucket: where the certificate for etcd lies.
        etcd_client_key: its key there.
        discovery: the function that keeps the zone's records; invoked when a member has gone.
        backup_every: seconds between backups.
        budget: seconds after which a hook that is not safe to continue is abandoned.
    """

    group: str
    hook: str
    stack: str
    cluster: str
    bucket: str
    artifact_bucket: str
    etcd_client_key: str
    discovery: str
    backup_every: int
    budget: int
