"""Everything this function changes: membership, leadership, hooks, instances, a request for a backup."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from etcd_access.reach import Reach, client
from hooks.aws import Aws
from hooks.leaving import Answer, Leaving

from kubecfn.etcd.journal import say

from .facts import Do, Step
from .see import Seen
from .settings import Settings


class NotDoneError(Exception):
    """A change was asked for and is not to be seen."""


class AbandonedError(Exception):
    """A controller could not leave safely in time. The group keeps it; a person should look."""


@dataclass
class Hands:
    """Does one step at a time; `asked` and `beating` are whom this run has asked a backup for or kept alive already."""

    aws: Aws
    reach: Reach
    settings: Settings
    asked: set[str] = field(default_factory=set)
    beating: set[str] = field(default_factory=set)

    def do(self, step: Step, seen: Seen) -> bool:
        """Do what a step says; return whether anything is changed by it.

        Raises:
            EtcdError: etcd refused or did not answer; look again before another try.
            NotDoneError: it answered, but the member list says otherwise.
            AbandonedError: after a hook was abandoned.
            ClientError: AWS refused.
        """
        if step.do is Do.MOVE:
            self.reach.ask(seen.address(step.instance)).move_leader(step.target)
        elif step.do is Do.REMOVE:
            self._remove(step, seen)
        elif step.do is Do.TERMINATE:
            self.aws.terminate_retained(step.instance)
        elif step.do is Do.CONTINUE:
            self._tell_discovery(step.instance)
            self._answer(step, Answer.CONTINUE)
        elif step.do is Do.ABANDON:
            self._answer(step, Answer.ABANDON)
            raise AbandonedError(f"{step.instance} was not let go: {step.reason}")
        else:
            self._keep_waiting(step, seen)
            return False
        return True

    def _remove(self, step: Step, seen: Seen) -> None:
        """Remove a member by asking another, and see that it is gone from the list that a quorum knows."""
        address = seen.other_than(step.member)
        if not address:
            raise NotDoneError(f"nobody other than {step.instance} has an address to ask for its removal")
        other = self.reach.ask(address)
        other.remove(step.member)
        if step.member in [one.id for one in other.members()]:
            raise NotDoneError(f"{address} accepted the removal of {step.instance} and still lists it")

    def _answer(self, step: Step, answer: Answer) -> None:
        if not self.aws.answer(Leaving(step.instance, self.settings.group), self.settings.hook, answer):
            say("late", "the hook was answered or ran out before", instance=step.instance)

    def _keep_waiting(self, step: Step, seen: Seen) -> None:
        if step.do is Do.BACKUP and step.instance not in self.asked:
            self.asked.add(step.instance)
            self.reach.store.request_backup(uuid.uuid4().hex, f"controller_lifecycle for {step.instance}")
        waits = [one.instance for one in seen.facts.leavers if not one.retained]
        if step.instance in waits and step.instance not in self.beating:
            self.beating.add(step.instance)
            self.aws.heartbeat(Leaving(step.instance, self.settings.group), self.settings.hook)

    def _tell_discovery(self, instance: str) -> None:
        """Take the instance out of the zone before it goes; if that fails, discovery's own schedule does it."""
        try:
            payload = json.dumps({"gone": instance})
            answer = client("lambda").invoke(FunctionName=self.settings.discovery, Payload=payload)
        except Exception as error:  # noqa: BLE001  whatever it is, the member has left and the hook must not wait for DNS
            say("discovery-failed", f"{self.settings.discovery} could not be invoked: {error}", instance=instance)
            return
        if answer.get("FunctionError"):
            words = answer["Payload"].read().decode(errors="replace")
            say("discovery-failed", f"{self.settings.discovery} failed: {words}", instance=instance)
