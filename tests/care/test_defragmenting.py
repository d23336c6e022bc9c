"""Defragmenting: followers first, the leader last, one at a time, each one well before the next."""

import care_cluster as etcd
import pytest

from kubecfn.care.ask import RefusedError, SilentError
from kubecfn.care.defrag import UnwellError, one_by_one
from kubecfn.deploy.progress import Work
from kubecfn.errors import AwsError

A, C = etcd.FOLLOWERS
B = etcd.LEADER


class Steps:
    """A clock that does not wait; only what is counted moves it."""

    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        """The counted seconds."""
        return self.time

    def sleep(self, seconds):
        """Count them."""
        self.time += seconds


class Etcd:
    """A scripted etcd: reports one after the other, the last for ever; remembers what it was asked in order."""

    def __init__(self, *reports, sizes=None, disarm=None, compact=None):
        self.reports = list(reports) or [etcd.report()]
        self.sizes = sizes or {"before": 400, "after": 100}
        self.disarm = disarm or [{"disarmed": [B], "alarms": []}]
        self.compact = compact or [{"revision": 1234}]
        self.log, self.told = [], []

    def look(self, question):
        """Answer a look."""
        assert question == {"ask": "status"}
        self.log.append("look")
        found = self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        if isinstance(found, Exception):
            raise found
        return found

    def act(self, question):
        """Answer work."""
        if question in ({"ask": "disarm"}, {"ask": "compact"}):
            self.log.append(question["ask"])
            answers = self.disarm if question["ask"] == "disarm" else self.compact
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        assert question["ask"] == "defrag"
        self.log.append(question["instance"])
        sizes = self.sizes.pop(0) if isinstance(self.sizes, list) else self.sizes
        if isinstance(sizes, Exception):
            raise sizes
        return sizes

    @property
    def acted(self):
        """Who was defragmented, in order."""
        return [one for one in self.log if one not in ("look", "disarm", "compact")]

    def defrag(self, clock=None):
        """Run it."""
        return one_by_one(self.look, self.act, Work(clock or Steps(), self.told.append, ""))


def unsettled(reason="voter i-0a is not healthy", **other):
    return etcd.report(settled={"say": "wait", "reason": reason}, **other)


def led_by(leader):
    return etcd.report(members=[etcd.member(one, leader=one == leader) for one in (A, B, C)])


def test_followers_go_first_and_the_leader_last_with_a_look_between():
    """Never two without a look that says settled between them."""
    scripted = Etcd()

    done = scripted.defrag()

    assert scripted.log == ["look", A, "look", C, "look", B, "look"]
    assert [(one.role, one.before, one.after) for one in done.members] == [
        ("voter", 400, 100),
        ("voter", 400, 100),
        ("leader", 400, 100),
    ]


def test_whoever_leads_when_its_turn_comes_waits():
    """Leadership that moves half-way is followed: the new leader is the last."""
    scripted = Etcd(led_by(B), led_by(C))

    scripted.defrag()

    assert scripted.acted == [A, B, C]


def test_the_next_one_waits_until_etcd_is_settled_again():
    """Silence and an unhealthy member are waited out, not run over."""
    scripted = Etcd(etcd.report(), unsettled(), SilentError("The function did not answer in time."), etcd.report())

    scripted.defrag()

    assert scripted.log == ["look", A, "look", "look", "look", C, "look", B, "look"]


def test_a_member_that_does_not_come_back_stops_the_rest():
    """After two minutes the others are left alone, and who is done is said."""
    scripted, clock = Etcd(etcd.report(), unsettled()), Steps()

    with pytest.raises(UnwellError, match=f"not well again after {A}: voter i-0a is not healthy.*Done so far: {A}"):
        scripted.defrag(clock)

    assert scripted.acted == [A]
    assert 120 <= clock.time < 130


def space(**other):
    return unsettled("alarm NOSPACE", alarms=[f"NOSPACE {B}"], **other)


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (unsettled(), "voter i-0a is not healthy"),
        (unsettled("alarm CORRUPT", alarms=["CORRUPT"]), "alarm CORRUPT"),
        (etcd.report(alarms=[f"CORRUPT {A}"]), f"alarm CORRUPT {A}"),
        (unsettled("alarm NOSPACE", alarms=["NOSPACE", f"CORRUPT {A}"]), "alarm CORRUPT"),
        (space(linearizable=False), "no linearizable read"),
        (space(members=[etcd.member(A), etcd.member(B), etcd.member(C, healthy=False)]), f"voter {C} is not healthy"),
        (space(members=[etcd.member(A), etcd.member(B), etcd.member(C, learner=True)]), f"{C} is joining"),
        (space(members=[etcd.member(A), etcd.member(B)]), "2 of 3 voters"),
        (space(members=[etcd.member(A), etcd.member(B), etcd.member(C, machine="leaving")]), "is leaving"),
        (space(members=[etcd.member(one, leader=False) for one in (A, B, C)]), "no leader is known"),
    ],
)
def test_nobody_is_defragmented_unless_all_others_are_well(report, says):
    """A NOSPACE alarm is what defragmenting is for, but it hides nothing else that is wrong."""
    scripted = Etcd(report)

    with pytest.raises(UnwellError, match="Nothing was defragmented") as raised:
        scripted.defrag()

    assert says in raised.value.message
    assert scripted.acted == []


def test_a_full_store_is_defragmented_in_spite_of_its_alarm_which_is_then_put_out():
    """NOSPACE alone does not refuse; when all are done it is put out, and what that means is said before anything is done."""
    scripted = Etcd(space())

    done = scripted.defrag()
    done.check()

    assert scripted.acted == [A, C, B]
    assert scripted.log[:2] == ["look", "compact"]
    assert (scripted.log[-1], done.ended, done.stays) == ("disarm", (B,), "")
    words = [one.text for one in scripted.told]
    assert next(at for at, one in enumerate(words) if "the alarm is put out" in one) < words.index(
        f"Defragmenting {A} (voter, 1 of 3)"
    )


def test_no_alarm_is_put_out_that_is_not_raised():
    """Without NOSPACE nothing is asked for but defragmenting."""
    scripted = Etcd()

    done = scripted.defrag()

    assert not {"disarm", "compact"} & set(scripted.log)
    assert done.to_json()["nospace"] == {"ended": [], "stays": ""}


STAYS = RefusedError("the NOSPACE alarm stays: i-0a uses 3900 MiB of its quota of 4096 MiB.")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (STAYS, "takes no writes: i-0a uses 3900 MiB of its quota of 4096 MiB. Do"),
        (SilentError("It failed."), "It failed"),
        ({"unlike": 1}, "answered not what this kubecfn understands"),
        ({"disarmed": [B], "alarms": ["NOSPACE"]}, "raised it again at once"),
    ],
)
def test_an_alarm_that_stays_is_a_failure_that_names_what_is_left_to_do(answer, says):
    """The members stay defragmented and shown; space is freed by a person, and is not waited for."""
    scripted, clock = Etcd(space(), disarm=[answer]), Steps()

    done = scripted.defrag(clock)

    assert len(done.members) == 3
    assert (scripted.log.count("disarm"), clock.time) == (1, 0.0)
    with pytest.raises(UnwellError, match=says):
        done.check()


@pytest.mark.parametrize("answer", [RefusedError("etcd is not compacted: why."), SilentError("It failed."), {}])
def test_a_store_that_is_not_compacted_is_not_defragmented(answer):
    """Defragmenting gives back what compaction has freed: without it nothing would be gained."""
    scripted = Etcd(space(), compact=[answer])

    with pytest.raises(UnwellError, match="Done so far: nobody"):
        scripted.defrag()

    assert scripted.acted == []


def test_an_alarm_is_put_out_once_nobody_changes_members_any_more():
    """A refusal for the lease's sake passes; it is asked again."""
    busy = RefusedError("members are being changed right now; try again in a minute.")
    scripted = Etcd(space(), disarm=[busy, {"disarmed": [B], "alarms": []}])

    scripted.defrag().check()

    assert scripted.log.count("disarm") == 2


@pytest.mark.parametrize("sizes", [{"error": "no"}, AwsError("While asking: denied."), SilentError("It failed.")])
def test_an_answer_that_was_lost_stops_and_is_never_asked_again(sizes):
    """Nobody knows whether the member still works on it: no second one, no second try."""
    scripted = Etcd(sizes=sizes)

    with pytest.raises(UnwellError, match="Stopped"):
        scripted.defrag()

    assert scripted.acted == [A]


def test_what_the_function_refuses_is_asked_again_later():
    """Members that are being changed make it wait; a refusal is known not to have been done."""
    scripted = Etcd(sizes=[RefusedError("members are being changed right now."), *[{"before": 2, "after": 1}] * 3])

    scripted.defrag()

    assert scripted.acted == [A, A, C, B]


def test_a_refusal_that_stays_stops_with_the_functions_own_words():
    """After two minutes the reason is told, and nobody else is touched."""
    scripted, clock = Etcd(sizes=RefusedError("members are being changed right now.")), Steps()

    with pytest.raises(UnwellError, match=r"members are being changed right now\. Done so far: nobody"):
        scripted.defrag(clock)

    assert set(scripted.acted) == {A}
    assert 120 <= clock.time < 140
