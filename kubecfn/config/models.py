"""What a user may ask for: one closed, typed model per section of the configuration file, every default visible."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubecfn.config.addons import AddOns
from kubecfn.config.contents import Access, Chart, FilePath, FlagName, FlagValue, Namespace
from kubecfn.config.types import (
    AmiId,
    BucketName,
    Cidr,
    Domain,
    Duration,
    FullVersion,
    InstanceType,
    LabelKey,
    LabelValue,
    Name,
    Part,
    PoolName,
    Region,
    SsmPath,
    SubnetId,
    TopicArn,
    VersionText,
    VpcId,
    ZoneId,
    ZoneName,
    architecture_of,
)
from kubecfn.versions import DEFAULT_KUBERNETES

Architecture = Literal["x86_64", "arm64"]
Tenancy = Literal["default", "dedicated"]
VolumeType = Literal["gp3", "gp2", "io1", "io2"]
# CloudWatch Logs: PutRetentionPolicy, retentionInDays; the ones a cluster's log would want.
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class Dns(Part):
    """The cluster's own hosted zone: public under a parent zone, or private."""

    parent_zone: Domain | None = None
    """Name of the public hosted zone under which the cluster's zone is delegated."""
    parent_zone_id: ZoneId | None = None
    """ID of that zone, instead of or beside its name."""
    private: bool = False
    """A private zone, seen from the cluster's VPC only; needs `domain`."""
    domain: Domain | None = None
    """The cluster's domain; default NAME.PARENT_ZONE."""


class SubnetRef(Part):
    """One existing subnet, by ID or by its Name tag."""

    id: SubnetId | None = None
    """Its ID."""
    name: str | None = Field(default=None, min_length=1, max_length=255)
    """Its Name tag; one subnet of the VPC must have it."""
    zone: ZoneName | None = None
    """Its availability zone; looked up when it is not given."""


class ExistingVpc(Part):
    """An existing VPC, by ID, by its Name tag or by tags, with the subnets to use."""

    id: VpcId | None = None
    """Its ID."""
    name: str | None = Field(default=None, min_length=1, max_length=255)
    """Its Name tag; one VPC of the region must have it."""
    tags: dict[str, str] = Field(default_factory=dict, max_length=10)
    """Tags that one VPC of the region must have, all of them."""
    cidr: Cidr | None = None
    """Its IPv4 network; looked up when it is not given."""
    private_subnets: tuple[SubnetRef, ...] = Field(min_length=1, max_length=6)
    """Where controllers and pools run; one for each zone."""
    public_subnets: tuple[SubnetRef, ...] = Field(default=(), max_length=6)
    """Where an internet-facing API load balancer stands."""


class Network(Part):
    """A new VPC, or an existing one."""

    cidr: Cidr = "10.20.0.0/16"
    """The new VPC's network, /16 to /22."""
    zones: Annotated[int, Field(ge=1, le=6)] | Annotated[tuple[ZoneName, ...], Field(min_length=1, max_length=6)] = 3
    """How many availability zones, or their names."""
    egress: Literal["nat", "existing", "isolated"] | None = None
    """How nodes reach the internet; default nat for a new VPC, existing for an existing one."""
    nat_gateways: Literal["per-zone", "one"] = "per-zone"
    """One NAT gateway for each zone, or one for all (cheaper; its zone's outage is everybody's)."""
    vpc: ExistingVpc | None = None
    """Use this one instead of making one."""
    pod_cidr: Cidr = "10.244.0.0/16"
    """Addresses of pods, seen inside the cluster only."""
    service_cidr: Cidr = "10.96.0.0/16"
    """Addresses of services, seen inside the cluster only."""


class Api(Part):
    """The Kubernetes API's load balancer."""

    exposure: Literal["internal", "internet-facing"] = "internal"
    """Whether the load balancer has private or public addresses."""
    allowed_cidrs: tuple[Cidr, ...] | None = Field(default=None, min_length=1, max_length=50)
    """Who may reach port 6443; default the VPC's own network. An internet-facing API has no default."""
    extra_sans: tuple[Domain, ...] = Field(default=(), max_length=20)
    """Further names in the API server's certificate."""


class Volume(Part):
    """A node's root volume."""

    size: int = Field(default=100, ge=20, le=16384)
    """GiB."""
    type: VolumeType = "gp3"
    """EBS volume type."""
    iops: int | None = Field(default=None, ge=100, le=64000)
    """I/O operations a second; default the volume type's own."""
    throughput: int | None = Field(default=None, ge=125, le=1000)
    """MiB/s, gp3 only."""
    kms_key: str | None = Field(default=None, min_length=1, max_length=2048)
    """ARN of a customer-managed key; default the account's own EBS key."""


class Controllers(Part):
    """The control plane: one group of identical instances across the zones."""

    count: Literal[1, 3, 5] = 3
    """How many; an even number would tolerate no more failures than one less."""
    instance_type: InstanceType = "m7i.large"
    """EC2 instance type; it decides the architecture."""
    tenancy: Tenancy = "default"
    """dedicated: on hardware that no other account uses."""
    volume: Volume = Field(default_factory=Volume)
    """Root volume of each."""
    signal_timeout: Duration = "15m"
    """How long CloudFormation waits for a new controller's success signal."""
    api_server_flags: dict[FlagName, FlagValue] = Field(default_factory=dict, max_length=50)
    """Further flags of kube-apiserver; those that kubecfn sets itself are refused."""

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``arm64``, read off the instance type."""
        return architecture_of(self.instance_type)


class Taint(Part):
    """A Kubernetes taint."""

    key: LabelKey
    """Its key."""
    value: LabelValue = ""
    """Its value; may be empty."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """What happens to pods that do not tolerate it."""


class Pool(Part):
    """One pool of workers: its own auto scaling group, or one group for each zone."""

    name: PoolName
    """Unique in the cluster."""
    instance_types: tuple[InstanceType, ...] = Field(default=("m7i.large",), min_length=1, max_length=20)
    """All of one architecture; several make a mixed group."""
    min: int = Field(default=1, ge=0, le=1000)
    """Fewest workers in each group."""
    max: int = Field(default=3, ge=0, le=1000)
    """Most workers in each group."""
    spot: bool = False
    """Spot instances instead of on-demand ones."""
    on_demand_base: int = Field(default=0, ge=0, le=1000)
    """With spot: so many on-demand instances first."""
    zones: Literal["all", "each"] | Annotated[tuple[ZoneName, ...], Field(min_length=1, max_length=6)] = "all"
    """One group over all zones, one group for each zone, or one group over the named zones."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=50)
    """Kubernetes labels of its nodes."""
    taints: tuple[Taint, ...] = Field(default=(), max_length=50)
    """Kubernetes taints of its nodes."""
    tenancy: Tenancy = "default"
    """dedicated: on hardware that no other account uses."""
    volume: Volume = Field(default_factory=Volume)
    """Root volume of each."""
    batch: int = Field(default=1, ge=1, le=100)
    """How many workers a roll replaces at a time."""
    signal_timeout: Duration = "15m"
    """How long CloudFormation waits for a new worker's success signal."""

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``arm64``, read off the first instance type."""
        return architecture_of(self.instance_types[0])


class Image(Part):
    """The pre-baked image, by AMI ID or by the SSM parameter that holds it, for each architecture in use."""

    ami: dict[Architecture, AmiId] = Field(default_factory=dict)
    """AMI ID for each architecture."""
    ssm: dict[Architecture, SsmPath] = Field(default_factory=dict)
    """Read once when the template is emitted; the ID found stands in the template."""


class Backup(Part):
    """etcd snapshots in S3."""

    every: Duration = "5m"
    """How often a snapshot is taken, when something has changed."""
    keep: Duration = "48h"
    """How long every snapshot is kept."""
    daily: Duration = "30d"
    """How long one snapshot a day is kept."""


class Artifacts(Part):
    """Where bundles and function zips are uploaded."""

    bucket: BucketName = "auto"
    """auto: kubecfn's own bucket stack, one for each account and region; or an existing bucket's name."""
    kms_key: str | None = Field(default=None, min_length=1, max_length=2048)
    """ARN of the key that encrypts them; required with an existing bucket."""


class Notifications(Part):
    """Who is told when an alarm is raised."""

    topic: TopicArn | None = None
    """ARN of an SNS topic of this region; without one the alarms are raised and nobody is told."""


class Pki(Part):
    """The offline authorities."""

    keys: Literal["P-256", "RSA"] = "P-256"
    """What authorities and certificates are made of; the service-account key is RSA always."""


class Config(Part):
    """One cluster."""

    name: Name
    """Names the stack and everything in it; cannot be changed later."""
    region: Region
    """AWS region; decides the partition."""
    kubernetes: VersionText = DEFAULT_KUBERNETES
    """Version, or minor version for its newest known patch."""
    etcd: FullVersion | None = None
    """Default: the version table's own for this Kubernetes minor."""
    dns: Dns
    """The cluster's own hosted zone."""
    network: Network = Field(default_factory=Network)
    """Where the cluster stands."""
    api: Api = Field(default_factory=Api)
    """Who reaches the Kubernetes API."""
    controllers: Controllers = Field(default_factory=Controllers)
    """The control plane."""
    pools: tuple[Pool, ...] = Field(default=(), max_length=50)
    """Groups of workers."""
    kubelet_flags: dict[FlagName, FlagValue] = Field(default_factory=dict, max_length=50)
    """Further flags of every node's kubelet; those that kubecfn sets itself are refused."""
    addons: AddOns = Field(default_factory=AddOns)
    """What is applied to every cluster."""
    namespaces: tuple[Namespace, ...] = Field(default=(), max_length=200)
    """Namespaces that the cluster shall have."""
    manifests: tuple[FilePath, ...] = Field(default=(), max_length=200)
    """YAML files with Kubernetes objects, or patterns (`apps/*.yaml`), beside the configuration; applied, and deleted when they go."""
    charts: tuple[Chart, ...] = Field(default=(), max_length=50)
    """Helm charts."""
    access: tuple[Access, ...] = Field(default=(), max_length=20)
    """IAM roles for access to the Kubernetes API."""
    image: Image = Field(default_factory=Image)
    """What nodes boot from."""
    backup: Backup = Field(default_factory=Backup)
    """etcd snapshots."""
    artifacts: Artifacts = Field(default_factory=Artifacts)
    """Where bundles and function zips are."""
    notifications: Notifications = Field(default_factory=Notifications)
    """Who is told when an alarm is raised."""
    pki: Pki = Field(default_factory=Pki)
    """What keys are made of."""
    log_retention_days: RetentionDays = 30
    """How long CloudWatch Logs keeps what nodes and functions write."""
    termination_protection: bool = True
    """Whether CloudFormation refuses to delete the stack; `kubecfn delete` lifts it."""
    tags: dict[str, str] = Field(default_factory=dict, max_length=40)
    """Put on the stack and so on everything in it that takes tags."""

    @property
    def partition(self) -> str:
        """``aws``, ``aws-us-gov`` or ``aws-cn``."""
        if self.region.startswith("us-gov-"):
            return "aws-us-gov"
        return "aws-cn" if self.region.startswith("cn-") else "aws"

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures in use, sorted."""
        return tuple(sorted({self.controllers.architecture, *(pool.architecture for pool in self.pools)}))

    @property
    def egress(self) -> str:
        """``nat``, ``existing`` or ``isolated``, the default filled in."""
        return self.network.egress or ("existing" if self.network.vpc else "nat")
