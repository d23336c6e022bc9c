"""Making what is missing and replacing what is there, when nothing goes wrong."""

import base64
import json
import os
import ssl
import stat
import subprocess
import sys
from datetime import timedelta

import pytest
import yaml
from cryptography import x509

from kubecfn import pki
from kubecfn.errors import FileError, WrongUseError
from kubecfn.pki import PemFile
from kubecfn.pki.layout import BY_NAME, RETIRED

EVERYTHING = tuple(BY_NAME)
FILES = {file.path for item in BY_NAME.values() for file in item.files} | {"pki.json"}
LEAF_LAST_QUARTER = timedelta(days=365 * 3 / 4 + 1)


def test_a_new_set_has_every_file_and_no_other(tmp_path, pristine, snapshot):
    """A set is exactly the files of the layout; working directories are gone."""
    assert set(snapshot(pristine)) == FILES
    assert {path.name for path in pristine.iterdir() if path.is_dir()} == {"etcd"}


def test_everything_is_private(pristine):
    """Directories are 0700 and files 0600, the public ones too."""
    found = [pristine, *pristine.rglob("*")]

    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}


def test_making_twice_changes_nothing(made, spec, now, snapshot):
    """What exists is kept, byte for byte."""
    before = snapshot(made)

    report = pki.make(made, spec, now=now + timedelta(days=1))

    assert report == pki.Report(kept=EVERYTHING)
    assert before == snapshot(made)


def test_two_sets_share_no_secret(pristine, foreign, snapshot):
    """Keys are random: two sets of one cluster made at one moment have not one file in common."""
    ours, theirs = snapshot(pristine), snapshot(foreign)

    assert [path for path in FILES if ours[path][1] == theirs[path][1]] == []


def test_the_encryption_key_is_what_secretbox_takes(pristine):
    """Secretbox takes the base64 of 32 bytes, and one new line at the end does no harm to a file."""
    assert len(base64.b64decode((pristine / "encryption.key").read_bytes().removesuffix(b"\n"), validate=True)) == 32


@pytest.mark.parametrize("name", ["lambda-etcd-client", "admin", "kubeconfig"])
def test_a_missing_leaf_is_made_again(made, spec, now, name, snapshot):
    """What any authority of the set can issue again may be deleted: make brings it back and touches nothing else."""
    before = snapshot(made)
    for file in BY_NAME[name].files:
        (made / file.path).unlink()

    report = pki.make(made, spec, now=now)

    after = snapshot(made)
    remade = {file.path for each in (*report.made, *report.renewed) for file in BY_NAME[each].files}
    assert report.made == (name,)
    assert before.keys() - after.keys() == set()
    assert {path for path in FILES if before[path] != after[path]} <= remade | {"pki.json"}
    assert {path for path in remade if before[path] == after[path]} <= {"kubeconfig"}  # made of the same certificate
    assert pki.make(made, spec, now=now).kept == EVERYTHING


def test_the_administrator_is_renewed_in_the_last_quarter(made, spec, now, snapshot):
    """In the last quarter of its life make renews the administrator's certificate and kubeconfig, and keeps the old."""
    before = snapshot(made)
    later = now + LEAF_LAST_QUARTER

    report = pki.make(made, spec, now=later)

    after = snapshot(made)
    aside = f"replaced/{later:%Y%m%dT%H%M%SZ}/"
    assert report.renewed == ("admin", "kubeconfig")
    assert report.due == ("lambda-etcd-client",)
    assert {path for path in FILES if before[path] != after[path]} == {
        "admin.crt",
        "admin.key",
        "kubeconfig",
        "pki.json",
    }
    assert {aside + "admin.crt", aside + "admin.key", aside + "kubeconfig", aside + "pki.json"} == set(after) - set(
        before
    )
    assert before["admin.key"] == after[aside + "admin.key"]


def test_nothing_is_renewed_before_the_last_quarter(made, spec, now):
    """Until three quarters of its life are over, the administrator's certificate stays."""
    assert pki.make(made, spec, now=now + LEAF_LAST_QUARTER - timedelta(days=2)) == pki.Report(kept=EVERYTHING)


def test_leaves_that_ended_do_not_stop_make(made, spec, now):
    """A set left alone for years still gives its administrator access; other leaves are reported, not touched."""
    report = pki.make(made, spec, now=now + timedelta(days=3000))

    assert report.renewed == ("admin", "kubeconfig")
    assert report.due == ("kubernetes-ca", "etcd-ca", "front-proxy-ca", "lambda-etcd-client")


def test_the_kubeconfig_holds_all_that_kubectl_needs(pristine, spec):
    """The kubeconfig names the API's endpoint, trusts the kubernetes authority and proves the administrator."""
    content = yaml.safe_load((pristine / "kubeconfig").read_text())
    [cluster], [user], [context] = content["clusters"], content["users"], content["contexts"]

    assert content["current-context"] == context["name"]
    assert {"cluster": cluster["name"], "user": user["name"]} == context["context"]
    assert spec.api_endpoint == cluster["cluster"]["server"]
    for data, file in [
        (cluster["cluster"]["certificate-authority-data"], "ca.crt"),
        (user["user"]["client-certificate-data"], "admin.crt"),
        (user["user"]["client-key-data"], "admin.key"),
    ]:
        assert (pristine / file).read_bytes() == base64.b64decode(data)
    ssl.create_default_context(cadata=(pristine / "ca.crt").read_text())


def test_what_kubectl_writes_into_the_kubeconfig_is_kept(made, spec, now):
    """Kubectl stores contexts and namespaces in a kubeconfig: such a change is no fault and is not undone."""
    content = yaml.safe_load((made / "kubeconfig").read_text())
    content["contexts"][0]["context"]["namespace"] = "shop"
    (made / "kubeconfig").write_text(yaml.safe_dump(content))

    assert pki.make(made, spec, now=now).kept == EVERYTHING
    assert yaml.safe_load((made / "kubeconfig").read_text())["contexts"][0]["context"]["namespace"] == "shop"


def test_a_changed_endpoint_or_key_type_is_said_and_not_done(made, now, spec, snapshot):
    """A configuration that asks for another endpoint or key type changes no file until it is told to replace one."""
    before = snapshot(made)
    other = pki.PkiSpec(spec.cluster, "https://api.new.example.com:6443", pki.KeyType.RSA)

    notes = pki.make(made, other, now=now).notes

    assert before == snapshot(made)
    assert len(notes) == 2
    assert "https://api.new.example.com:6443" in notes[0]
    assert "RSA" in notes[1]
    assert len(pki.replace(made, ("kubeconfig",), other, now=now).notes) == 1
    assert other.api_endpoint in (made / "kubeconfig").read_text()


@pytest.mark.parametrize(
    ("names", "touched"),
    [
        (("kubernetes-ca",), ("kubernetes-ca", "admin", "kubeconfig")),
        (("etcd-ca",), ("etcd-ca", "lambda-etcd-client")),
        (("front-proxy-ca",), ("front-proxy-ca",)),
        (("service-account",), ("service-account",)),
        (("encryption",), ("encryption",)),
        (("lambda-etcd-client", "encryption"), ("encryption", "lambda-etcd-client")),
        (("admin",), ("admin", "kubeconfig")),
        (("kubeconfig",), ("kubeconfig",)),
    ],
)
def test_replacing_takes_along_what_hangs_below(made, spec, now, names, touched, snapshot):
    """A replacement touches what its plan says, keeps the old bytes, and leaves a sound set."""
    before = snapshot(made)
    paths = {file.path for name in touched for file in BY_NAME[name].files}
    plan = pki.replacement_plan(made, names)

    report = pki.replace(made, names, spec, now=now + timedelta(hours=1))

    after = snapshot(made)
    assert touched == tuple(each.name for each in plan) == report.renewed
    assert paths == {path for each in plan for path in each.files}
    assert before.keys() == after.keys() - {path for path in after if path.startswith("replaced/")}
    assert {path for path in before if before[path] != after[path]} <= paths | {"pki.json"}
    assert {path for path in paths if before[path] == after[path]} <= {"kubeconfig"}  # made of the same certificate
    assert {path: before[path] for path in paths} == {
        path: after[f"replaced/20260601T130000Z/{path}"] for path in paths
    }
    assert pki.make(made, spec, now=now + timedelta(hours=1)).kept == EVERYTHING


def test_a_plan_says_why_and_with_what_consequence(made):
    """A plan names the authority that drags an item along, and a consequence for each."""
    plan = {each.name: each for each in pki.replacement_plan(made, ("etcd-ca",))}

    assert {name: each.because for name, each in plan.items()} == {
        "etcd-ca": "",
        "lambda-etcd-client": "etcd-ca",
    }
    assert all(each.consequence.endswith(".") for each in plan.values())


@pytest.mark.parametrize("names", [("ca.key",), ("admin", "nonsense"), ()])
def test_an_unknown_name_is_refused_with_the_known_ones(made, spec, now, names, snapshot):
    """A wrong name is wrong use, lists what could have been meant, and touches nothing."""
    before = snapshot(made)

    for act in (
        lambda: pki.replacement_plan(made, names),
        lambda: pki.replace(made, names, spec, now=now),
    ):
        with pytest.raises(WrongUseError, match="kubernetes-ca"):
            act()
    assert before == snapshot(made)


def test_what_was_put_aside_is_private_too(made, spec, now):
    """An old key still opens something: it is as private as a new one, also when it was not before."""
    (made / "etcd/ca.key").chmod(0o644)

    pki.replace(made, ("etcd-ca",), spec, now=now)

    found = list((made / "replaced").rglob("*"))
    assert {path.name for path in found} >= {"ca.key", "lambda-client.key"}
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in [made / "replaced", *found] if path.is_dir()}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}


def test_two_replacements_in_one_second_keep_both(made, spec, now):
    """Each replacement has a place of its own for what it put aside."""
    for _ in range(3):
        pki.replace(made, ("encryption",), spec, now=now)

    kept = [path.read_bytes() for path in (made / "replaced").rglob("encryption.key")]
    assert len({*kept, (made / "encryption.key").read_bytes()}) == 4


def test_what_is_broken_can_be_replaced(made, spec, now):
    """A half-written item is repaired by replacing it, also when its other half is gone."""
    (made / "etcd/lambda-client.key").unlink()
    (made / "admin.crt").write_text("garbage")

    report = pki.replace(made, ("lambda-etcd-client", "admin"), spec, now=now)

    assert report.renewed == ("lambda-etcd-client", "admin", "kubeconfig")
    assert pki.make(made, spec, now=now).kept == EVERYTHING


def test_what_is_kept_must_be_sound_to_replace_another(made, spec, now, foreign, snapshot):
    """A leaf is not issued from an authority that is not ours."""
    (made / "etcd/ca.crt").write_bytes((foreign / "etcd/ca.crt").read_bytes())
    before = snapshot(made)

    with pytest.raises(FileError, match=r"etcd/ca\.crt|etcd/ca\.key"):
        pki.replace(made, ("lambda-etcd-client",), spec, now=now)
    assert before == snapshot(made)


def test_replacing_everything_recovers_a_set_without_a_manifest(made, spec, now):
    """When the manifest is lost and no backup exists, everything may be replaced at once, and the old is kept."""
    (made / "pki.json").unlink()

    report = pki.replace(made, EVERYTHING, spec, now=now)

    assert report.renewed == EVERYTHING
    assert pki.make(made, spec, now=now).kept == EVERYTHING


def test_an_rsa_set_is_sound(tmp_path, spec, now):
    """A whole set of RSA keys is made and accepted as the P-256 one is."""
    chosen = pki.PkiSpec(spec.cluster, spec.api_endpoint, pki.KeyType.RSA)

    pki.make(tmp_path / "pki", chosen, now=now)

    assert pki.make(tmp_path / "pki", chosen, now=now) == pki.Report(kept=EVERYTHING)
    found = x509.load_pem_x509_certificate((tmp_path / "pki/etcd/lambda-client.crt").read_bytes())
    assert found.public_key().key_size == 3072


def earlier_set(made):
    """Give a set the files that an earlier version made besides, and lists; return them as they are."""
    listing = json.loads((made / "pki.json").read_text())
    for path in RETIRED:
        PemFile(path.encode()).write_new(made / path)
        listing["files"][path] = PemFile(path.encode()).sha256
    (made / "pki.json").write_text(json.dumps(listing))


def test_a_set_of_an_earlier_version_is_used_as_it_is_and_what_is_of_no_use_is_named(made, spec, now, snapshot):
    """Files that nothing reads any more are said, left alone, handed to nobody, and may be deleted."""
    handed = pki.bundle_files(made, "controller", now=now)
    earlier_set(made)
    before = snapshot(made)

    report = pki.make(made, spec, now=now)

    assert (report.kept, report.made, before) == (EVERYTHING, (), snapshot(made))
    (note,) = report.notes
    assert all(path in note for path in RETIRED)
    assert str(made) in note
    assert handed == pki.bundle_files(made, "controller", now=now)
    assert {row.state for row in pki.show(made, now=now)} == {pki.State.OK}
    for path in RETIRED:
        (made / path).unlink()
    assert pki.make(made, spec, now=now) == pki.Report(kept=EVERYTHING)


def test_replacing_an_authority_of_an_earlier_version_leaves_what_is_of_no_use(made, spec, now, snapshot):
    """It takes along what is made from it now, and nothing that nobody reads."""
    earlier_set(made)
    before = snapshot(made)

    report = pki.replace(made, ("etcd-ca",), spec, now=now)

    assert report.renewed == ("etcd-ca", "lambda-etcd-client")
    assert all(snapshot(made)[path] == before[path] for path in RETIRED)
    with pytest.raises(WrongUseError, match="not something that can be replaced"):
        pki.replace(made, ("apiserver-etcd-client",), spec, now=now)


@pytest.mark.parametrize(
    ("cluster", "endpoint"), [("", "https://a:6443"), ("x" * 65, "https://a:6443"), ("a", "http://a"), ("a", "a:6443")]
)
def test_a_spec_that_cannot_be_is_refused(cluster, endpoint):
    """A name that fits no certificate and an endpoint that is not HTTPS are wrong use."""
    with pytest.raises(WrongUseError):
        pki.PkiSpec(cluster, endpoint)


def test_keys_load_without_the_heavy_libraries():
    """Making keys needs cryptography alone: it must not pay for AWS, YAML or terminal libraries."""
    heavy = "{'boto3', 'botocore', 'rich', 'troposphere', 'awacs', 'pydantic', 'yaml', 'moto', 'click'}"
    program = f"import sys, kubecfn.pki; print(sorted({heavy} & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)

    assert answer.stdout.strip() == "[]"
