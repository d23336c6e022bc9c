"""Deleting a cluster's stack: first what goes and what stays, then a person's yes, then the deed, then the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.aws import Aws
from kubecfn.deploy.backups import KEY_WAITING_DAYS, empty_and_delete_bucket, schedule_key_deletion
from kubecfn.deploy.changeset import busy
from kubecfn.deploy.explain import Group
from kubecfn.deploy.explain.parts import grouped
from kubecfn.deploy.explain.plain import some
from kubecfn.deploy.leftovers import find_leftovers
from kubecfn.deploy.progress import Ask, Kind, Question, RealClock, Reporter, Waiting, Work, silent
from kubecfn.deploy.proof import Left, left_over
from kubecfn.deploy.remove import remove
from kubecfn.deploy.stacks import Resource, Stack, read_stack, resources, template_of
from kubecfn.deploy.states import ACTS, Delete, State
from kubecfn.deploy.stopping import between_steps
from kubecfn.deploy.why import tell_why
from kubecfn.deploy.zone import foreign_records
from kubecfn.errors import DeclinedError, StackError

_KEEPING = frozenset({"Retain", "RetainExceptOnCreate", "Snapshot"})
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})


@dataclass(frozen=True)
class DeletionPlan:
    """What a deletion would do.

    Attributes:
        goes: the stack's resources that are deleted, by part.
        also_goes: what the cluster's programs made beside the stack, in words.
        stays: what is kept, and why, in words.
        notes: what is worth knowing: protection that is lifted, waiting that AWS imposes.
    """

    stack: Stack
    goes: tuple[Group, ...]
    also_goes: tuple[str, ...]
    stays: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """It in plain lines."""
        return (
            f"{self.stack.name} ({self.stack.state}) will be deleted:",
            *(f"  {group.part}: {len(group.resources)} ({some(group.resources)})" for group in self.goes),
            *(f"  and {what}" for what in self.also_goes),
            *(["Stays:", *(f"  {what}" for what in self.stays)] if self.stays else []),
            *(f"Note: {note}" for note in self.notes),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "stack": self.stack.to_json(),
            "goes": [{"part": group.part, "resources": list(group.resources)} for group in self.goes],
            "also_goes": list(self.also_goes),
            "stays": list(self.stays),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Deleted:
    """What a deletion left.

    Attributes:
        existed: False when there was no stack.
        left: everything that look-ups still find, meant to stay or not.
    """

    stack: str
    existed: bool
    left: tuple[Left, ...] = ()
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing is left that is not meant to stay."""
        return all(one.meant for one in self.left)

    @property
    def lines(self) -> tuple[str, ...]:
        """It in plain lines."""
        if not self.existed:
            return (f"There is no stack {self.stack}; nothing to delete.",)
        kept = [f"  {one}" for one in self.left if one.meant]
        forgotten = [f"  {one}" for one in self.left if not one.meant]
        return (
            f"{self.stack} is deleted{'' if forgotten else '; nothing else of it was found'}.",
            *(["Kept:", *kept] if kept else []),
            *(["Still there:", *forgotten] if forgotten else []),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        left = [{"what": one.what, "why": one.why, "meant": one.meant} for one in self.left]
        return {"stack": self.stack, "existed": self.existed, "clean": self.clean, "left": left}


def plan_deletion(aws: Aws, stack: str, cluster: str, *, empty_backups: bool = False) -> DeletionPlan:
    """Return what would go and what would stay; nothing is changed.

    Args:
        aws: account and region.
        stack: its name.
        cluster: the cluster's name.
        empty_backups: whether backups and their key go too.
    """
    found = read_stack(aws, stack)
    if not found.id:
        return DeletionPlan(found, (), (), (), ())
    listed = [one for one in resources(aws, found.id) if one.status not in _GONE]
    policies = _deletion_policies(aws, found) if listed else {}
    kept = [one for one in listed if policies.get(one.logical_id) in _KEEPING]
    going = [one for one in listed if one not in kept]
    records = [
        f"{len(foreign)} records in the zone {one.physical_id}"
        for one in listed
        if one.type == "AWS::Route53::HostedZone" and (foreign := foreign_records(aws, one.physical_id, listed))
    ]
    beside = [f"the {leftover}" for leftover in find_leftovers(aws, cluster)]
    emptied = [f"{_named(one)}: {_fate_of_backup(one)}, as asked" for one in kept if empty_backups and _is_backup(one)]
    stays = [f"{_named(one)}: {_why_kept(one)}" for one in kept if not (empty_backups and _is_backup(one))]
    goes = grouped((one.logical_id, one.type) for one in going)
    return DeletionPlan(found, goes, (*records, *beside, *emptied), tuple(stays), tuple(_notes(found, listed)))


def delete(
    aws: Aws,
    stack: str,
    cluster: str,
    *,
    ask: Ask,
    clock: Waiting | None = None,
    report: Reporter = silent,
    empty_backups: bool = False,
    retain_blocked: bool = False,
    come_back: str = "kubecfn delete",
) -> Deleted:
    """Delete a cluster's stack, from whatever state it is in, and prove that nothing is left.

    Args:
        aws: account and region.
        stack: its name.
        cluster: its name, which its own leftovers are tagged with.
        ask: decides.
        clock: what to wait by; None is the wall clock.
        report: is told every step.
        empty_backups: also delete the backups, and schedule their key's deletion.
        retain_blocked: leave in the account what cannot be deleted, instead of failing.
        come_back: the command that picks it up again, told after Ctrl-C.

    Raises:
        DeclinedError: a person said no; nothing was changed.
        StackError: another operation runs, or something blocks.
        DetachedError: Ctrl-C while watching; the deletion goes on.
        AwsError: AWS refuses.
    """
    work = Work(clock or RealClock(), report, come_back)
    with between_steps(work):
        return _delete(aws, stack, cluster, ask, work, empty_backups=empty_backups, retain_blocked=retain_blocked)


def _delete(
    aws: Aws, stack: str, cluster: str, ask: Ask, work: Work, *, empty_backups: bool, retain_blocked: bool
) -> Deleted:
    started = work.clock.monotonic()
    found = read_stack(aws, stack)
    acts = ACTS[found.state]
    if acts.delete is Delete.NOTHING:
        return Deleted(stack, existed=False)
    if acts.delete is Delete.REFUSE:
        raise busy(aws, stack)
    backups = _backups(aws, found)
    if acts.delete is not Delete.FOLLOW:
        plan = plan_deletion(aws, stack, cluster, empty_backups=empty_backups)
        if not ask(Question("delete", f"Delete the stack {stack}?", plan.lines)):
            raise DeclinedError(f"Declined; nothing was changed in {stack}.")
    ended = remove(aws, found, cluster, work, retain_blocked=retain_blocked)
    if ended.state is not State.DELETE_COMPLETE:
        raise _blocked(aws, ended, cluster)
    if empty_backups:
        _empty(aws, backups, work)
    work.tell(Kind.STEP, "Looking for anything that is left")
    gone = {one.physical_id for one in backups} if empty_backups else set()
    left = left_over(aws, found.id, cluster, (one for one in resources(aws, found.id) if one.physical_id not in gone))
    return Deleted(stack, existed=True, left=left, seconds=work.clock.monotonic() - started)


def _empty(aws: Aws, backups: list[Resource], work: Work) -> None:
    for one in sorted(backups, key=lambda backup: backup.type, reverse=True):
        if one.type == "AWS::S3::Bucket":
            count = empty_and_delete_bucket(aws, one.physical_id)
            work.tell(Kind.STEP, f"The bucket {one.physical_id} is deleted with {count} object versions")
        elif one.type == "AWS::KMS::Key":
            schedule_key_deletion(aws, one.physical_id)
            work.tell(Kind.STEP, f"The key {one.physical_id} goes in {KEY_WAITING_DAYS} days, unless cancelled")


def _backups(aws: Aws, stack: Stack) -> list[Resource]:
    return [one for one in resources(aws, stack.id) if _is_backup(one)]


def _is_backup(resource: Resource) -> bool:
    return resource.logical_id in {"BackupBucket", "BackupBucketPolicy", "ClusterKey"} and bool(resource.physical_id)


def _deletion_policies(aws: Aws, stack: Stack) -> Mapping[str, str]:
    """Return each resource's policy; what a failed first creation made is not kept by RetainExceptOnCreate."""
    present: Mapping[str, Any] = template_of(aws, stack.id).get("Resources") or {}
    never_stood = stack.state in {State.CREATE_FAILED, State.CREATE_IN_PROGRESS, State.ROLLBACK_FAILED}
    policies = {name: str(one.get("DeletionPolicy", "Delete")) for name, one in present.items()}
    return {
        name: "Delete" if never_stood and policy == "RetainExceptOnCreate" else policy
        for name, policy in policies.items()
    }


def _notes(stack: Stack, listed: list[Resource]) -> list[str]:
    notes = [ACTS[stack.state].means]
    if stack.protected:
        notes.append("termination protection is on and will be lifted.")
    if any(one.type == "AWS::Lambda::Function" for one in listed):
        notes.append("functions inside a VPC leave network interfaces that AWS removes within 40 minutes.")
    return notes


def _named(resource: Resource) -> str:
    return f"{resource.logical_id} {resource.physical_id}"


def _fate_of_backup(resource: Resource) -> str:
    if resource.type == "AWS::KMS::Key":
        return f"goes {KEY_WAITING_DAYS} days later, unless cancelled"
    return "emptied and deleted" if resource.type == "AWS::S3::Bucket" else "goes with its bucket"


def _why_kept(resource: Resource) -> str:
    reasons = {
        "AWS::S3::Bucket": "the backups in it (--backups deletes them)",
        "AWS::KMS::Key": "without it the backups cannot be read",
    }
    return reasons.get(resource.type, "kept by its DeletionPolicy")


def _blocked(aws: Aws, stack: Stack, cluster: str) -> StackError:
    names = [one.logical_id for one in resources(aws, stack.id) if one.status == "DELETE_FAILED"]
    return StackError(
        f"{stack.name} could not be deleted: {', '.join(names) or stack.reason} would not go.\n"
        f"{tell_why(aws, stack.id, cluster, stack.reason).text()}",
        remedy="Remove what holds them and repeat; or leave them in the account with --skip-blocked.",
    )
