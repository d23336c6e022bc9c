"""Each kind of damage to a snapshot, by its bytes alone."""

import hashlib

import care_cluster as etcd
import pytest

from kubecfn.care.proof import Claims, Sums, damage, foreign, unproven

WHOLE = etcd.snapshot_bytes(8)
ABOUT = {"cluster": "ledger", "revision": "7", "epoch": "1", "sha256": hashlib.sha256(WHOLE).hexdigest()}


def claims(metadata=ABOUT, size=4128):
    return Claims("snapshots/x.db", size, 1, 7, metadata)


def sums(data, piece=100):
    found = Sums()
    for start in range(0, len(data), piece):
        found.add(data[start : start + piece])
    return found


def told(data):
    """Claims that agree with these bytes."""
    return claims({**ABOUT, "sha256": hashlib.sha256(data).hexdigest()}, len(data))


@pytest.mark.parametrize("piece", [1, 31, 32, 33, 512, 1 << 20])
def test_a_whole_snapshot_is_recognised_however_it_comes(piece):
    """The hash at the end is that of all bytes but the last 32, whatever the pieces are."""
    found = sums(WHOLE, piece)

    assert (found.length, found.sha256) == (len(WHOLE), ABOUT["sha256"])
    assert found.has_trailer
    assert found.trailer_agrees
    assert damage(claims(), found) == ""


@pytest.mark.parametrize(
    ("about", "data", "says"),
    [
        (claims(), WHOLE[:-1], "of which 4,127 came"),
        (claims(), b"\x08" + WHOLE[1:], "was changed after it was taken"),
        (told(WHOLE[:-512]), WHOLE[:-512], "damaged before it was uploaded"),
        (told(WHOLE[:-32]), WHOLE[:-32], "was cut off, or is no snapshot"),
        (told(WHOLE[:-5]), WHOLE[:-5], "was cut off, or is no snapshot"),
        (told(b""), b"", "was cut off, or is no snapshot"),
        (told(WHOLE[-32:]), WHOLE[-32:], "was cut off, or is no snapshot"),
        (told(b"\x08" + WHOLE[1:]), b"\x08" + WHOLE[1:], "damaged before it was uploaded"),
    ],
)
def test_each_kind_of_damage_has_its_sentence(about, data, says):
    """Cut while it came, changed in the bucket, cut before, damaged before: each is told apart."""
    assert says in damage(about, sums(data))


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "does not say its cluster and sha256 and revision"),
        ({**ABOUT, "sha256": ""}, "does not say its sha256"),
        ({**ABOUT, "revision": "8"}, "its metadata says revision 8, its key 7"),
        ({**ABOUT, "epoch": "2"}, "its metadata says epoch 2, its key 1"),
        (ABOUT, ""),
    ],
)
def test_what_cannot_be_checked_is_not_believed(metadata, says):
    """Without the agent's own words, or with words of another key, bytes prove nothing."""
    assert says in unproven(claims(metadata))
    assert bool(says) == bool(unproven(claims(metadata)))


def test_a_snapshot_of_another_cluster_is_told_by_both_names():
    """Two clusters that share a bucket, or a copied object: never restored."""
    other = claims({**ABOUT, "cluster": "payments"})

    assert foreign(other, "ledger") == "snapshots/x.db is a snapshot of the cluster payments, not of ledger."
    assert foreign(claims(), "ledger") == ""
