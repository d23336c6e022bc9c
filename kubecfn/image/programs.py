"""What an image holds, where its publishers put it, and where they publish its SHA-256.

Sources: dl.k8s.io: Kubernetes, "Download Kubernetes"; containerd: "Getting started", step 1 to 3 (containerd, runc, CNI
plugins); etcd: "Install"; cri-tools: "Install crictl"; aws-iam-authenticator: releases; registry.k8s.io: kubeadm,
"kubeadm config images list"; PyPI: "JSON API", section "Get a release".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kubecfn.versions import Version, Versions, release_of

ARCHITECTURES = ("x86_64", "arm64")
# EC2's name of an architecture -> Go's, which publishers use.
GO = MappingProxyType({"x86_64": "amd64", "arm64": "arm64"})
# What lies in an image whatever its Kubernetes minor. Nobody publishes an ecr-credential-provider that is newer
# (kubernetes/cloud-provider-aws#1481); its protocol has been v1 since, which kubelets of every minor speak.
BESIDE: Mapping[str, str] = MappingProxyType(
    {
        "aws-iam-authenticator": "0.6.14",
        "crictl": "1.34.0",
        "ecr-credential-provider": "1.31.7",
        "runc": "1.4.3",
    }
)
# boto3 and all it needs, the last that run on Amazon Linux 2023's own Python 3.9; each plain Python.
WHEELS: Mapping[str, str] = MappingProxyType(
    {
        "boto3": "1.42.97",
        "botocore": "1.42.97",
        "jmespath": "1.1.0",
        "python-dateutil": "2.9.0.post0",
        "s3transfer": "0.16.1",
        "six": "1.17.0",
        "urllib3": "2.6.3",
    }
)
_KUBERNETES = ("kubeadm", "kubectl", "kubelet")
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
_ETCD = ("etcd", "etcdctl", "etcdutl")
_CONTAINERD = ("containerd", "containerd-shim-runc-v2", "ctr")


@dataclass(frozen=True)
class Publishers:
    """Where the publishers are; a test's are on loopback.

    Attributes:
        registry: of container images; ``{host}`` is the first part of their names.
    """

    kubernetes: str = "https://dl.k8s.io"
    github: str = "https://github.com"
    artifacts: str = "https://artifacts.k8s.io"
    pypi: str = "https://pypi.org"
    registry: str = "https://{host}"


@dataclass(frozen=True)
class Download:
    """One file that a publisher offers with its SHA-256.

    Attributes:
        name: of the program, or of the programs together.
        version: of the release.
        architecture: ``x86_64``, ``arm64``, or ``any``.
        url: of the file; empty where the publisher's index has to be asked (PyPI).
        sums: URL of the publisher's own sums.
        into: where it goes in the folder of programs: one file, or a folder for what is in the archive.
        members: in the archive -> file in `into`; empty takes every program in the archive's top folder.
        otherwise: the same file's URL and sums under another name, for where the first is not found.
    """

    name: str
    version: str
    architecture: str
    url: str
    sums: str
    into: str
    members: Mapping[str, str] = field(default_factory=dict)
    otherwise: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """Its name in the lock file."""
        return f"{self.name} {self.version} {self.architecture}"


def downloads(
    versions: Versions,
    architecture: str,
    publishers: Publishers = Publishers(),
    beside: Mapping[str, str] = BESIDE,
) -> tuple[Download, ...]:
    """Return every file that an image of these versions is made of.

    Args:
        versions: of the cluster.
        architecture: EC2's name of it.
        publishers: where they are.
        beside: versions of what every image holds.
    """
    go = GO[architecture]
    return (
        *(_kubernetes(publishers, name, versions.kubernetes, architecture, go) for name in _KUBERNETES),
        *(replace(one, architecture=architecture) for one in _from_github(publishers.github, versions, beside, go)),
        _credential_provider(publishers.artifacts, beside["ecr-credential-provider"], architecture, go),
        *(_wheel(publishers.pypi, name, version) for name, version in WHEELS.items()),
    )


def container_images(versions: Versions) -> tuple[str, ...]:
    """Return the images that nodes of these versions run, as they name them: Kubernetes' own and all of the version table.

    Raises:
        WrongUseError: this kubecfn does not know the minor.
    """
    of_release = {f"registry.k8s.io/{one}:v{versions.kubernetes}" for one in _COMPONENTS}
    manager = f"registry.k8s.io/provider-aws/cloud-controller-manager:v{versions.cloud_provider}"
    table = release_of(str(versions.kubernetes)).images.values()
    return tuple(sorted({*of_release, manager, *table}))


def registry_of(image: str, registry: str) -> str:
    """Return where an image's registry is.

    Args:
        image: as nodes name it; its first part is a host.
        registry: with ``{host}``.
    """
    return registry.format(host=image.partition("/")[0])


def _kubernetes(publishers: Publishers, name: str, version: Version, architecture: str, go: str) -> Download:
    url = f"{publishers.kubernetes}/release/v{version}/bin/linux/{go}/{name}"
    return Download(name, str(version), architecture, url, f"{url}.sha256", f"bin/{name}")


def _from_github(github: str, versions: Versions, beside: Mapping[str, str], go: str) -> tuple[Download, ...]:
    containerd, cni, etcd = str(versions.containerd), str(versions.cni_plugins), str(versions.etcd)
    flannel = release_of(str(versions.kubernetes)).flannel_plugin
    crictl, runc, authenticator = beside["crictl"], beside["runc"], beside["aws-iam-authenticator"]

    def released(repository: str, version: str) -> str:
        return f"{github}/{repository}/releases/download/v{version}"

    runtime = f"{released('containerd/containerd', containerd)}/containerd-{containerd}-linux-{go}.tar.gz"
    plugins = f"{released('containernetworking/plugins', cni)}/cni-plugins-linux-{go}-v{cni}.tgz"
    client = f"{released('kubernetes-sigs/cri-tools', crictl)}/crictl-v{crictl}-linux-{go}.tar.gz"
    store = f"etcd-v{etcd}-linux-{go}"
    tokens = released("kubernetes-sigs/aws-iam-authenticator", authenticator)
    return (
        Download(
            "containerd",
            containerd,
            "",
            runtime,
            f"{runtime}.sha256sum",
            "bin",
            {f"bin/{one}": one for one in _CONTAINERD},
        ),
        Download("cni-plugins", cni, "", plugins, f"{plugins}.sha256", "cni"),
        _flannel(released("flannel-io/cni-plugin", flannel), flannel, go),
        Download("crictl", crictl, "", client, f"{client}.sha256", "bin", {"crictl": "crictl"}),
        Download(
            "etcd",
            etcd,
            "",
            f"{released('etcd-io/etcd', etcd)}/{store}.tar.gz",
            f"{released('etcd-io/etcd', etcd)}/SHA256SUMS",
            "bin",
            {f"{store}/{one}": one for one in _ETCD},
        ),
        Download(
            "runc",
            runc,
            "",
            f"{released('opencontainers/runc', runc)}/runc.{go}",
            f"{released('opencontainers/runc', runc)}/runc.sha256sum",
            "bin/runc",
        ),
        Download(
            "aws-iam-authenticator",
            authenticator,
            "",
            f"{tokens}/aws-iam-authenticator_{authenticator}_linux_{go}",
            f"{tokens}/authenticator_{authenticator}_checksums.txt",
            "bin/aws-iam-authenticator",
        ),
    )


def _flannel(folder: str, version: str, go: str) -> Download:
    """The archive is named after a tag, and there may be a second tag without its suffix on the same commit.

    Source: flannel-io/cni-plugin, scripts/version.sh and scripts/package.sh.
    """

    def named(tag: str) -> tuple[str, str]:
        url = f"{folder}/cni-plugin-flannel-linux-{go}-v{tag}.tgz"
        return url, f"{url}.sha256"

    members = {f"flannel-{go}": "flannel"}
    return Download("flannel-plugin", version, "", *named(version), "cni", members, named(version.partition("-")[0]))


def _credential_provider(artifacts: str, version: str, architecture: str, go: str) -> Download:
    name = "ecr-credential-provider"
    url = f"{artifacts}/binaries/cloud-provider-aws/v{version}/linux/{go}/{name}-linux-{go}"
    return Download(name, version, architecture, url, f"{url}.sha256", f"bin/{name}")


def _wheel(pypi: str, name: str, version: str) -> Download:
    return Download(name, version, "any", "", f"{pypi}/pypi/{name}/{version}/json", "python")
