"""Which snapshot is restored: the newest that is whole, this cluster's, and read by etcd's own tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Optional

from agent.steps import StepFailed

from kubecfn.etcd.journal import say
from kubecfn.etcd.store import Stored, StoreError

from .seams import Hands, Store


@dataclass(frozen=True)
class Chosen:
    """A snapshot that was brought here and verified."""

    key: str
    path: Path


def choose(store: Store, hands: Hands, stored: Optional[Stored], folder: Path) -> Optional[Chosen]:
    """Bring the snapshot to restore; None when none is any good.

    A person's choice is that one or none. Otherwise the newest comes first, and the next older when it is damaged.

    Raises:
        ClientError: S3 refused; that is not "damaged".
        BotoCoreError: S3 did not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "restored.db"
    for key in _candidates(store, stored):
        try:
            about = store.fetch(key, target)
            revision, _ = hands.verify(target)
        except (StoreError, StepFailed) as error:
            say("snapshot-refused", f"{error}; the next older one is tried", key=key)
            continue
        say("snapshot-chosen", "it is whole and etcdutl reads it", key=key, revision=revision, size=about["size"])
        return Chosen(key, target)
    return None


def _candidates(store: Store, stored: Optional[Stored]) -> Iterable[str]:
    begun = stored.snapshot if stored and stored.established < stored.epoch else ""
    if begun and stored and stored.ordered:
        return [begun]
    keys: List[str] = [one.key for one in store.snapshots()]
    return [begun, *(key for key in keys if key != begun)] if begun else keys
