"""What is rehearsed, one function for each scenario, in the order in which they are played."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from kubecfn.demo.proof import signals, wait_until_dns_names

from .cluster import NAME, Cluster, DidNotHappenError, network, opened, until
from .faults import VOLUME, Faults
from .hub import Hub
from .kubernetes.boot import kubernetes_boot
from .kubernetes.scenario import kubernetes, kubernetes_faults, kubernetes_volumes
from .life import lived
from .results import Results

UNITS = "/etc/systemd/system"
OURS = ("kubecfn-agent.service", "etcd.service")
ETCD, OLDER_ETCD = "3.6.16", "3.5.35"


@dataclass(frozen=True)
class Stage:
    """Where one scenario plays."""

    name: str
    run: Path
    build: Path
    hub: Hub
    results: Results
    speed: float

    def step(self, name: str) -> AbstractContextManager[Callable[[str], None]]:
        """Time a step of this scenario."""
        return self.results.step(self.name, name)


def play(names: Iterable[str], run: Path, build: Path, console: Console, speed: float) -> Results:
    """Play the named scenarios, each in an account of its own; a failed one does not keep the next from being played."""
    results = Results(console)
    hub = network()
    hub.build()
    for name in names:
        try:
            with results.playing(name):
                SCENARIOS[name](Stage(name, run, build, hub, results, speed))
        except Exception as error:  # noqa: BLE001  it stands in the table; where it was raised is for whoever looks for it
            with (run / "failures.log").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
            console.print(traceback.format_exc(limit=-4), markup=False)
            results.fail(name, str(error))
    return results


def stack(stage: Stage) -> None:
    """A stack's life under real systemd: created, rolled, one instance rebooted, deleted."""
    with _opened(stage, ETCD) as cluster:
        with stage.step("create with two workers") as say:
            cluster.wanted["pools"] = [{"name": "small", "min": 2, "max": 2, "signal_timeout": "1h"}]
            say(f"{cluster.apply().state.value}, {signals(cluster.cloud, NAME)['SUCCESS']} signals of success")
        _do(stage, "look inside", lambda: _look_inside(cluster))
        _do(stage, "names", lambda: _names(cluster))
        _do(stage, "reset one, as a failed host does", lambda: _reset_one(cluster))
        with stage.step("roll to another instance type") as say:
            before = cluster.controllers()
            cluster.wanted["controllers"]["instance_type"] = "m7i.xlarge"
            say(cluster.apply().state.value)
            if set(before) & set(cluster.controllers()):
                raise DidNotHappenError(f"{before} were to be replaced; there are {cluster.controllers()}")
        _do(stage, "delete", lambda: _delete(cluster))


def _assert_healthy(cluster: Cluster, instance: str) -> None:
    state, unit = _state(cluster, instance)
    if state != "running" or unit != ("enabled", "active"):
        failed = cluster.machines.run(instance, "systemctl", "--failed", "--plain", "--no-legend").stdout.split("\n")[0]
        raise DidNotHappenError(f"{instance} is {state}, its agent {unit}, failed: {failed or 'nothing'}")
    # systemd says what it does not understand and goes on without it.
    units = [f"{UNITS}/{name}" for name in OURS if (cluster.machines.root(instance) / UNITS[1:] / name).exists()]
    understood = cluster.machines.run(instance, "systemd-analyze", "verify", *units)
    if understood.returncode or understood.stderr:
        raise DidNotHappenError(f"{instance}: {understood.stderr}")


def _state(cluster: Cluster, instance: str) -> tuple[str, tuple[str, ...]]:
    """Return how systemd is, and whether the agent is enabled and active."""

    def said(*words: str) -> str:
        return cluster.machines.run(instance, "systemctl", *words).stdout.strip()

    unit = tuple(said(ask, "kubecfn-agent.service") for ask in ("is-enabled", "is-active"))
    return said("is-system-running", "--wait"), unit


def _names(cluster: Cluster) -> str:
    domain = cluster.wanted["dns"]["domain"]
    alive = wait_until_dns_names(cluster.cloud, domain, NAME, cluster.wanted["controllers"]["count"])
    one = min(alive)
    asks = f"import socket; print(socket.gethostbyname('{one}.{domain}'))"
    other = max(alive)
    found = cluster.machines.run(other, "python3", "-c", asks)
    if found.stdout.strip() != cluster.machines.address_of(one):
        raise DidNotHappenError(f"{other} resolves {one}.{domain} as {found.stdout.strip() or found.stderr}")
    asks = f"import socket; print(*sorted(socket.gethostbyname_ex('api.{domain}')[2]))"
    api = cluster.machines.run(other, "python3", "-c", asks)
    wanted = sorted(map(cluster.machines.address_of, alive))
    if api.stdout.split() != wanted:
        raise DidNotHappenError(f"api.{domain} is {api.stdout.strip() or api.stderr}, the controllers are at {wanted}")
    return f"a controller finds another by its name: {found.stdout.strip()}; api.{domain} leads to all {len(wanted)}"


def _reset_one(cluster: Cluster) -> str:
    one = cluster.controllers()[0]
    sent = signals(cluster.cloud, NAME)["SUCCESS"]
    cluster.machines.reset(one)
    until(lambda: _state(cluster, one)[0] == "running", lambda: str(_state(cluster, one)))
    _assert_healthy(cluster, one)
    if signals(cluster.cloud, NAME)["SUCCESS"] != sent:
        raise DidNotHappenError("it signalled again")
    # As EC2 shows it: the console of both boots, which has what user data wrote in the first.
    runs = cluster.machines.console(one).decode(errors="replace").count("user data ended with 0")
    if runs != 1:
        raise DidNotHappenError(f"by its console the user data of {one} ran {runs} times, not once")
    return "back with its data; its console shows that user data ran once, and it signalled once"


def three(stage: Stage) -> None:
    """Three controllers: founded, rolled, hurt in every way that EC2 knows, and all there at the end."""
    with _opened(stage, ETCD) as cluster:
        with lived(cluster, stage.results) as life:
            _do(stage, "found three", life.found)
            _do(stage, "look inside", lambda: _look_inside(cluster))
            cluster.wanted["controllers"]["instance_type"] = "m7i.xlarge"
            _do(stage, "roll all, one after another", lambda: life.roll("graceful roll of three"))
            _do(stage, "kill -9 of the leader's etcd, three times", lambda: life.kill_leaders_etcd(3))
            _do(stage, "the leader cut off the network, and back", lambda: life.hang("cut off"))
            _do(stage, "the leader paused, and resumed", lambda: life.hang("paused"))
            _do(stage, "power cut of a follower", lambda: life.cut_power("follower"))
            _do(stage, "power cut of the leader", lambda: life.cut_power("leader"))
            _do(stage, "reset all three with their data", life.reset_all)
            _do(stage, "two of three are lost for good", lambda: life.lose(2))
            _do(stage, "back up now", life.back_up)
            _do(stage, "all three are lost for good", lambda: life.lose(3))
            _do(stage, "read everything back", life.judge)
        _do(stage, "delete", lambda: _delete(cluster))


def five(stage: Stage) -> None:
    """Five controllers: founded, two lost at once, rolled."""
    with _opened(stage, ETCD) as cluster:
        cluster.wanted["controllers"]["count"] = 5
        with lived(cluster, stage.results) as life:
            _do(stage, "found five", life.found)
            _do(stage, "kill -9 of the leader's etcd", life.kill_leaders_etcd)
            _do(stage, "power cut of the leader", lambda: life.cut_power("leader"))
            cluster.wanted["controllers"]["instance_type"] = "m7i.xlarge"
            _do(stage, "roll all, one after another", lambda: life.roll("graceful roll of five"))
            _do(stage, "read everything back", life.judge)
        _do(stage, "delete", lambda: _delete(cluster))


def upgrade(stage: Stage) -> None:
    """From one etcd minor to the next: another machine image, rolled like any other change."""
    with _opened(stage, OLDER_ETCD, ETCD) as cluster:
        cluster.wanted["kubernetes"] = "1.35"  # the newest that runs on both
        with lived(cluster, stage.results) as life:
            _do(stage, f"found three with etcd {OLDER_ETCD}", life.found)
            cluster.use(ETCD)
            _do(stage, f"roll to etcd {ETCD}", lambda: life.roll("upgrade roll"))
            _do(stage, "look at versions", lambda: life.run_only(ETCD))
            _do(stage, "read everything back", life.judge)
        _do(stage, "delete", lambda: _delete(cluster))


def faults(stage: Stage) -> None:
    """Three controllers, and what goes wrong around them: DNS, disks, clocks, certificates, operators, quotas."""
    with _opened(stage, ETCD, volume=VOLUME) as cluster:
        with lived(cluster, stage.results) as life:
            hurt = Faults(life)
            _do(stage, "found three", life.found)
            _do(stage, "DNS gone while one is replaced", hurt.dns_gone)
            _do(stage, "a follower's disk full, and room again", hurt.disk_full)
            _do(stage, "a follower's fsync 0.5 s slower", lambda: hurt.slow_disk("follower", 0.5))
            _do(stage, "the leader's fsync 0.3 s slower", lambda: hurt.slow_disk("leader", 0.3))
            _do(stage, "one boots with its clock 10 minutes ahead", hurt.clock_at_boot)
            _do(stage, "clocks 10 minutes ahead and behind", hurt.clocks_apart)
            for kind in ("expired", "of another authority"):
                _do(stage, f"a follower's certificate {kind}", lambda kind=kind: hurt.bad_certificate(kind))
            for kind in ("learner", "voter"):
                _do(stage, f"an operator adds a {kind} by hand", lambda kind=kind: hurt.added_by_hand(kind))
            _do(stage, "quota reached, and disarmed", hurt.no_space)
            _do(stage, "read everything back", life.judge)
        _do(stage, "delete", lambda: _delete(cluster))


def short(stage: Stage) -> None:
    """What says most in little time: founded, rolled, its leader's power cut, all lost, restored, read back, deleted."""
    with _opened(stage, ETCD) as cluster:
        with lived(cluster, stage.results) as life:
            _do(stage, "found three", life.found)
            _do(stage, "look inside", lambda: _look_inside(cluster))
            cluster.wanted["controllers"]["instance_type"] = "m7i.xlarge"
            _do(stage, "roll all, one after another", lambda: life.roll("graceful roll of three"))
            _do(stage, "kill -9 of the leader's etcd", life.kill_leaders_etcd)
            _do(stage, "power cut of the leader", lambda: life.cut_power("leader"))
            _do(stage, "back up now", life.back_up)
            _do(stage, "all three are lost for good", lambda: life.lose(3))
            _do(stage, "read everything back", life.judge)
        _do(stage, "delete", lambda: _delete(cluster))


def _opened(stage: Stage, *etcd: str, volume: int = 0) -> AbstractContextManager[Cluster]:
    return opened(stage.run / stage.name, stage.build, stage.hub, etcd=etcd, speed=stage.speed, volume=volume)


def _do(stage: Stage, name: str, act: Callable[[], str]) -> None:
    with stage.step(name) as say:
        say(act())


def _look_inside(cluster: Cluster) -> str:
    for instance in cluster.machines.alive:
        _assert_healthy(cluster, instance)
    return f"{len(cluster.machines.alive)} instances: the agent's unit is enabled and runs, no unit failed"


def _delete(cluster: Cluster) -> str:
    cluster.delete()
    if cluster.machines.alive:
        raise DidNotHappenError(f"still on: {cluster.machines.alive}")
    return "nothing left in the account, nothing runs"


# What is played unless something is named; `short` says nothing that `three` does not.
WHOLE: dict[str, Callable[[Stage], None]] = {
    "stack": stack,
    "three": three,
    "five": five,
    "upgrade": upgrade,
    "faults": faults,
    "kubernetes": kubernetes,
    "kubernetes-boot": kubernetes_boot,
    "kubernetes-faults": kubernetes_faults,
    "kubernetes-volumes": kubernetes_volumes,
}
SCENARIOS = {**WHOLE, "short": short}
