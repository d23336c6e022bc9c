"""What a controller writes before kubeadm and the authenticator read it."""

from __future__ import annotations

import json

import pytest
from agent.steps import StepFailed
from controlplane import authenticator, hosts

ROLE = "arn:aws-cn:iam::123456789012:role/workers"


def test_the_apis_name_leads_to_the_controller_itself_once(tmp_path):
    """Its own address follows it; whatever else stands there stays."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    hosts.name_api(tmp_path, "api.payments.example.com", "10.20.0.7")
    hosts.name_api(tmp_path, "api.payments.example.com", "10.20.0.8")

    lines = [line.split() for line in (tmp_path / "etc/hosts").read_text().splitlines()]
    assert lines[0] == ["127.0.0.1", "localhost"]
    assert [line[:2] for line in lines[1:]] == [["10.20.0.8", "api.payments.example.com"]]


def test_the_authenticator_asks_the_sts_of_its_region_and_partition(tmp_path):
    """In another partition STS has another name, and another's tokens are nobody's."""
    share = tmp_path / "usr/local/share/kubecfn"
    share.mkdir(parents=True)
    mapped = [{"tag": "kubecfn:worker-role", "username": "u", "groups": ["g"]}]
    (share / "authenticator.json").write_text(json.dumps({"clusterID": "c", "server": {"mapRoles": mapped}}))
    authenticator.lay(tmp_path, "cn-north-1", {"kubecfn:worker-role": ROLE})

    told = json.loads((tmp_path / "etc/kubernetes/aws-iam-authenticator/config.json").read_text())
    assert [one["roleARN"] for one in told["server"]["mapRoles"]] == [ROLE]
    text = (tmp_path / "etc/kubernetes/aws-iam-authenticator/environment").read_text()
    given = dict(line.split("=", 1) for line in text.splitlines())
    assert (given["AWS_REGION"], given["PARTITION"]) == ("cn-north-1", "aws-cn")

    with pytest.raises(StepFailed, match=r"authenticator\.json cannot be read"):
        authenticator.lay(tmp_path / "empty", "cn-north-1", {})
