"""etcd's configuration, read by the real etcd of both releases: what counts is what etcd says it understood."""

import json
import re
import ssl
import urllib.request

import pytest
from controller_root import DOMAIN, Rooms
from member.settings import Begin, Me, Pace, settings
from real_etcd import VERSIONS


def told(log, message):
    """Return the fields of the first line of etcd's log with this message."""
    lines = [json.loads(line) for line in log if line.startswith("{")]
    return next(line for line in lines if line["msg"] == message)


@pytest.fixture(scope="module", params=VERSIONS)
def served(request, tmp_path_factory):
    """A founder of each release that serves, and its log."""
    with Rooms(tmp_path_factory.mktemp("rooms"), version=request.param) as rooms:
        node = rooms.node("i-0000000a")
        node.hands.found(1, "the-token")
        node.serves()
        yield node, node.runs.log("etcd.service", 1000)


def test_etcd_understands_every_option(served):
    """An option that this release does not know, or calls deprecated, is a mistake of ours."""
    node, log = served

    begun = told(log, "starting an etcd server")

    assert begun["name"] == "i-0000000a"
    assert begun["initial-cluster-token"] == "the-token"
    assert begun["quota-backend-bytes"] == 4 << 30
    assert begun["heartbeat-interval"] == "100ms"
    assert begun["election-timeout"] == "1s"
    assert begun["auto-compaction-retention"] == "0s"
    assert begun["data-dir"] == str(node.data)
    words = re.compile(r"deprecated|unrecognized|unknown|decommission", re.IGNORECASE)
    assert [line for line in log if words.search(line)] == []


def test_copies_are_compared_before_serving_and_after_compactions(served):
    """A copy that differs raises an alarm instead of spreading; 3.5 and 3.6 have other names for both checks."""
    node, log = served
    begun = told(log, "starting an etcd server")

    if node.me.version.startswith("3.5."):
        assert (begun["initial-corrupt-check"], begun["compact-check-time-enabled"]) == (True, True)
    else:
        assert begun["feature-gates"] == "CompactHashCheck=true,InitialCorruptCheck=true"


def test_probes_need_no_certificate_and_clients_do(served):
    """Metrics are plain HTTP on loopback only; whoever wants data shows a certificate of the etcd authority."""
    node, _ = served
    with urllib.request.urlopen(f"http://{node.me.address}:2381/health", timeout=5) as answer:
        assert json.load(answer)["health"] == "true"

    anonymous = ssl.create_default_context(cafile=str(node.root / "etc/kubernetes/pki/etcd/ca.crt"))
    with pytest.raises(OSError, match=r"(?i)certificate required"):
        urllib.request.urlopen(f"{node.me.client_url}/health", timeout=5, context=anonymous)


def test_a_real_node_listens_on_its_address_and_on_loopback(tmp_path):
    """Beside others on one machine a member has its loopback address alone; on EC2 its own programs use 127.0.0.1."""
    real = settings(
        Me("i-0000000a", "10.20.0.7", DOMAIN, "3.6.16"), tmp_path, Begin("i-0000000a=https://10.20.0.7:2380")
    )
    beside = settings(Me("i-0000000a", "127.20.0.7", DOMAIN, "3.6.16"), tmp_path, Begin("x=https://127.20.0.7:2380"))

    assert real["listen-client-urls"] == "https://10.20.0.7:2379,https://127.0.0.1:2379"
    assert real["advertise-client-urls"] == "https://10.20.0.7:2379"
    assert real["listen-peer-urls"] == "https://10.20.0.7:2380"
    assert real["listen-metrics-urls"] == "http://127.0.0.1:2381"
    assert beside["listen-client-urls"] == "https://127.20.0.7:2379"
    assert beside["listen-metrics-urls"] == "http://127.20.0.7:2381"


def test_both_ways_of_tls_are_on(tmp_path):
    """Peers and clients show certificates, and are shown some."""
    made = settings(Me("i-0000000a", "10.20.0.7", DOMAIN, "3.6.16"), tmp_path, Begin("x"), Pace(50, 500))

    for side in ("client-transport-security", "peer-transport-security"):
        assert made[side]["client-cert-auth"] is True
        assert set(made[side]) == {"cert-file", "key-file", "trusted-ca-file", "client-cert-auth"}
    assert (made["heartbeat-interval"], made["election-timeout"]) == (50, 500)


@pytest.mark.parametrize("version", ["3.5.35", "3.6.16"])
@pytest.mark.parametrize("force", [False, True])
def test_only_who_goes_on_alone_compares_its_data_with_nobody(tmp_path, version, force):
    """Those whom a survivor would ask are gone, and it would wait for them while nobody can write."""
    made = settings(Me("i-0000000a", "10.20.0.7", DOMAIN, version), tmp_path, Begin("x", force=force))

    gates = dict(one.split("=") for one in made.get("feature-gates", "").split(",") if one)
    said = gates.get("InitialCorruptCheck", made.get("experimental-initial-corrupt-check"))
    assert said in ({False, "false"} if force else {True, "true"})


@pytest.mark.parametrize(
    ("begin", "there"),
    [
        (Begin("x"), {}),
        (Begin("x", "new", "t"), {"initial-cluster-token": "t"}),
        (Begin("x", force=True), {"force-new-cluster": True}),
    ],
)
def test_only_what_was_asked_for_is_there(tmp_path, begin, there):
    """Neither a token nor force comes by itself."""
    made = settings(Me("i-0000000a", "10.20.0.7", DOMAIN, "3.6.16"), tmp_path, begin)

    names = {"initial-cluster-token", "force-new-cluster"}
    assert {name: made[name] for name in names & set(made)} == there
