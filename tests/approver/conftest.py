"""A cluster's workers in an emulated account beside a real API server, and kubelets' requests as they write them."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from kubecfn.kubernetes.client import KubernetesError
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import NoMachines
from kubecfn.pki.keys import key_file
from tests.kubernetes.clocks import Clock
from tests.kubernetes.server import running

CLUSTER, ACCOUNT = "payments", EmbeddedAws.account
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
JOINERS = "system:bootstrappers:kubeadm:default-node-token"
USAGES = {
    "kubernetes.io/kube-apiserver-client-kubelet": ["digital signature", "client auth"],
    "kubernetes.io/kubelet-serving": ["digital signature", "server auth"],
}
_NUMBERS = itertools.count(1)


def pem(common_name, organizations=("system:nodes",), names=(), addresses=(), others=(), **more):
    """Return a request as kubelets write it; `more`: the key, whatever else the subject says, further extensions."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject += [x509.NameAttribute(NameOID.COMMON_NAME, common_name), *more.get("subject", ())]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    alternatives = [x509.DNSName(one) for one in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
    alternatives += list(others)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=more.get("critical", False))
    for extension in more.get("extensions", ()):
        builder = builder.add_extension(extension, critical=False)
    key = more.get("key") or ec.generate_private_key(ec.SECP256R1())
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)


@dataclass
class Worker:
    """An instance of the account."""

    id: str
    name: str
    address: str
    group: str

    @property
    def common_name(self):
        """Its node's."""
        return f"system:node:{self.id}"


class Account:
    """The emulated account: groups of this cluster and of another, and what goes wrong with EC2."""

    def __init__(self, aws):
        self.aws = aws
        self.ec2, self.autoscaling = aws.client("ec2"), aws.client("autoscaling")
        vpc = self.ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
        template = {"ImageId": "ami-12345678", "InstanceType": "m5.large"}
        self.ec2.create_launch_template(LaunchTemplateName="node", LaunchTemplateData=template)

    def group(self, size, cluster=CLUSTER):
        """Launch a group and return its workers."""
        name = f"group-{next(_NUMBERS)}"
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=9,
            DesiredCapacity=size,
            VPCZoneIdentifier=self.subnet,
            LaunchTemplate={"LaunchTemplateName": "node"},
            Tags=[{"Key": "kubecfn:cluster", "Value": cluster, "PropagateAtLaunch": True}],
        )
        end = time.monotonic() + 20
        while len(found := self.in_service(name)) < size:
            assert time.monotonic() < end
            time.sleep(0.02)
        return [self.worker(one, name) for one in found]

    def in_service(self, group):
        """Return who is in service in a group."""
        (told,) = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
        return [one["InstanceId"] for one in told["Instances"] if one["LifecycleState"] == "InService"]

    def worker(self, instance, group=""):
        """Return an instance by its id."""
        told = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        return Worker(instance, told["PrivateDnsName"], told["PrivateIpAddress"], group)

    def alone(self):
        """Launch an instance that is in no group, though it says so itself."""
        tags = [{"Key": "kubecfn:cluster", "Value": CLUSTER}]
        told = self.ec2.run_instances(
            ImageId="ami-12345678",
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnet,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return self.worker(told["Instances"][0]["InstanceId"])


# Not the session's: an embedded AWS is alone in its process, and other folders have theirs.
@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """One account for a file's tests."""
    folder = tmp_path_factory.mktemp("aws")
    with EmbeddedAws(workdir=folder, clock=ScaledClock(400), machines=NoMachines()) as aws:
        yield Account(aws)


@pytest.fixture(scope="module")
def workers(account):
    """Two workers of the cluster that nothing happens to."""
    return account.group(2)


@pytest.fixture
def clock():
    """A clock that a test sets."""
    return Clock()


class Kubelets:
    """What kubelets, and those who would like to be one, ask of a real API server."""

    def __init__(self, server):
        self.server, self.admin = server, server.admin
        self._clients = {}

    def client(self, user, *groups):
        """Return a client of a user, made once."""
        if (user, groups) not in self._clients:
            self._clients[user, groups] = self.server.client(user, *groups)
        return self._clients[user, groups]

    def session(self, instance):
        """Return a client with the name that the authenticator gives to a session of the workers' role."""
        return self.client(f"aws:{ACCOUNT}:instance:{instance}", JOINERS)

    def node(self, instance):
        """Return a client with a node's certificate."""
        return self.client(f"system:node:{instance}", "system:nodes")

    def asks(self, client, request, signer="kubernetes.io/kube-apiserver-client-kubelet", usages=None):
        """Send a request; return its name."""
        name = f"csr-{next(_NUMBERS)}"
        spec = {"request": base64.b64encode(request).decode(), "signerName": signer}
        spec["usages"] = usages or USAGES.get(signer, ["client auth"])
        client.create(REQUESTS, {"metadata": {"name": name}, "spec": spec})
        return name

    def serves(self, worker, names=(), addresses=()):
        """Ask for a worker's serving certificate, by its own certificate; return the request's name."""
        request = pem(worker.common_name, names=names, addresses=addresses)
        return self.asks(self.node(worker.id), request, "kubernetes.io/kubelet-serving")

    def answer(self, name):
        """Return a request's answer: its kind and words; None while there is none."""
        conditions = self.admin.get(f"{REQUESTS}/{name}")["status"].get("conditions") or [None]
        (condition,) = conditions
        return condition and (condition["type"], condition["message"])

    def certificate(self, name):
        """Return the certificate that was issued for a request; None while there is none."""
        issued = self.admin.get(f"{REQUESTS}/{name}")["status"].get("certificate")
        return issued and x509.load_pem_x509_certificate(base64.b64decode(issued))

    def registered(self, worker, *, ready="True", renewed=0.0):
        """Let a node be there, as its kubelet keeps it; `renewed`: seconds since its lease was."""
        at = datetime.fromtimestamp(time.time() - renewed, UTC).isoformat(timespec="microseconds")
        lease = {"metadata": {"name": worker.id}, "spec": {"renewTime": at.replace("+00:00", "Z")}}
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        self.gone(worker)
        self.admin.create("/api/v1/nodes", {"metadata": {"name": worker.id}})
        condition = {"type": "Ready", "status": ready, "reason": "x", "message": "x"}
        self.admin.patch(f"/api/v1/nodes/{worker.id}/status", {"status": {"conditions": [condition]}})
        self.admin.create(leases, lease)

    def gone(self, worker):
        """Let a node not be there."""
        for path in ("/api/v1/nodes", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"):
            try:
                self.admin.delete(f"{path}/{worker.id}")
            except KubernetesError as error:
                assert error.status == 404


@pytest.fixture(scope="module")
def signer(kubelets):
    """The real controller that signs what is approved, and that Kubernetes itself would approve by."""
    server = kubelets.server
    key = server.folder / "ca.key"
    key.write_bytes(key_file(server.authority.key).data)
    flags = {
        "kubeconfig": server.kubeconfig(server.folder / "signer.conf", "signer", "system:masters"),
        "controllers": "certificatesigningrequest-signing-controller,certificatesigningrequest-approving-controller",
        "cluster-signing-cert-file": server.ca,
        "cluster-signing-key-file": key,
        "leader-elect": "false",
        "secure-port": "0",
    }
    command = [server.programs / "kube-controller-manager", *(f"--{name}={value}" for name, value in flags.items())]
    with (server.folder / "signer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=server.folder)
    yield
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def kubelets():
    """The API server, with the one right that those who join need."""
    with running() as server:
        role = {"kind": "ClusterRole", "name": "system:node-bootstrapper", "apiGroup": "rbac.authorization.k8s.io"}
        group = {"kind": "Group", "name": JOINERS, "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "joiners"}, "roleRef": role, "subjects": [group]}
        server.admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        yield Kubelets(server)
