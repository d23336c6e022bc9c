"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        group: name of the controllers' auto scaling group.
        cluster: the cluster's name.
        bucket: of snapshots and of the cluster object.
        artifact_bucket: where the certificate for etcd lies.
        etcd_client_key: its key there.
        backup_every: seconds between backups.
    """

    group: str
    cluster: str
    bucket: str
    artifact_bucket: str
    etcd_client_key: str
    backup_every: int
