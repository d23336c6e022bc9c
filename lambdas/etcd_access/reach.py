"""Whom a function may ask about etcd, made once per execution environment."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.config import Config

from kubecfn.etcd import store
from kubecfn.etcd.client import Client
from kubecfn.etcd.look import Look
from kubecfn.etcd.places import Fleet, Group
from kubecfn.etcd.store import Store
from kubecfn.etcd.view import Heard, Machine

from .certificate import RENEW, CertificateError, load

# Whoever changes members, or keeps one from serving, holds it: two at once could each take one too many.
LEASE = "members"
# Six tries within seconds: the schedule comes again, and a hook must not wait for one call alone.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=5, read_timeout=20)
# Another function is asked once: it has a schedule of its own, and a repeated call would use up this one's time.
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20)


class Where(Protocol):
    """The settings that every function which reaches etcd has."""

    @property
    def group(self) -> str:
        """Name of the controllers' auto scaling group."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""

    @property
    def bucket(self) -> str:
        """Of snapshots and of the cluster object."""

    @property
    def artifact_bucket(self) -> str:
        """Where the certificate lies."""

    @property
    def etcd_client_key(self) -> str:
        """Its key there."""


@dataclass(frozen=True)
class Reach:
    """The group, the bucket, and etcd behind its certificate."""

    fleet: Fleet
    store: Store
    s3: Any
    tls: ssl.SSLContext

    def ask(self, address: str) -> Client:
        """Return the member at an address."""
        return Client(address, self.tls)

    def forgotten(self, group: Group | None = None) -> dict[str, Machine]:
        """Return what became of the instances that the cluster object names; `Group.remembering` takes them.

        Args:
            group: as it was seen a moment ago; asked for when left out.
        """
        stored = self.store.read()
        if stored is None:
            return {}
        since = {one: store.moment(text) for one, text in stored.instances.items()}
        return self.fleet.machines(since, store.now(), group)

    def addresses(self, group: Group) -> dict[str, str]:
        """Return where instances were that are terminated now, by their own words; `Group.remembering` takes them."""
        words = {one: word for one, word in self.store.words().items() if word.get("address")}
        since = {one: store.moment(word["at"]) for one, word in words.items()}
        machines = self.fleet.machines(since, store.now(), group)
        return {one: words[one]["address"] for one, machine in machines.items() if machine is Machine.TERMINATED}


def must_trust(found: Look) -> None:
    """Refuse to go on when nobody answers because of certificates: that is no silence, and waiting will not help.

    Raises:
        CertificateError: with the words about one of those who were asked.
    """
    refused = [words for words in found.failures.values() if "certificate" in words]
    if refused and found.heard in (Heard.NOBODY, Heard.NOT_ASKED):
        raise CertificateError(f"{refused[0]}; {RENEW}")


@cache
def client(service: str) -> Any:
    """Return a boto3 client; made once per execution environment, since making one costs more than a call."""
    return boto3.client(service, config=_ONCE if service == "lambda" else _PATIENT)


@cache  # made of what never changes while an environment lives: clients, and a certificate named by its hash
def reach(settings: Where) -> Reach:
    """Return how to reach a cluster's etcd.

    Raises:
        CertificateError: its client certificate cannot be used.
        ClientError: AWS refused.
    """
    s3 = client("s3")
    fleet = Fleet(client("autoscaling"), client("ec2"), settings.group)
    tls = load(s3, settings.artifact_bucket, settings.etcd_client_key)
    return Reach(fleet, Store(s3, settings.bucket, settings.cluster), s3, tls)
