"""AutoScalingRollingUpdate: replace a group's obsolete instances batch by batch, each batch waiting for its signals.

AWS: Template Reference "UpdatePolicy attribute" (AutoScalingRollingUpdate, AutoScalingScheduledAction); User Guide "Perform
rolling updates with Amazon EC2 Auto Scaling". CloudFormation asks Auto Scaling to terminate and goes on: it does not wait for
terminating lifecycle hooks. When a batch needs more room than MinInstancesInService leaves, capacity is raised for the time of
the roll as far as MaxSize allows, so that instances are added before others are removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.cloudformation import durations
from kubecfn.local.cloudformation.creation import needed, unsatisfied
from kubecfn.local.cloudformation.obsolete import obsolete_instances
from kubecfn.local.cloudformation.refusals import OperationFailedError
from kubecfn.local.cloudformation.schemas import Path, changed_paths
from kubecfn.local.cloudformation.signals import Mailbox
from kubecfn.local.cloudformation.stacks import Resource
from kubecfn.local.providers.seam import Context, Made, Properties, Provider, UnsupportedError

# "The rolling update policy applies only when you ..." change one of these (UpdatePolicy attribute).
TRIGGERS = frozenset({"LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier"})
LONGEST = 3600  # "the maximum value for PauseTime is one hour"
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")

Note = Callable[[str], object]
# Logical id -> (MinSize, DesiredCapacity) a group had before a roll raised it and failed.
Raised = MutableMapping[str, tuple[int, int]]


@dataclass(frozen=True)
class RollingUpdate:
    """The policy, read and checked.

    Attributes:
        pause: PauseTime as written, for events.
        seconds: the same as a number.
    """

    batch: int = 1
    keep: int = 0
    percent: float = 100
    pause: str = "PT0S"
    seconds: int = 0
    signals: bool = False
    suspend: tuple[str, ...] = ()

    @classmethod
    def of(cls, policy: Mapping[str, Any]) -> RollingUpdate:
        """Read ``AutoScalingRollingUpdate``; PauseTime defaults to five minutes when signals are awaited.

        Raises:
            OperationFailedError: for values CloudFormation would refuse.
            UnsupportedError: for members that are not emulated.
        """
        known = {
            "MaxBatchSize", "MinInstancesInService", "MinSuccessfulInstancesPercent", "PauseTime", "SuspendProcesses",
            "WaitOnResourceSignals",
        }  # fmt: skip
        if unknown := sorted(set(policy) - known):
            raise UnsupportedError(f"not emulated: AutoScalingRollingUpdate.{unknown[0]}")
        signals = _true(policy.get("WaitOnResourceSignals", False))
        pause = str(policy.get("PauseTime", "PT5M" if signals else "PT0S"))
        try:
            length = durations.seconds(pause)
        except ValueError as problem:
            raise OperationFailedError(f"Invalid PauseTime: {problem}") from problem
        if length > LONGEST:
            raise OperationFailedError(f"PauseTime {pause} is longer than PT1H")
        return cls(
            batch=max(1, int(policy.get("MaxBatchSize", 1))),
            keep=int(policy.get("MinInstancesInService", 0)),
            percent=float(policy.get("MinSuccessfulInstancesPercent", 100)),
            pause=pause,
            seconds=length,
            signals=signals,
            suspend=tuple(policy.get("SuspendProcesses", ())),
        )


@dataclass(frozen=True)
class GroupUpdate:
    """The update of one group in place.

    Attributes:
        live: the group as it is.
        wanted: the group as it is to be.
        box: collects the signals of this update.
        note: writes an UPDATE_IN_PROGRESS event.
        raised: what failed rolls of this stack have left raised.
    """

    provider: Provider
    context: Context
    live: Resource
    wanted: Resource
    box: Mailbox
    note: Note
    raised: Raised

    def run(self, policy: Mapping[str, Any]) -> Made:
        """Change the group and, when its policy says so, roll its instances.

        Args:
            policy: the resolved UpdatePolicy of the template the group is brought to: in a rollback that is the old one.

        Raises:
            OperationFailedError: too few instances succeeded.
            UnsupportedError: the policy asks for what is not emulated.
        """
        paths = changed_paths(self.live.properties, self.wanted.properties)
        changed = {str(path[0]) for path in paths}
        if _true(policy.get("AutoScalingReplacingUpdate", {}).get("WillReplace", False)) and changed & TRIGGERS:
            raise UnsupportedError("not emulated: AutoScalingReplacingUpdate with WillReplace")
        group = group_named(self.context.client("autoscaling"), self.live.physical_id)
        ignore = _true(policy.get("AutoScalingScheduledAction", {}).get("IgnoreUnmodifiedGroupSizeProperties", False))
        raised = self.raised.get(self.live.logical_id)
        sizes = Sizes.wanted(group, raised, self.wanted.properties, changed, ignore=ignore)
        rolling = policy.get("AutoScalingRollingUpdate")
        if rolling is not None:
            return self._roll(group, sizes, RollingUpdate.of(rolling), everything=any(map(_touches_all, paths)))
        self.raised.pop(self.live.logical_id, None)
        return self._settle(sizes.over(self.wanted.properties))

    def _roll(self, group: Mapping[str, Any], sizes: Sizes, rules: RollingUpdate, *, everything: bool) -> Made:
        api, name = self.context.client("autoscaling"), self.live.physical_id
        suspended = _suspend(api, group, rules.suspend)
        try:
            present = group if self.live.logical_id in self.raised else None
            made = self._settle(sizes.over(self.wanted.properties, present))
            group = group_named(api, name)
            # Who was there before, e.g. launched by a rebalancing or by the update that is rolled back, answers for itself.
            self.box.ignore(instance["InstanceId"] for instance in group["Instances"])
            obsolete = obsolete_instances(self.context, group, everything=everything)
            Roll(api, group, rules, sizes, self.box, self.note, self.live.logical_id, self.raised).run(obsolete)
        finally:
            if suspended:
                api.resume_processes(AutoScalingGroupName=name, ScalingProcesses=suspended)
        return made

    def _settle(self, properties: Properties) -> Made:
        return self.provider.update(self.context, self.live.physical_id, self.live.properties, properties)


def group_named(api: Any, name: str) -> dict[str, Any]:
    """Return the group as Auto Scaling describes it.

    Raises:
        OperationFailedError: somebody deleted it.
    """
    groups: list[dict[str, Any]] = api.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    if not groups:
        raise OperationFailedError(f"AutoScalingGroup {name} does not exist")
    return groups[0]


def _touches_all(path: Path) -> bool:
    """Whether a change makes every instance obsolete; of a launch template's version the instances themselves know."""
    specification = ("MixedInstancesPolicy", "LaunchTemplate", "LaunchTemplateSpecification")
    return path[0] in {"VPCZoneIdentifier", "MixedInstancesPolicy"} and path[:3] != specification


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _suspend(api: Any, group: Mapping[str, Any], processes: tuple[str, ...]) -> list[str]:
    """Suspend what is not suspended yet and return it: only that is resumed afterwards."""
    already = {process["ProcessName"] for process in group.get("SuspendedProcesses", [])}
    fresh = [process for process in processes if process not in already]
    if fresh:
        api.suspend_processes(AutoScalingGroupName=group["AutoScalingGroupName"], ScalingProcesses=fresh)
    return fresh


@dataclass(frozen=True)
class Sizes:
    """What the group's sizes shall be once the update is over."""

    least: int
    most: int
    desired: int

    @classmethod
    def wanted(
        cls,
        group: Mapping[str, Any],
        raised: tuple[int, int] | None,
        properties: Properties,
        changed: set[str],
        *,
        ignore: bool,
    ) -> Sizes:
        """Take each size from the template, or from the group when the template does not say or is to be ignored.

        IgnoreUnmodifiedGroupSizeProperties keeps what scheduled actions or scaling made of a size the template left alone.
        """
        least, desired = raised or (int(group["MinSize"]), int(group["DesiredCapacity"]))
        present = {"MinSize": least, "MaxSize": int(group["MaxSize"]), "DesiredCapacity": desired}
        sizes = {
            name: int(properties[name]) if name in properties and (name in changed or not ignore) else present[name]
            for name in SIZES
        }
        low, high = sizes["MinSize"], sizes["MaxSize"]
        return cls(low, high, min(max(sizes["DesiredCapacity"], low), high))

    def over(self, properties: Properties, present: Mapping[str, Any] | None = None) -> Properties:
        """Return the properties with these sizes; with `present`, a raised group stays raised until its roll ends."""
        shown = properties | {"MinSize": self.least, "MaxSize": self.most}
        if "DesiredCapacity" in properties:
            shown["DesiredCapacity"] = self.desired
        if present is not None:
            shown |= {name: int(present[name]) for name in ("MinSize", "DesiredCapacity")}
        return shown


@dataclass
class Roll:
    """One roll under way."""

    api: Any
    group: Mapping[str, Any]
    rules: RollingUpdate
    sizes: Sizes
    box: Mailbox
    note: Note
    logical_id: str
    raised: Raised
    total: int = 0
    expected: int = 0
    lost: int = 0
    capacity: int = field(init=False)

    def __post_init__(self) -> None:
        self.capacity = int(self.group["DesiredCapacity"])

    def run(self, obsolete: list[str]) -> None:
        """Replace the obsolete instances; sizes are as the template wants them afterwards.

        Raises:
            OperationFailedError: too few instances succeeded; the group stays as it is for the rollback.
        """
        if obsolete:
            if self.rules.keep >= self.sizes.most:
                raise OperationFailedError("MinInstancesInService must be less than the autoscaling group's MaxSize")
            self._announce(obsolete)
            self._replace(obsolete)
        if obsolete or self.logical_id in self.raised:
            self._resize(self.sizes.least, self.sizes.desired)
            self.raised.pop(self.logical_id, None)

    def _announce(self, obsolete: list[str]) -> None:
        wait = (
            f" Waiting on resource signals with a timeout of {self.rules.pause} when new instances are added to the autoscaling group."
            if self.rules.signals
            else ""
        )
        self.note(
            f"Rolling update initiated. Terminating {len(obsolete)} obsolete instance(s) in batches of "
            f"{min(self.rules.batch, len(obsolete))}, while keeping at least {self.rules.keep} instance(s) in service.{wait}"
        )

    def _replace(self, obsolete: list[str]) -> None:
        alive = max(self.capacity, len(obsolete))
        self.total = max(0, self.sizes.desired - (alive - len(obsolete)))
        batch = min(self.rules.batch, len(obsolete))
        room = max(0, self.sizes.most - alive)
        extra = min(max(0, self.rules.keep + batch - alive), room, self.total)
        # What keeps a roll from starving: a batch is never larger than what may be out of service.
        batch = max(1, min(batch, alive + extra - self.rules.keep))
        if alive + extra != int(self.group["MinSize"]) or extra:
            self.raised.setdefault(self.logical_id, (self.sizes.least, self.sizes.desired))
            self.note(f"Temporarily setting autoscaling group MinSize and DesiredCapacity to {alive + extra}.")
            self._resize(alive + extra, alive + extra)
        self._await_new(extra)
        made = extra
        for start in range(0, len(obsolete), batch):
            gone = obsolete[start : start + batch]
            fresh = min(len(gone), self.total - made)
            made += fresh
            self._terminate(gone, fresh)
            progress = round(100 * (start + len(gone)) / len(obsolete))
            self.note(f"Successfully terminated instance(s) [{','.join(gone)}] (Progress {progress}%).")
            self._await_new(fresh)

    def _terminate(self, gone: list[str], fresh: int) -> None:
        self.note(f"Terminating instance(s) [{','.join(gone)}]; replacing with {fresh} new instance(s).")
        if fresh < len(gone):
            self.api.update_auto_scaling_group(
                AutoScalingGroupName=self.group["AutoScalingGroupName"],
                MinSize=min(self.sizes.least, self.capacity - len(gone) + fresh),
            )
        for position, instance in enumerate(gone):
            shrink = position >= fresh
            try:
                self.api.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance, ShouldDecrementDesiredCapacity=shrink
                )
            except ClientError as problem:
                if problem.response["Error"]["Code"] != "ValidationError":
                    raise  # an instance that is already gone needs no termination; anything else is a failure
            self.capacity -= int(shrink)

    def _await_new(self, count: int) -> None:
        """Wait for as many signals as instances were added, or pause."""
        if count == 0:
            return
        if not self.rules.signals:
            self.box.wait(lambda _counts: False, self.rules.seconds)
            return
        self.expected += count
        self.note(
            f"New instance(s) added to autoscaling group - Waiting on {count} resource signal(s) with a timeout of {self.rules.pause}."
        )
        allowed = self.total - needed(self.total, self.rules.percent)

        def decided(counts: Counter[str]) -> bool:
            return counts.total() + self.lost >= self.expected or counts["FAILURE"] + self.lost > allowed

        in_time = self.box.wait(decided, self.rules.seconds)
        counts = self.box.counts()
        if not in_time:
            missing = self.expected - counts.total() - self.lost
            self.lost += missing
            self.note(
                f"Failed to receive {missing} resource signal(s) for the current batch.  "
                "Each resource signal timeout is counted as a FAILURE."
            )
        if counts["FAILURE"] + self.lost > allowed:
            kind = "FAILURE" if counts["FAILURE"] else "SUCCESS"
            raise OperationFailedError(unsatisfied(kind, counts[kind], self.total, self.rules.percent))

    def _resize(self, least: int, desired: int) -> None:
        self.capacity = desired
        self.api.update_auto_scaling_group(
            AutoScalingGroupName=self.group["AutoScalingGroupName"],
            MinSize=least,
            MaxSize=self.sizes.most,
            DesiredCapacity=desired,
        )
