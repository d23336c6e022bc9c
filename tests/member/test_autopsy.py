"""Why etcd ended, from lines that real members wrote."""

import json

import pytest
from agent.units import State
from member import autopsy

FAILED = State("failed", "exit-code", 1)


def line(message, error="", level="info", **more):
    return json.dumps({"level": level, "msg": message, **({"error": error} if error else {}), **more})


STOPPED = line("stopped remote peer")


@pytest.mark.parametrize(
    ("state", "lines", "why"),
    [
        (
            State("inactive", "success", 0),
            [line("server error", "the member has been permanently removed from the cluster", "warn"), STOPPED],
            "removed: server error: the member has been permanently removed from the cluster",
        ),
        (
            FAILED,
            [
                line("server error", "the member has been permanently removed from the cluster", "warn"),
                line("listener failed", "server is stopping", "fatal"),
            ],
            "removed: server error: the member has been permanently removed from the cluster",
        ),
        (
            FAILED,
            [line("failed to save", "write /x/0.wal: no space left on device", "fatal"), STOPPED],
            "no-space: failed to save: write /x/0.wal: no space left on device",
        ),
        (
            FAILED,
            [line("checkInitialHashKV failed", "i-a found data inconsistency with peers", "fatal")],
            "corrupt: checkInitialHashKV failed: i-a found data inconsistency with peers",
        ),
        (FAILED, ["panic: walpb: crc mismatch"], "corrupt: panic: walpb: crc mismatch"),
        (
            FAILED,
            [line("discovery failed", "error validating peerURLs", "fatal"), STOPPED],
            "failed: etcd ended with status 1: discovery failed: error validating peerURLs",
        ),
        (State("failed", "signal", 9), [STOPPED], "failed: etcd ended with signal 9: stopped remote peer"),
        (FAILED, [], "failed: etcd ended with status 1: it wrote nothing"),
        (FAILED, ["", "exec format error", ""], "failed: etcd ended with status 1: exec format error"),
        (State("inactive", "success", 15), [line("received terminated", level="error")], ""),
        (State("inactive", "success", 0), [], ""),
    ],
    ids=[
        "removed",
        "removed with 1",
        "disk full",
        "inconsistent",
        "damaged",
        "else",
        "killed",
        "mute",
        "plain",
        "told",
        "never ran",
    ],
)
def test_the_kind_comes_first_and_etcds_own_words_follow(state, lines, why):
    """The loop acts on the kind, a person on the words; who ended as told has nothing to explain."""
    assert autopsy.why(state, lines) == why
