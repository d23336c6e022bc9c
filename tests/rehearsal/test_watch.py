"""Every instance's phase is judged from the group, the member list and who answers."""

from __future__ import annotations

import pytest

from kubecfn.etcd.client import Status
from kubecfn.etcd.look import Look
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.view import Cluster, Heard, Machine, Member
from kubecfn.rehearsal.record import Phase, Recorder
from kubecfn.rehearsal.watch import Watcher, phases

STATUS = Status("1", "c", "1", "3.6.16", 1, 1, 1, 1, 1, learner=False)


def seen(machine: Machine, member: Member | None, *, answers: bool, others: bool = True) -> tuple[Group, Look]:
    """Return a look at one instance, i-a, beside another member that leads."""
    members = [Member("9", "i-z", instance="i-z")] * others + ([member] if member else [])
    group = Group("g", 3, (Place("i-a", "127.0.0.1", machine, staying=machine is Machine.RUNNING),))
    cluster = Cluster(tuple(members), 3, leader="1" if member and member.name == "leads" else "9")
    return group, Look(cluster, Heard.LINEARIZABLE, {"i-a": STATUS} if answers else {}, "", "c")


VOTER = Member("1", "i-a", instance="i-a")
LEARNER = Member("1", "i-a", instance="i-a", learner=True)
UNNAMED = Member("1", "", instance="i-a", learner=True)
LEADS = Member("1", "leads", instance="i-a")
R, L, T, U = Machine.RUNNING, Machine.LEAVING, Machine.TERMINATED, Machine.UNKNOWN


@pytest.mark.parametrize(
    ("machine", "member", "answers", "before", "phase"),
    [
        (R, None, False, None, Phase.BOOTING),
        (U, None, False, None, Phase.BOOTING),
        (R, UNNAMED, False, Phase.BOOTING, Phase.BOOTING),
        (R, LEARNER, False, Phase.BOOTING, Phase.BOOTING),
        (R, LEARNER, True, Phase.BOOTING, Phase.LEARNER),
        (R, LEARNER, False, Phase.LEARNER, Phase.DEAD),
        (R, VOTER, True, Phase.LEARNER, Phase.VOTER),
        (R, LEADS, True, Phase.VOTER, Phase.LEADER),
        (L, LEADS, True, Phase.LEADER, Phase.LEADER),
        (L, VOTER, True, Phase.VOTER, Phase.LEAVING),
        (L, None, False, Phase.LEAVING, Phase.LEAVING),
        (T, None, False, Phase.LEAVING, None),
        (R, VOTER, False, Phase.VOTER, Phase.DEAD),
        (T, VOTER, False, Phase.DEAD, Phase.DEAD),
        (T, None, False, Phase.DEAD, None),
        (R, None, False, Phase.DEAD, Phase.BOOTING),
    ],
)
def test_an_instance_is_what_the_list_and_its_answers_say(machine, member, answers, before, phase):
    """Dead is a member that does not answer; booting is no member yet; terminated and no member is gone."""
    now = phases(*seen(machine, member, answers=answers), {"i-a": before} if before else {})

    assert phase is now.get("i-a")


@pytest.mark.parametrize(
    ("before", "phase"), [(Phase.VOTER, Phase.DEAD), (Phase.DEAD, Phase.DEAD), (Phase.BOOTING, Phase.BOOTING)]
)
def test_when_nobody_tells_the_members_whoever_was_one_is_dead(before, phase):
    """A total loss shows as three dead members, not as three that boot."""
    now = phases(*seen(R, None, answers=False, others=False), {"i-a": before})

    assert phase is now["i-a"]


def test_a_look_that_fails_changes_nothing_and_the_next_one_counts():
    """Not to have been able to look is no news about anybody."""
    answers = iter([seen(R, VOTER, answers=True), OSError("throttled"), seen(R, VOTER, answers=False)])

    def look() -> tuple[Group, Look]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    recorder = Recorder("run", lambda: 0.0)
    watcher = Watcher(look, recorder)
    said = []
    for _ in range(3):
        watcher.look()
        said.append((watcher.phases["i-a"], watcher.failure))

    assert said == [(Phase.VOTER, ""), (Phase.VOTER, "throttled"), (Phase.DEAD, "")]
    assert [change.phase for change in recorder.run().changes] == [Phase.VOTER, Phase.DEAD]
