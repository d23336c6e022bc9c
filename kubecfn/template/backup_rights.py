"""Who may do what in the backup bucket, prefix by prefix, and with the keys behind it through S3 alone."""

from __future__ import annotations

from collections.abc import Sequence

from awacs import kms as may_kms
from awacs import s3 as may_s3
from awacs.aws import Action, Allow, Condition, Statement, StringEquals
from troposphere import GetAtt, Ref, Sub

from kubecfn.template.storage import Storage


def backup_rights(
    storage: Storage, *, read: Sequence[str], write: Sequence[str], also_decrypt: Ref, delete: Sequence[str] = ()
) -> list[Statement]:
    """Return the rights to read, write and delete below prefixes of the backup bucket, and to see what is there.

    Args:
        storage: bucket and key.
        read: prefixes, each with its last slash.
        write: the same.
        also_decrypt: another key whose objects are read: the artifacts'.
        delete: the same as `read`; the bucket keeps what was deleted for a while.
    """
    return [
        _objects("ReadBackups", may_s3.GetObject, read),
        _objects("WriteBackups", may_s3.PutObject, write),
        *([_objects("DeleteLeftovers", may_s3.DeleteObject, delete)] if delete else []),
        # The whole bucket, since only who may list it is told "there is none" (404) instead of "no" (403): Amazon S3 API
        # Reference, GetObject, "Permissions". All that is in it is this cluster's.
        Statement(
            Sid="ListBackups", Effect=Allow, Action=[may_s3.ListBucket], Resource=[GetAtt("BackupBucket", "Arn")]
        ),
        through_s3("DecryptThroughS3", may_kms.Decrypt, [also_decrypt, storage.key_arn]),
        through_s3("EncryptThroughS3", may_kms.GenerateDataKey, [storage.key_arn]),
    ]


def through_s3(sid: str, action: Action, keys: Sequence[Ref | GetAtt]) -> Statement:
    """Return the right to use keys for what S3 stores and reads, and for nothing else."""
    by_s3 = StringEquals({"kms:ViaService": Sub("s3.${AWS::Region}.${AWS::URLSuffix}")})
    return Statement(Sid=sid, Effect=Allow, Action=[action], Resource=list(keys), Condition=Condition(by_s3))


def _objects(sid: str, action: Action, prefixes: Sequence[str]) -> Statement:
    below = [Sub(f"${{BackupBucket.Arn}}/{prefix}*") for prefix in prefixes]
    return Statement(Sid=sid, Effect=Allow, Action=[action], Resource=below)
