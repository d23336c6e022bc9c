"""The real programs take what they are told: flags that they know, configurations without a word that they do not."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from kubecfn.addons import cloud_controller, kube_proxy, metrics_server
from kubecfn.local.programs import cache
from kubecfn.versions import RELEASES
from tests.addons.samples import cluster_of, named, objects_of
from tests.rehearsal import programs

LENIENT = "strict decoding"


def built(recipe, program, *, by="make kubernetes-programs"):
    """Return the path of a real program; skips where it is not built, and fails in CI, which has what that builds."""
    found = cache() / f"{recipe.name}-{recipe.version}" / program
    if not found.is_file():
        missing = f"{recipe.name} {recipe.version} is not built on this machine: {by} builds it"
        (pytest.fail if os.environ.get("CI") and by == "make kubernetes-programs" else pytest.skip)(missing)
    return found


def ran(*command):
    """Run a program and return how it ended and all it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30)
    return done.returncode, done.stdout


@pytest.mark.parametrize("line", RELEASES)
def test_the_cloud_controller_manager_of_each_minor_knows_its_flags(line):
    """A flag that it did not know would end it at its start; another is seen to."""
    program = built(programs.cloud_provider(line), "aws-cloud-controller-manager")

    assert ran(program, *cloud_controller.flags(cluster_of(line)), "--help")[0] == 0
    assert "unknown flag: --no-such" in ran(program, "--no-such", "--help")[1]


def test_metrics_server_knows_its_flags():
    """A flag that it did not know would end it at its start; another is seen to."""
    program = built(programs.metrics_server(), "metrics-server")

    assert ran(program, *metrics_server.flags(), "--help")[0] == 0
    assert "unknown flag: --no-such" in ran(program, "--no-such", "--help")[1]


def test_flannel_knows_its_flags():
    """A flag that it did not know would end it at its start; another is seen to."""
    program = built(programs.flannel(), "flanneld")
    daemon = named(objects_of(max(RELEASES)), "DaemonSet", "kube-flannel-ds")["spec"]["template"]["spec"]["containers"][
        0
    ]

    assert ran(program, *daemon["args"], "--version")[0] == 0
    assert "flag provided but not defined" in ran(program, "--no-such", "--version")[1]


# Container of the EBS CSI driver's two halves -> what it runs, and as what it is called.
VOLUMES = {
    "ebs-plugin": (programs.ebs_csi(), "aws-ebs-csi-driver", ""),
    **{name: (programs.csi(name), name, "") for name in ("csi-provisioner", "csi-attacher", "csi-resizer")},
    "node-driver-registrar": (programs.csi_beside(), "csi-beside", "csi-node-driver-registrar"),
    "liveness-probe": (programs.csi_beside(), "csi-beside", "livenessprobe"),
}


@pytest.mark.parametrize(
    ("kind", "half", "container"),
    [
        *(("Deployment", "ebs-csi-controller", name) for name in VOLUMES if name != "node-driver-registrar"),
        *(("DaemonSet", "ebs-csi-node", name) for name in ("ebs-plugin", "node-driver-registrar", "liveness-probe")),
    ],
)
def test_every_program_around_volumes_knows_its_flags(kind, half, container, tmp_path):
    """A flag that it did not know would end it at its start; another is seen to. `make rehearse` builds them."""
    recipe, name, called = VOLUMES[container]
    program = built(recipe, name, by="make rehearse ARGS=kubernetes-volumes")
    if called:
        (tmp_path / called).symlink_to(program)
        program = tmp_path / called
    pod = named(objects_of(max(RELEASES)), kind, half)["spec"]["template"]["spec"]
    [args] = [one["args"] for one in pod["containers"] if one["name"] == container]

    assert ran(program, *args, "--version")[0] == 0
    code, said = ran(program, *args, "--no-such", "--version")
    assert (code, "no-such" in said) == (2, True)


@pytest.mark.parametrize(
    ("recipe", "plugin"),
    [(programs.flannel_plugin(), "flannel"), (programs.cni_plugins(), "bridge"), (programs.cni_plugins(), "portmap")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_every_plugin_of_the_pod_network_speaks_the_version_of_its_configuration(recipe, plugin):
    """A plugin refuses a version of the CNI specification that it does not speak, and no pod on that node starts."""
    told = named(objects_of(max(RELEASES)), "ConfigMap", "kube-flannel-cfg")["data"]["cni-conf.json"]
    configuration = json.loads(told)
    asked = {"env": {"CNI_COMMAND": "VERSION"}, "input": '{"cniVersion": "0.4.0"}', "text": True}
    answer = subprocess.run([built(recipe, plugin)], capture_output=True, check=True, **asked)

    assert configuration["cniVersion"] in json.loads(answer.stdout)["supportedVersions"]
    called = {one["type"] for one in configuration["plugins"]}
    assert plugin in called | {"bridge"}


@pytest.mark.parametrize("line", RELEASES)
@pytest.mark.parametrize("mode", ["nftables", "iptables"])
def test_kube_proxy_of_each_minor_reads_its_configuration_to_the_letter(line, mode, tmp_path):
    """kube-proxy goes on without a field that it does not know and only mentions it: it has nothing to mention."""
    program = built(programs.kubernetes(line), "kube-proxy")
    written = named(objects_of(line, kube_proxy=mode), "ConfigMap", "kube-proxy")["data"]["config.conf"]

    code, said = read(program, tmp_path, json.loads(written))
    assert (code, LENIENT in said) == (0, False)
    assert LENIENT in read(program, tmp_path, json.loads(written) | {"clusterCidr": "10.0.0.0/8"})[1]


def read(program, folder, configuration):
    """Let kube-proxy read a configuration and write it as it understood it."""
    (folder / "config.conf").write_text(json.dumps(configuration))
    return ran(program, f"--config={folder}/config.conf", f"--write-config-to={folder}/understood.yaml")


def test_kube_proxy_of_a_pod_network_with_the_vpcs_addresses_knows_no_pod_network():
    """There the cluster's pod network is nobody's: taking its addresses for pods' would send others' wrong."""
    cluster = cluster_of(max(RELEASES))

    assert kube_proxy.configuration(cluster, "nftables", own_pods=True)["clusterCIDR"] == cluster.pod_cidr
    written = named(objects_of(max(RELEASES), cni="vpc-cni"), "ConfigMap", "kube-proxy")["data"]["config.conf"]
    assert json.loads(written)["clusterCIDR"] == ""
