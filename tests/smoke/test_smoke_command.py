"""`kubecfn smoke` as it is typed: an account with the cluster's stack, a real API server, CoreDNS in the pods' place."""

from __future__ import annotations

import json
import sys
import time

import boto3
import care_cluster
import pytest

from kubecfn.cli import main
from kubecfn.etcd import names
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import ACCOUNT, EmbeddedAws
from kubecfn.local.fleet.machines import NoMachines
from kubecfn.local.identity import operator_keys
from kubecfn.local.programs import cache
from kubecfn.smoke.nodes import STATIC
from tests.smoke.machines import Pods, deployment, node, pod, storage_class

REGION, NAME, DOMAIN, SIZE = "eu-west-1", care_cluster.CLUSTER, "ledger.k8s.example.com", 3
CONFIG = f"""\
name: {NAME}
region: {REGION}
kubernetes: 1.36.3
dns: {{private: true, domain: {DOMAIN}}}
"""


@pytest.fixture(scope="module")
def session():
    """The operator's."""
    keys = operator_keys(ACCOUNT)
    return boto3.Session(keys.access_key, keys.secret, region_name=REGION)


@pytest.fixture(scope="module")
def account(tmp_path_factory, session):
    """An account with the cluster's stack, whose controllers run nothing; return it, its instances and its zone."""
    folder = tmp_path_factory.mktemp("aws")
    script = folder / "script.json"
    script.write_text("{}")
    with EmbeddedAws(workdir=folder, region=REGION, clock=ScaledClock(30), machines=NoMachines()) as aws:
        template = json.loads(care_cluster.template(script, size=SIZE))
        vpcs = [{"VPCId": {"Ref": "Vpc"}, "VPCRegion": REGION}]
        template["Resources"]["Zone"] = {
            "Type": "AWS::Route53::HostedZone",
            "Properties": {"Name": DOMAIN, "VPCs": vpcs},
        }
        api = session.client("cloudformation", endpoint_url=aws.endpoint)
        api.create_stack(StackName=NAME, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        waiting = {"Delay": 0.25, "MaxAttempts": 400}
        api.get_waiter("stack_create_complete").wait(StackName=NAME, WaiterConfig=waiting)
        listed = api.list_stack_resources(StackName=NAME)["StackResourceSummaries"]
        there = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
        end = time.monotonic() + 30
        while len(instances := controllers(aws, session, there)) < SIZE and time.monotonic() < end:
            time.sleep(0.05)
        members = [care_cluster.member(one, leader=one == instances[0]) for one in instances]
        answer = care_cluster.report(members=members)
        script.write_text(json.dumps({"asked": [], "answers": {"status": [answer]}}))
        yield aws, instances, there["Zone"]


def controllers(aws, session, there):
    api = session.client("autoscaling", endpoint_url=aws.endpoint)
    (group,) = api.describe_auto_scaling_groups(AutoScalingGroupNames=[there["Controllers"]])["AutoScalingGroups"]
    return sorted(one["InstanceId"] for one in group["Instances"] if one["LifecycleState"] == "InService")


@pytest.fixture
def living(client, account):
    """Nodes, pods and a class as a good cluster has them."""
    _, instances, _ = account
    labels = {"node-role.kubernetes.io/control-plane": "", "topology.kubernetes.io/zone": f"{REGION}a"}
    for one in instances:
        node(client, one, labels=labels)
        for program in STATIC:
            pod(client, f"{program}-{one}", one)
    deployment(client, 2)
    storage_class(client, "gp3", default=True)
    return instances


@pytest.fixture
def run(account, session, server, client, living, tmp_path, monkeypatch, capsys):
    """Type the command; return the exit code, stdout and stderr."""
    aws, _, _ = account
    if not [*cache().glob("coredns-*/coredns")]:
        pytest.skip("coredns is not built on this machine: make kubernetes-programs builds it")
    (tmp_path / "c.yaml").write_text(CONFIG)
    file = server.kubeconfig(tmp_path / "kubeconfig", "kubernetes-admin", "system:masters")
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr("boto3.Session", lambda **_: session)
    monkeypatch.setattr("kubecfn.smoke.reach.administrator", lambda path: client if path == file else None)
    # Kubelets are nobody's here: what the API server's proxy says of them is that they are well.
    monkeypatch.setattr("kubecfn.smoke.certificates.KUBELET", 1)
    read = client.read

    def healthy(path, **query):
        return b"ok" if path.endswith("/proxy/healthz") else read(path, **query)

    monkeypatch.setattr(client, "read", healthy)

    def command(*arguments):
        told = ["kubecfn", "smoke", "-c", str(tmp_path / "c.yaml"), "--kubeconfig", str(file), *arguments]
        monkeypatch.setattr(sys, "argv", told)
        with Pods(server.admin, tmp_path, nodes=living) as client.pods, pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ended.value.code or 0), out, err

    return command


def write(account, session):
    """Let the zone say what the discovery function would."""
    aws, instances, zone = account
    hosts = [names.controller(one, DOMAIN) for one in instances]
    services = ((names.server_service(DOMAIN), 2380), (names.client_service(DOMAIN), 2379))
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": name,
                "Type": "SRV",
                "TTL": 30,
                "ResourceRecords": [{"Value": names.srv_value(port, host)} for host in hosts],
            },
        }
        for name, port in services
    ]
    api = session.client("route53", endpoint_url=aws.endpoint)
    api.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def test_one_table_tells_what_is_wrong_and_then_that_all_is_well(run, account, session, client):
    """Exit code 1 with the one thing that is not as it should be; 0 when it is mended; nothing is left in the cluster."""
    wrong, table, said = run()
    write(account, session)
    right, told, _ = run("--output", "json")

    assert wrong == 1
    assert "Not all is well with ledger: SRV records." in said
    assert "_etcd-server-ssl._tcp.ledger.k8s.example.com lacks i-" in table
    answers = json.loads(told)
    assert (right, answers["ok"]) == (0, True)
    assert [one["name"] for one in answers["checks"]] == [
        "controllers",
        "etcd",
        "backups",
        "SRV records",
        "system pods",
        "certificate requests",
        "certificates",
        "storage class",
        "pods, service, DNS",
    ]
    left = [one["metadata"] for one in client.list("/api/v1/namespaces")]
    assert [one["name"] for one in left if "smoke" in one["name"] and "deletionTimestamp" not in one] == []


def test_an_api_server_that_does_not_answer_is_said_by_every_check_that_asks_it(run, client, monkeypatch):
    """Not a traceback, and what can be learned elsewhere is told all the same."""

    def lost(*_, **__):
        raise KubernetesError(0, "Unreachable", "nobody is there")

    for verb in ("get", "list", "create"):
        monkeypatch.setattr(client, verb, lost)

    code, told, _ = run("--output", "json")

    answers = {one["name"]: one["ok"] for one in json.loads(told)["checks"]}
    assert code == 1
    assert answers["etcd"] is answers["backups"] is True
    assert [name for name, ok in answers.items() if not ok] == [
        "controllers",
        "system pods",
        "certificate requests",
        "certificates",
        "storage class",
        "pods, service, DNS",
    ]
