import threading
from datetime import UTC, datetime

from kubecfn.local.api import Call
from kubecfn.local.recorder import Recorded, Recorder

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def recorded(service="s3", operation="PutObject", caller="operator", params=None, **more):
    call = Call(service, operation, params or {}, "1" * 12, "eu-central-1", caller)
    return Recorded(NOW, call, "ok", **more)


def test_calls_are_found_by_operation_and_caller():
    """`by` takes an operation alone or with its service, and any part of the caller's ARN."""
    recorder = Recorder()
    recorder.add(recorded())
    recorder.add(recorded(caller="assumed-role/node/i-1"))
    recorder.add(recorded(operation="GetObject"))

    assert len(recorder.by("PutObject")) == 2
    assert len(recorder.by("s3:PutObject", caller="role/node")) == 1
    assert recorder.by("ec2:PutObject") == []


def test_the_services_own_calls_are_kept_apart():
    """What programs did is not mixed with what the services did for them."""
    recorder = Recorder()
    recorder.add(recorded())
    recorder.add(recorded(internal=True))

    assert (len(recorder.calls), len(recorder.internal)) == (1, 1)
    assert len(recorder.where(lambda _: True)) == 2


def test_large_bodies_are_kept_by_their_length():
    """A bundle of 5 KB is a number in the record; small values stay as they were."""
    recorder = Recorder()
    recorder.add(recorded(params={"Body": b"x" * 5000, "Key": "k"}))
    recorder.add(recorded(params={"Body": b"x" * 10}))

    assert [one.call.params for one in recorder.calls] == [{"Body": "<5000 bytes>", "Key": "k"}, {"Body": b"x" * 10}]


def test_no_call_is_lost_between_threads():
    """Many threads append at the same time and every call is there."""
    recorder = Recorder()
    threads = [threading.Thread(target=lambda: [recorder.add(recorded()) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(recorder.calls) == 800
    recorder.clear()
    assert recorder.calls == []


def test_the_statements_that_were_needed_can_be_listed():
    """A grant that no call ever used is found by comparing the policies with this set."""
    recorder = Recorder()
    recorder.add(recorded(statements=("node/inline[0]", "node/inline[2]")))
    recorder.add(recorded(statements=("node/inline[0]",)))

    assert recorder.used_statements() == {"node/inline[0]", "node/inline[2]"}
