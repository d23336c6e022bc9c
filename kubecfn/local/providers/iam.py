"""The resource types of IAM: roles, policies, instance profiles, users."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any, ClassVar

from kubecfn.local.providers.resource import Aws, Resource, absent_is_fine, changed, pick, random_part
from kubecfn.local.providers.seam import Properties

_SHARED = ("ManagedPolicyArns", "PermissionsBoundary", "Policies", "Tags")


class _Principal(Resource):
    """What a role and a user share: inline policies, managed policies, a boundary, tags."""

    kind: ClassVar[str]

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        me = {f"{self.kind}Name": physical_id}
        self._settle_inline(aws, me, old, new)
        before, after = set(old.get("ManagedPolicyArns", ())), set(new.get("ManagedPolicyArns", ()))
        for verb, arns in (("Detach", before - after), ("Attach", after - before)):
            for arn in sorted(arns):
                aws.call("iam", f"{verb}{self.kind}Policy", **me, PolicyArn=arn)
        if changed(old, new, "PermissionsBoundary"):
            boundary = new.get("PermissionsBoundary")
            verb = "Put" if boundary else "Delete"
            aws.call("iam", f"{verb}{self.kind}PermissionsBoundary", **me, PermissionsBoundary=boundary)
        aws.retag("iam", me, old, new, (f"Tag{self.kind}", f"Untag{self.kind}"))

    def _settle_inline(self, aws: Aws, me: dict[str, str], old: Properties, new: Properties) -> None:
        before, after = (
            {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", ())}
            for properties in (old, new)
        )
        for name in sorted(set(before) - set(after)):
            aws.call("iam", f"Delete{self.kind}Policy", **me, PolicyName=name)
        for name, document in after.items():
            if changed(before, after, name):
                aws.call("iam", f"Put{self.kind}Policy", **me, PolicyName=name, PolicyDocument=document)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("iam", f"Get{self.kind}", **{f"{self.kind}Name": physical_id})[self.kind]
        return {name: found[name] for name in self.gives}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        me = {f"{self.kind}Name": physical_id}
        for policy in properties.get("Policies", ()):
            with absent_is_fine():
                aws.call("iam", f"Delete{self.kind}Policy", **me, PolicyName=policy["PolicyName"])
        for arn in properties.get("ManagedPolicyArns", ()):
            with absent_is_fine():
                aws.call("iam", f"Detach{self.kind}Policy", **me, PolicyArn=arn)
        aws.call("iam", f"Delete{self.kind}", **me)


class Role(_Principal):
    """A role. Deletion is refused while a policy of another owner or an instance profile holds it, as on AWS."""

    type = "AWS::IAM::Role"
    kind = "Role"
    fixed = ("Path", "RoleName")
    accepts = (*fixed, *_SHARED, "AssumeRolePolicyDocument", "Description", "MaxSessionDuration")
    gives = ("Arn", "RoleId")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, "AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Path")
        name = properties.get("RoleName") or aws.name(24, 24)
        return str(aws.call("iam", "CreateRole", RoleName=name, **given)["Role"]["RoleName"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "AssumeRolePolicyDocument"):
            document = new["AssumeRolePolicyDocument"]
            aws.call("iam", "UpdateAssumeRolePolicy", RoleName=physical_id, PolicyDocument=document)
        if old and changed(old, new, "Description", "MaxSessionDuration"):
            given = {
                "Description": new.get("Description", ""),
                "MaxSessionDuration": new.get("MaxSessionDuration", 3600),
            }
            aws.call("iam", "UpdateRole", RoleName=physical_id, **given)
        super().settle(aws, physical_id, old, new)


class User(_Principal):
    """A user without a password."""

    type = "AWS::IAM::User"
    kind = "User"
    fixed = ("Path", "UserName")
    accepts = (*fixed, *_SHARED)
    gives = ("Arn",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("UserName") or aws.name(24, 24)
        return str(aws.call("iam", "CreateUser", UserName=name, **pick(properties, "Path"))["User"]["UserName"])


class Policy(Resource):
    """An inline policy put on roles and users; all of it changes in place."""

    type = "AWS::IAM::Policy"
    accepts = ("PolicyDocument", "PolicyName", "Roles", "Users")
    gives = ("Id",)

    def make(self, aws: Aws, properties: Properties) -> str:
        return f"{aws.context.stack_name[:5]}-{aws.context.logical_id[:4]}-{random_part()}"

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        renamed = changed(old, new, "PolicyName")
        self._take_off(aws, old, {} if renamed else new)
        put_all = renamed or changed(old, new, "PolicyDocument")
        for kind in ("Role", "User"):
            before = set(old.get(f"{kind}s", ()))
            for name in new.get(f"{kind}s", ()):
                if put_all or name not in before:
                    given = pick(new, "PolicyName", "PolicyDocument")
                    aws.call("iam", f"Put{kind}Policy", **{f"{kind}Name": name}, **given)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        self._take_off(aws, properties, {})

    def _take_off(self, aws: Aws, old: Properties, new: Properties) -> None:
        for kind in ("Role", "User"):
            for name in sorted(set(old.get(f"{kind}s", ())) - set(new.get(f"{kind}s", ()))):
                with absent_is_fine():
                    aws.call("iam", f"Delete{kind}Policy", **{f"{kind}Name": name}, PolicyName=old["PolicyName"])


class ManagedPolicy(Resource):
    """A managed policy; a changed document becomes the new and only version."""

    type = "AWS::IAM::ManagedPolicy"
    fixed = ("Description", "ManagedPolicyName", "Path")
    accepts = (*fixed, "PolicyDocument", "Roles", "Users")
    gives = ("DefaultVersionId", "PolicyArn", "PolicyId")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("ManagedPolicyName") or aws.name(50, 50)
        given = pick(properties, "Description", "Path", "PolicyDocument")
        return str(aws.call("iam", "CreatePolicy", PolicyName=name, **given)["Policy"]["Arn"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "PolicyDocument"):
            document = new["PolicyDocument"]
            aws.call("iam", "CreatePolicyVersion", PolicyArn=physical_id, PolicyDocument=document, SetAsDefault=True)
            self._drop_old_versions(aws, physical_id)
        for kind in ("Role", "User"):
            before, after = set(old.get(f"{kind}s", ())), set(new.get(f"{kind}s", ()))
            for verb, names in (("Detach", before - after), ("Attach", after - before)):
                for name in sorted(names):
                    aws.call("iam", f"{verb}{kind}Policy", **{f"{kind}Name": name}, PolicyArn=physical_id)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        policy = aws.call("iam", "GetPolicy", PolicyArn=physical_id)["Policy"]
        return {"PolicyArn": physical_id, **pick(policy, "DefaultVersionId", "PolicyId")}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        for kind in ("Role", "User"):
            for name in properties.get(f"{kind}s", ()):
                with absent_is_fine():
                    aws.call("iam", f"Detach{kind}Policy", **{f"{kind}Name": name}, PolicyArn=physical_id)
        with absent_is_fine():
            self._drop_old_versions(aws, physical_id)
        aws.call("iam", "DeletePolicy", PolicyArn=physical_id)

    def _drop_old_versions(self, aws: Aws, arn: str) -> None:
        for version in aws.call("iam", "ListPolicyVersions", PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                aws.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version["VersionId"])


class InstanceProfile(Resource):
    """An instance profile; its one role can be exchanged in place."""

    type = "AWS::IAM::InstanceProfile"
    fixed = ("InstanceProfileName", "Path")
    accepts = (*fixed, "Roles")
    gives = ("Arn",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("InstanceProfileName") or aws.name(50, 50)
        answer = aws.call("iam", "CreateInstanceProfile", InstanceProfileName=name, **pick(properties, "Path"))
        return str(answer["InstanceProfile"]["InstanceProfileName"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        before, after = set(old.get("Roles", ())), set(new.get("Roles", ()))
        for verb, names in (("RemoveRoleFrom", before - after), ("AddRoleTo", after - before)):
            for name in sorted(names):
                aws.call("iam", f"{verb}InstanceProfile", InstanceProfileName=physical_id, RoleName=name)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        found = aws.call("iam", "GetInstanceProfile", InstanceProfileName=physical_id)
        return {"Arn": found["InstanceProfile"]["Arn"]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        with absent_is_fine():
            for role in aws.call("iam", "GetInstanceProfile", InstanceProfileName=physical_id)["InstanceProfile"][
                "Roles"
            ]:
                aws.call(
                    "iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=physical_id, RoleName=role["RoleName"]
                )
        aws.call("iam", "DeleteInstanceProfile", InstanceProfileName=physical_id)


class ServiceLinkedRole(Resource):
    """A service-linked role."""

    type = "AWS::IAM::ServiceLinkedRole"
    fixed = ("AWSServiceName", "CustomSuffix")
    accepts = (*fixed, "Description")
    gives = ("RoleName",)
    makes = ("iam", "CreateServiceLinkedRole", "Role.RoleName")
    deletes = ("iam", "DeleteServiceLinkedRole", "RoleName")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if changed(old, new, "Description"):
            aws.call("iam", "UpdateRoleDescription", RoleName=physical_id, Description=new.get("Description", ""))
