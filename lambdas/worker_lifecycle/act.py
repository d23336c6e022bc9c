"""Everything this function does about one worker, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from hooks.leaving import Answer, Verdict

from kubecfn.kubernetes.client import KubernetesError

from .decision import Do, Sight, Step, decide, told
from .drain import Pod
from .nodes import Nodes
from .report import Report

# So long nobody wonders about a disruption budget: pods elsewhere are only just becoming ready.
QUIET = 60.0


@dataclass
class Hands:
    """Looks at a worker, decides, does it.

    Attributes:
        nodes: the cluster's.
        report: tells people.
        forgets: deletes the object of a node that is drained; not before its hook, which may find other pods there.
    """

    nodes: Nodes
    report: Report
    forgets: bool = True

    def settle(self, instance: str) -> Verdict:
        """Return what a worker's hook is to be told, when everything is done about it that can be done now."""
        sight = self.nodes.see(instance)
        try:
            return self.do(decide(sight), sight)
        except KubernetesError as error:
            # It answered a moment ago; what it did not do now is done at the next look, or the budget ends.
            broken = replace(sight, silence=error.message)
            return self.do(decide(broken), broken)

    def do(self, step: Step, sight: Sight) -> Verdict:
        """Do a step and return what it means for the worker's hook.

        Raises:
            KubernetesError: there was no answer in the middle of it; look again.
        """
        match step.do:
            case Do.LET_GO:
                return self._let_go(step, sight, step.reason)
            case Do.FORGET:
                if self.forgets:
                    self._forget(sight.instance)
                return self._let_go(step, sight, f"{sight.instance} is drained: {step.reason}")
            case Do.WAIT:
                return self._wait(sight, step.reason, quiet=sight.seconds < QUIET)
            case Do.EVICT:
                refused = self._evict(step, sight)
                if not refused:
                    return self._wait(sight, step.reason, quiet=True)
                kept = [pod for pod in step.plan.evict if str(pod) in refused]
                return self._wait(sight, f"it waits for {told(kept, refused)}", quiet=sight.seconds < QUIET)
            case Do.GIVE_UP:
                refused = self._evict(step, sight)
                left = [pod for pod in sight.pods if not pod.stays]
                return self._let_go(step, sight, f"{step.reason} {told(left, refused)}")
        assert_never(step.do)

    def _forget(self, instance: str) -> None:
        """Delete the node's object; the cloud controller manager does it, too, when the instance is gone."""
        try:
            self.nodes.forget(instance)
        except KubernetesError as error:
            if not error.status:
                raise
            self.report.note(instance, "not-forgotten", error.message)

    def _evict(self, step: Step, sight: Sight) -> dict[str, str]:
        """Ask pods to leave; return why some were not let go."""
        refused = {}
        for pod in step.plan.evict:
            why = self.nodes.evict(pod)
            if why:
                refused[str(pod)] = why
        self._tell_who_is_lost([pod for pod in step.plan.evict if str(pod) not in refused and not pod.managed], sight)
        return refused

    def _tell_who_is_lost(self, pods: list[Pod], sight: Sight) -> None:
        if pods:
            names = ", ".join(map(str, pods))
            words = f"nothing makes these pods again, and they ended with their node: {names}"
            self.report.note(sight.instance, "unmanaged", words)
            self.report.cry(sight.instance, words)

    def _wait(self, sight: Sight, reason: str, *, quiet: bool) -> Verdict:
        self.report.note(sight.instance, Answer.WAIT.value, reason)
        if not quiet:
            self.report.cry(sight.instance, reason)
        return Verdict(Answer.WAIT, reason)

    def _let_go(self, step: Step, sight: Sight, reason: str) -> Verdict:
        self.report.note(sight.instance, step.do.value, reason)
        if step.loud:
            self.report.cry(sight.instance, reason)
        self.nodes.first.pop(sight.instance, None)
        return Verdict(Answer.CONTINUE, reason)
