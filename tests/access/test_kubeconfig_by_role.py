"""`kubecfn kubeconfig --iam` and `kubecfn token`: what is written, what never is, and whose name a token carries."""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from kubecfn.access.credential import exec_credential, session_name
from kubecfn.cli import main
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.stacks import Stack
from kubecfn.deploy.states import State

CONFIG = "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.internal}\n"
BOTH = "access: [{name: on-call, cluster_role: cluster-admin}, {name: audit}]\n"
ROLE = "arn:aws:iam::123456789012:role/payments-AccessOnCallRole-1"
OUTPUTS = {"AccessOnCallRoleArn": ROLE}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line where AWS holds a stack with OUTPUTS; give exit code and what it printed."""
    monkeypatch.setattr("kubecfn.deploy.aws.connect", lambda region, _profile: SimpleNamespace(region=region))

    def command(*arguments, access=BOTH, outputs=OUTPUTS, state=State.CREATE_COMPLETE, keys=True):
        stack = Stack("payments", state, outputs=outputs)
        monkeypatch.setattr("kubecfn.deploy.stacks.read_stack", lambda _aws, _name: stack)
        source, pki = tmp_path / "payments.yaml", tmp_path / "build" / "payments" / "pki"
        source.write_text(CONFIG + access)
        if keys:
            pki.mkdir(parents=True, exist_ok=True)
            (pki / "ca.crt").write_text("authority")
        told = ["kubecfn", "kubeconfig", "--config", source, "--build", tmp_path / "build", *arguments]
        monkeypatch.setattr(sys, "argv", [str(one) for one in told])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out.strip(), " ".join(err.split())

    return command


def test_a_kubeconfig_by_role_holds_no_secret_and_is_the_persons_alone(run, tmp_path) -> None:
    """It names the API, trusts the cluster's authority, and says which program signs as which role."""
    code, out, _ = run("--iam", "--role", "on-call", "--program", "aws-iam-authenticator", "--profile", "work")

    path = tmp_path / "build" / "payments" / "kubeconfig-on-call"
    assert (code, out, path.stat().st_mode & 0o777) == (0, str(path), 0o600)
    made = yaml.safe_load(path.read_text())
    (cluster,), (user,), (context,) = made["clusters"], made["users"], made["contexts"]
    authority = base64.b64encode(b"authority").decode()
    assert cluster["cluster"] == {"server": "https://api.k.internal:6443", "certificate-authority-data": authority}
    assert made["current-context"] == context["name"] == user["name"] == "on-call@payments"
    program = user["user"]["exec"]
    assert (program["command"], program["args"]) == ("aws-iam-authenticator", ["token", "-i", "k.internal", "-r", ROLE])
    assert {"name": "AWS_PROFILE", "value": "work"} in program["env"]
    assert set(user["user"]) == {"exec"}


def test_the_only_access_needs_no_name(run, tmp_path) -> None:
    """One access is the one that is meant; kubecfn itself makes its tokens."""
    assert run("--iam", access="access: [{name: on-call}]\n")[0] == 0

    made = yaml.safe_load((tmp_path / "build/payments/kubeconfig-on-call").read_text())
    program = made["users"][0]["user"]["exec"]
    told = ["token", "--domain", "k.internal", "--role-arn", ROLE, "--region", "eu-central-1"]
    assert program["args"] == told


@pytest.mark.parametrize(
    ("arguments", "situation", "code", "says"),
    [
        (["--iam"], {}, 2, "several ways of access: on-call, audit. Name one with --role"),
        (["--iam", "--role", "root"], {}, 2, "has no access root. Name one of on-call, audit"),
        (["--iam"], {"access": ""}, 2, "gives nobody access by IAM. Add it: access:"),
        (["--role", "audit"], {}, 2, "--role and --to belong to --iam"),
        (["--iam", "--role", "audit"], {}, 1, "has no role of access audit yet. Bring it up"),
        (["--iam", "--role", "on-call"], {"state": State.ABSENT}, 1, "There is no stack payments in eu-central-1"),
        (["--iam", "--role", "on-call"], {"keys": False}, 1, "There are no keys of payments"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(run, tmp_path, arguments, situation, code, says) -> None:
    """No access, no such access, no stack, no role in it, no authority: each has its own sentence."""
    found, out, err = run(*arguments, **situation)

    assert (found, out) == (code, "")
    assert says in err
    assert not list((tmp_path / "build").rglob("kubeconfig*"))


@pytest.mark.parametrize(
    "there",
    [
        "apiVersion: v1\nkind: Config\nclusters: [{name: payments}]\nusers: [{name: admin@payments}]\n",
        "clusters: [{name: payments}, {name: other}]\nusers: [{name: on-call@payments}]\n",
        "a shopping list",
        "",
    ],
)
def test_a_file_that_is_somebody_elses_is_never_overwritten(run, tmp_path, there) -> None:
    """Another user, another cluster beside ours, no kubeconfig at all: it stays as it is, and the remedy is --to."""
    path = tmp_path / "mine"
    path.write_text(there)

    code, _, err = run("--iam", "--role", "on-call", "--to", path)

    assert (code, path.read_text()) == (1, there)
    assert "is left as it is" in err


def test_an_older_one_of_the_same_role_is_made_anew(run, tmp_path) -> None:
    """The role was made again: the file follows, whatever namespace kubectl had written into it."""
    path = tmp_path / "mine"
    run("--iam", "--role", "on-call", "--to", path)
    kept = yaml.safe_load(path.read_text())
    kept["contexts"][0]["context"]["namespace"] = "shop"
    path.write_text(json.dumps(kept))

    assert run("--iam", "--role", "on-call", "--to", path, outputs={"AccessOnCallRoleArn": f"{ROLE}2"})[0] == 0
    assert yaml.safe_load(path.read_text())["users"][0]["user"]["exec"]["args"][4] == f"{ROLE}2"


def account():
    """Return an account in which alice may assume any role, and what she asked STS for."""
    asked = {}

    def assume_role(**arguments):
        asked.update(arguments)
        return {"Credentials": {"AccessKeyId": "AKIAROLE", "SecretAccessKey": "s", "SessionToken": "t"}}

    sts = SimpleNamespace(assume_role=assume_role)
    person = "arn:aws:sts::123456789012:assumed-role/Staff/alice@example.com"
    return Aws(None, "eu-central-1", "123456789012", "aws", person, {"sts": sts}), asked


def test_a_token_is_the_roles_for_one_cluster_and_carries_the_persons_name() -> None:
    """The assumed role signs; its session is called like whoever assumed it, which the audit log shows."""
    aws, asked = account()

    made = exec_credential(aws, "k.internal", ROLE, datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC))

    assert asked == {"RoleArn": ROLE, "RoleSessionName": "alice@example.com"}
    assert made["status"]["expirationTimestamp"] == "2026-11-21T12:14:00Z"
    encoded = made["status"]["token"].removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.hostname == "sts.eu-central-1.amazonaws.com"
    assert query["X-Amz-Credential"].startswith("AKIAROLE/")
    assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"]


def test_the_command_that_kubectl_runs_prints_the_credential_and_nothing_else(monkeypatch, capsys) -> None:
    """`kubecfn token` with what the kubeconfig hands it: one ExecCredential on standard output."""
    aws, asked = account()
    monkeypatch.setattr("kubecfn.deploy.aws.connect", lambda _region, _profile: aws)
    told = ["kubecfn", "token", "--domain", "k.internal", "--role-arn", ROLE, "--region", "eu-central-1"]
    monkeypatch.setattr(sys, "argv", told)

    with pytest.raises(SystemExit) as ended:
        main()

    printed = json.loads(capsys.readouterr().out)
    assert (ended.value.code, printed["kind"], asked["RoleArn"]) == (0, "ExecCredential", ROLE)


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        ("arn:aws:iam::123456789012:user/staff/bob", "bob"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("arn:aws:sts::123456789012:assumed-role/Staff/a", "a-"),
        (f"arn:aws:iam::123456789012:user/{'x' * 90}", "x" * 64),
    ],
)
def test_a_session_is_called_like_its_person_as_sts_takes_it(caller, name) -> None:
    """2 to 64 of what STS allows."""
    assert session_name(caller) == name
