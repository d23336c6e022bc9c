"""The stack that bakes images: for each architecture a pipeline of EC2 Image Builder, and where its result is kept.

What Image Builder calls a version is of the content (`kubecfn.image.document.version_of`): components and recipes cannot
be changed, so that another lock makes new ones, and a roll back finds the old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from awacs.aws import Action, Allow, PolicyDocument, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import GetAtt, Output, Ref, Sub, Template, iam, imagebuilder, logs

from kubecfn.image.document import fetch_document, files_document, install_document, version_of
from kubecfn.image.lock import Lock
from kubecfn.template.node_role import EC2_SERVICE
from kubecfn.template.tags import role
from kubecfn.versions import Versions

# The one path below which Image Builder's own role may keep what it made (AWSServiceRoleForImageBuilder, version 27).
PARAMETERS = "/imagebuilder/kubecfn"
# Amazon's own parameters with the newest image, in every partition (Amazon Linux 2023 User Guide, "Launching an instance").
_PARENT = "ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
# Long enough to build in, small enough to try again cheaply; of both kinds there is one in nearly every region.
_INSTANCE_TYPES = MappingProxyType({"x86_64": ("m7i.large", "m6i.large"), "arm64": ("m7g.large", "m6g.large")})
_NAMES = MappingProxyType({"x86_64": "X86", "arm64": "Arm64"})
# The smallest root volume that a configuration can ask for: no larger snapshot would fit on it.
_GIB = 20
_LOG_DAYS = 30
_TESTS_MINUTES = 60


@dataclass(frozen=True)
class Bake:
    """What is to be baked.

    Attributes:
        versions: of Kubernetes and what goes with it.
        architectures: EC2's names.
        lock: what may be put in.
        subnet: where the building instance runs; empty is the default VPC.
        security_groups: of the building instance; it needs the way out only.
        tags: of everything that takes tags, images too.
    """

    versions: Versions
    architectures: tuple[str, ...]
    lock: Lock
    subnet: str = ""
    security_groups: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The Kubernetes minor."""
        return self.versions.kubernetes.line

    @property
    def stack(self) -> str:
        """The stack's name: one for each minor, account and region."""
        return f"kubecfn-image-{self.line.replace('.', '-')}"

    def name(self, what: str) -> str:
        """Return a name as Image Builder takes it: without dots and underscores."""
        return f"kubecfn-{self.line}-{what}".replace(".", "-").replace("_", "-")

    def parameter(self, architecture: str) -> str:
        """Return the parameter that holds the newest image's ID: what ``image: {ssm: …}`` reads."""
        return f"{PARAMETERS}/{self.line}/{architecture}"


def pipeline_output(architecture: str) -> str:
    """Return the name of the stack's output with the ARN of an architecture's pipeline."""
    return f"Pipeline{_NAMES[architecture]}"


def build_image(bake: Bake) -> Template:
    """Return the template; it has no parameters: another wish is another recipe.

    Raises:
        KubecfnError: the lock lacks something.
    """
    template = Template(Description=f"kubecfn: machine images for nodes of Kubernetes {bake.line}")
    template.set_version()
    fetch = _component(template, bake, "FetchComponent", "fetch", fetch_document(), "Lays the program that fetches.")
    install = _component(
        template, bake, "InstallComponent", "install", install_document(bake.versions), "Lays what was fetched."
    )
    components = [fetch, install]
    profile = _add_profile(template, bake)
    for architecture in bake.architectures:
        _add_pipeline(template, bake, architecture, components, profile)
    return template


@dataclass(frozen=True)
class _Component:
    """A component and what its version was made of."""

    arn: Ref
    text: str


def _component(  # noqa: PLR0917  each is one word of one resource
    template: Template, bake: Bake, title: str, what: str, text: str, purpose: str
) -> _Component:
    made = template.add_resource(
        imagebuilder.Component(
            title,
            Name=bake.name(what),
            Version=version_of(bake.line, text),
            Platform="Linux",
            SupportedOsVersions=["Amazon Linux 2023"],
            Data=text,
            Tags=dict(bake.tags),
            Metadata=role(purpose),
        )
    )
    return _Component(Ref(made), text)


def _add_profile(template: Template, bake: Bake) -> iam.InstanceProfile:
    """Add what the building instance may: be managed by Systems Manager, read our components, write its log.

    Source: EC2 Image Builder User Guide, "Prerequisites", IAM; the managed policy EC2InstanceProfileForImageBuilder, of
    which these are the parts that are used.
    """
    own = "arn:${AWS::Partition}:imagebuilder:${AWS::Region}:${AWS::AccountId}:component"
    kept = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/imagebuilder"
    rights = [
        Statement(
            Sid="ReadComponents",
            Effect=Allow,
            Action=[Action("imagebuilder", "GetComponent")],
            Resource=[Sub(f"{own}/{bake.name('*')}")],
        ),
        Statement(
            Sid="ReadBuildAgent",
            Effect=Allow,
            Action=[Action("s3", "GetObject")],
            Resource=[Sub("arn:${AWS::Partition}:s3:::ec2imagebuilder*")],
        ),
        Statement(
            Sid="WriteLog",
            Effect=Allow,
            Action=[
                Action("logs", "CreateLogGroup"),
                Action("logs", "CreateLogStream"),
                Action("logs", "PutLogEvents"),
            ],
            Resource=[Sub(f"{kept}/{bake.name('*')}")],
        ),
    ]
    trust = Statement(Effect=Allow, Principal=Principal("Service", [EC2_SERVICE]), Action=[AssumeRole])
    owner = template.add_resource(
        iam.Role(
            "BuilderRole",
            AssumeRolePolicyDocument=PolicyDocument(Version="2012-10-17", Statement=[trust]),
            ManagedPolicyArns=[Sub("arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore")],
            Policies=[
                iam.Policy(PolicyName="build", PolicyDocument=PolicyDocument(Version="2012-10-17", Statement=rights))
            ],
            Metadata=role("What the instance on which an image is built may do."),
        )
    )
    return template.add_resource(
        iam.InstanceProfile(
            "BuilderProfile", Roles=[Ref(owner)], Metadata=role("Gives the building instance its role.")
        )
    )


def _add_pipeline(
    template: Template, bake: Bake, architecture: str, shared: list[_Component], profile: iam.InstanceProfile
) -> None:
    """Add what bakes for one architecture."""
    title = _NAMES[architecture]
    name = bake.name(architecture)
    text = files_document(bake.versions, architecture, bake.lock)
    files = _component(
        template, bake, f"FilesComponent{title}", f"files-{architecture}", text, f"What is put in, for {architecture}."
    )
    fetch, install = shared
    recipe = _recipe(template, bake, architecture, [fetch, files, install])
    log = template.add_resource(
        logs.LogGroup(
            f"BuildLog{title}",
            LogGroupName=f"/aws/imagebuilder/{name}",
            RetentionInDays=_LOG_DAYS,
            Metadata=role("What building says; Image Builder writes to this name."),
        )
    )
    pipeline = template.add_resource(
        imagebuilder.ImagePipeline(
            f"Pipeline{title}",
            Name=name,
            Description=f"Bakes nodes of Kubernetes {bake.line} for {architecture}",
            ImageRecipeArn=Ref(recipe),
            InfrastructureConfigurationArn=Ref(_infrastructure(template, bake, architecture, profile)),
            DistributionConfigurationArn=Ref(_distribution(template, bake, architecture)),
            ImageTestsConfiguration=imagebuilder.ImageTestsConfiguration(
                ImageTestsEnabled=True, TimeoutMinutes=_TESTS_MINUTES
            ),
            EnhancedImageMetadataEnabled=True,
            Status="ENABLED",
            Tags=dict(bake.tags),
            DependsOn=[log.title],
        )
    )
    template.add_output(
        Output(pipeline_output(architecture), Description=f"Bakes for {architecture}", Value=GetAtt(pipeline, "Arn"))
    )
    template.add_output(
        Output(
            f"Parameter{title}",
            Description=f"Holds the ID of the newest image for {architecture}",
            Value=bake.parameter(architecture),
        )
    )


def _recipe(
    template: Template, bake: Bake, architecture: str, components: list[_Component]
) -> imagebuilder.ImageRecipe:
    parent = _PARENT.format(architecture)
    volume = imagebuilder.EbsInstanceBlockDeviceSpecification(
        Encrypted=True, VolumeSize=_GIB, VolumeType="gp3", DeleteOnTermination=True
    )
    tags = {**bake.tags, "kubecfn:kubernetes": str(bake.versions.kubernetes), "kubecfn:etcd": str(bake.versions.etcd)}
    return template.add_resource(
        imagebuilder.ImageRecipe(
            f"Recipe{_NAMES[architecture]}",
            Name=bake.name(architecture),
            Version=version_of(bake.line, parent, str(tags), str(_GIB), *(one.text for one in components)),
            Description=f"Amazon Linux 2023 with Kubernetes {bake.versions.kubernetes} for {architecture}",
            ParentImage=parent,
            Components=[imagebuilder.ComponentConfiguration(ComponentArn=one.arn) for one in components],
            BlockDeviceMappings=[imagebuilder.InstanceBlockDeviceMapping(DeviceName="/dev/xvda", Ebs=volume)],
            AdditionalInstanceConfiguration=imagebuilder.AdditionalInstanceConfiguration(
                SystemsManagerAgent=imagebuilder.SystemsManagerAgent(UninstallAfterBuild=False)
            ),
            AmiTags=tags,
            Tags=dict(bake.tags),
        )
    )


def _infrastructure(
    template: Template, bake: Bake, architecture: str, profile: iam.InstanceProfile
) -> imagebuilder.InfrastructureConfiguration:
    place = {
        **({"SubnetId": bake.subnet} if bake.subnet else {}),
        **({"SecurityGroupIds": list(bake.security_groups)} if bake.security_groups else {}),
    }
    return template.add_resource(
        imagebuilder.InfrastructureConfiguration(
            f"Infrastructure{_NAMES[architecture]}",
            Name=bake.name(architecture),
            Description=f"The instance on which images for {architecture} are built",
            InstanceProfileName=Ref(profile),
            InstanceTypes=list(_INSTANCE_TYPES[architecture]),
            InstanceMetadataOptions=imagebuilder.InstanceMetadataOptions(
                HttpTokens="required", HttpPutResponseHopLimit=1
            ),
            TerminateInstanceOnFailure=True,
            ResourceTags=dict(bake.tags),
            Tags=dict(bake.tags),
            **place,
        )
    )


def _distribution(template: Template, bake: Bake, architecture: str) -> imagebuilder.DistributionConfiguration:
    kubernetes = str(bake.versions.kubernetes)
    named = imagebuilder.AmiDistributionConfiguration(
        Name=f"kubecfn-{kubernetes}-{architecture}-{{{{ imagebuilder:buildDate }}}}",
        Description=f"Amazon Linux 2023 with Kubernetes {kubernetes} for {architecture}",
        AmiTags={**bake.tags, "Name": f"kubecfn-{kubernetes}-{architecture}"},
    )
    kept = imagebuilder.SsmParameterConfiguration(ParameterName=bake.parameter(architecture), DataType="aws:ec2:image")
    where = imagebuilder.Distribution(
        Region=Ref("AWS::Region"), AmiDistributionConfiguration=named, SsmParameterConfigurations=[kept]
    )
    return template.add_resource(
        imagebuilder.DistributionConfiguration(
            f"Distribution{_NAMES[architecture]}",
            Name=bake.name(architecture),
            Description=f"Keeps the ID of the newest image in {bake.parameter(architecture)}",
            Distributions=[where],
            Tags=dict(bake.tags),
        )
    )
