"""The component documents of EC2 Image Builder: our own programs and the lock, as steps that its agent carries out.

Source: EC2 Image Builder User Guide, "Use the AWSTOE component document framework", "Action modules", ExecuteBash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kubecfn.artifacts.sources import PACKAGE, read
from kubecfn.errors import FileError, KubecfnError
from kubecfn.image.lock import Lock
from kubecfn.image.programs import GO, container_images, downloads, registry_of
from kubecfn.versions import Versions

# CreateComponent, `data`.
_LARGEST = 16_000
# On an instance the variable is not set; whoever tries the steps out elsewhere names another root.
_ROOT = "${KUBECFN_ROOT:-}"
_WORK = f"{_ROOT}/var/tmp/kubecfn-image"  # noqa: S108  the instance is nobody else's
_END = "END-OF-FILE"
# What kubeadm, the kubelet and kube-proxy call, and Amazon Linux does not bring (kubeadm: "Installing kubeadm").
PACKAGES = ("conntrack-tools", "ethtool", "iproute-tc", "iptables-nft", "nftables", "socat")
_FETCH_SECONDS, _INSTALL_SECONDS = 1800, 900


class _Dumper(yaml.SafeDumper):
    """YAML in which scripts stand as they are."""


def _block(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def fetch_document() -> str:
    """Return the component that lays the program which fetches; the same for every image."""
    return _document(
        "kubecfn: the program that fetches what was locked",
        [("LayFetch", 60, f'mkdir -p "{_WORK}"\n{_file("fetch", _program("fetch"))}')],
    )


def files_document(versions: Versions, architecture: str, lock: Lock) -> str:
    """Return the component that fetches what an image is made of, each file checked against the lock.

    Raises:
        KubecfnError: the lock lacks something, or says too much for a component.
    """
    files = []
    for one in downloads(versions, architecture, beside=lock.beside):
        locked = lock.file(one)
        members = {"members": dict(one.members)} if one.members else {}
        files.append({"url": locked.url, "sha256": locked.sha256, "into": one.into, **members})
    images = [
        {"name": name, "digest": lock.image(name), "registry": registry_of(name, lock.registry)}
        for name in container_images(versions)
    ]
    plan = _plan({"architecture": GO[architecture], "files": files, "images": images})
    script = f'{_file("plan.json", plan)}python3 "{_WORK}/fetch" "{_WORK}/plan.json" "{_WORK}/programs"'
    title = f"kubecfn: what a node of Kubernetes {versions.kubernetes} runs on {architecture}"
    return _document(title, [("FetchPrograms", _FETCH_SECONDS, script)])


def install_document(versions: Versions) -> str:
    """Return the component that lays what was fetched; what it laid is asked for its version, also after a boot."""
    packages = f"dnf --assumeyes {_option('installroot')} install {' '.join(PACKAGES)}"
    lay = f'{_file("install", _program("install"))}sh "{_WORK}/install" "{_WORK}/programs" "{_ROOT}/"'
    steps = [
        ("InstallPackages", _INSTALL_SECONDS, packages),
        ("LayPrograms", _INSTALL_SECONDS, lay),
        ("CleanUp", 60, f'rm -rf "{_WORK}"'),
    ]
    return _document(f"kubecfn: lays a node of Kubernetes {versions.kubernetes}", steps, _questions(versions))


def version_of(line: str, *texts: str) -> str:
    """Return the semantic version of what is immutable and made of these texts: another text, another version.

    Image Builder keeps components and recipes for ever under name and version ("Semantic versioning": each part up to
    2^30 - 1). The first parts are the Kubernetes minor's, the third is of the content.

    Args:
        line: a Kubernetes minor: ``1.36``.
        texts: what it is made of.
    """
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return f"{line}.{int(digest[:7], 16)}"


def _questions(versions: Versions) -> list[tuple[str, int, str]]:
    programs = f"{_ROOT}/usr/local/bin"
    asked = (
        ("kubeadm", "version -o short", f"v{versions.kubernetes}"),
        ("kubelet", "--version", f"v{versions.kubernetes}"),
        ("containerd", "--version", f"v{versions.containerd}"),
        ("etcd", "--version", str(versions.etcd)),
    )
    lines = [
        f'"{programs}/{program}" {how} | grep -F "{says}" || {{ echo "{program} is not {says}" >&2; exit 1; }}\n'
        for program, how, says in asked
    ]
    # Elsewhere than on an instance the packages lie where this machine's Python does not look.
    there = f"{_ROOT}/usr/local/lib/python3*/*-packages".replace(_ROOT, '"$KUBECFN_ROOT"')
    python = f"env ${{KUBECFN_ROOT:+PYTHONPATH=$(echo {there})}} python3"
    lines.append(f'{python} -c "import boto3" || {{ echo "there is no boto3" >&2; exit 1; }}')
    return [("AskVersions", 120, "".join(lines))]


def _document(title: str, build: Sequence[tuple[str, int, str]], questions: Sequence[tuple[str, int, str]] = ()) -> str:
    phases = [{"name": "build", "steps": [_step(*one) for one in build]}]
    phases += [
        {"name": name, "steps": [_step(*one) for one in questions]} for name in ("validate", "test") if questions
    ]
    data = {"name": title, "schemaVersion": 1.0, "phases": phases}
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=10_000)
    if len(text) > _LARGEST:
        raise KubecfnError(
            f"The component {title!r} has {len(text):,} characters; Image Builder takes {_LARGEST:,}.",
            remedy="This is a fault of kubecfn's: please report it with the lock file.",
        )
    return text


def _step(name: str, seconds: int, script: str) -> dict[str, Any]:
    return {
        "name": name,
        "action": "ExecuteBash",
        "timeoutSeconds": seconds,
        "onFailure": "Abort",
        "inputs": {"commands": [f"set -eu\n{script}\n"]},
    }


def _file(name: str, text: str) -> str:
    """Return the command that writes a file of ours as it is."""
    if _END in text or "{{" in text:
        raise AssertionError(f"{name} holds what a shell or Image Builder would read as its own")
    return f"cat > \"{_WORK}/{name}\" << '{_END}'\n{text.rstrip()}\n{_END}\n"


def _option(name: str) -> str:
    return f'${{KUBECFN_ROOT:+--{name}="$KUBECFN_ROOT"}}'


def _plan(plan: dict[str, Any]) -> str:
    """One entry a line: a difference between two images is read line by line."""
    lists = {
        key: "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in plan[key]) + "\n]"
        for key in ("files", "images")
    }
    architecture = json.dumps(plan["architecture"])
    return f'{{"architecture":{architecture},\n"files":{lists["files"]},\n"images":{lists["images"]} }}\n'


def _program(name: str) -> str:
    """Return one of the programs in image/: inside an installed package, else of the checkout.

    Raises:
        FileError: there is neither.
    """
    for folder in (PACKAGE / "_data" / "image", PACKAGE.parent / "image"):
        if (folder / name).is_file():
            return read(folder / name).decode()
    raise FileError(
        f"image/{name} is neither in {Path(PACKAGE) / '_data'} nor in {PACKAGE.parent}.",
        remedy="Install kubecfn again from a complete wheel or run it from a complete checkout.",
    )
