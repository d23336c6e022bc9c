"""IAM roles for people: each is for one kind of access to the Kubernetes API, and may do nothing in AWS."""

from __future__ import annotations

from awacs.aws import Allow, PolicyDocument, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import GetAtt, Output, Sub, Template, iam

from kubecfn.config import Config
from kubecfn.config.contents import Access
from kubecfn.node.here import ACCESS_ROLE_TAG
from kubecfn.template.tags import role

_ACCOUNT = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"


def add_access(template: Template, config: Config) -> dict[str, GetAtt]:
    """Add a role for each access of the configuration, its ARN as an output, and return `access_tags`."""
    for access in config.access:
        name = role_id(access)
        template.add_resource(
            iam.Role(
                name,
                Description=f"Kubernetes access {access.name} to {config.name}; no rights in AWS",
                AssumeRolePolicyDocument=_trust(access),
                Metadata=role(f"Whoever assumes it is of the Kubernetes group of access {access.name}."),
            )
        )
        told = f"Role of whoever has access {access.name} to the Kubernetes API"
        template.add_output(Output(output_name(access), Description=told, Value=GetAtt(name, "Arn")))
    return access_tags(config)


def access_tags(config: Config) -> dict[str, GetAtt]:
    """Return the tags by which a controller finds the roles: by the tag's key, the role's ARN."""
    return {f"{ACCESS_ROLE_TAG}{access.name}": GetAtt(role_id(access), "Arn") for access in config.access}


def role_id(access: Access) -> str:
    """Return the role's name in the template: ``AccessOnCallRole`` for on-call."""
    return f"Access{access.title}Role"


def output_name(access: Access) -> str:
    """Return the name of the output that holds the role's ARN: ``AccessOnCallRoleArn`` for on-call."""
    return f"{role_id(access)}Arn"


def _trust(access: Access) -> PolicyDocument:
    """Return who may assume the role; the account itself means whoever its own policies let.

    Source: IAM, "AWS JSON policy elements: Principal", section "AWS account principals".
    """
    who = [Sub(_anywhere(principal)) for principal in access.principals] or [Sub(_ACCOUNT)]
    trust = Statement(Effect=Allow, Action=[AssumeRole], Principal=Principal("AWS", who))
    return PolicyDocument(Version="2012-10-17", Statement=[trust])


def _anywhere(arn: str) -> str:
    """Return an ARN that is true in every partition."""
    return "arn:${AWS::Partition}:" + arn.split(":", 2)[2]
