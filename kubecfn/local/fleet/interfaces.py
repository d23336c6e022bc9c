"""Network interfaces of functions in a VPC, made and deleted in the name of their role, as Lambda does.

Source: Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC". Lambda shares interfaces among
functions and deletes them up to 40 minutes after the last one; here each function has its own, and they go with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.api import Answer, Call, Handler, PassOnError, ServiceError
from kubecfn.local.fleet.environments import RoleClients
from kubecfn.local.fleet.functions import short_name
from kubecfn.local.world import World

# Region, function name -> GetFunctionConfiguration's answer.
ConfigurationOf = Callable[[str, str], dict[str, Any]]
_DESCRIPTION = "AWS Lambda VPC ENI-{}"


def operations(world: World, configuration_of: ConfigurationOf) -> dict[tuple[str, str], Handler]:
    """Return what happens before moto makes, changes or deletes a function."""
    interfaces = _Interfaces(world)
    return {
        ("lambda", "CreateFunction"): partial(_create, interfaces),
        ("lambda", "UpdateFunctionConfiguration"): partial(_update, interfaces, configuration_of),
        ("lambda", "DeleteFunction"): partial(_delete, interfaces, configuration_of),
    }


class _Interfaces:
    """Makes and deletes interfaces as a function's role."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients = RoleClients()

    def make(self, call: Call, name: str, role: str, vpc: Mapping[str, Any]) -> None:
        """Make one interface in each subnet.

        Raises:
            ServiceError: the role may not, or a subnet or security group is not there.
        """
        subnets = list(vpc.get("SubnetIds") or ())
        if not subnets:
            return
        ec2 = self._ec2(call.region, role)
        try:
            ec2.describe_subnets(SubnetIds=subnets)
            for subnet in subnets:
                ec2.create_network_interface(
                    SubnetId=subnet, Groups=list(vpc["SecurityGroupIds"]), Description=_DESCRIPTION.format(name)
                )
            ec2.describe_network_interfaces(Filters=_of(name))
        except ClientError as error:
            raise ServiceError("InvalidParameterValueException", _words(error)) from error

    def delete(self, call: Call, name: str, role: str) -> None:
        """Delete a function's interfaces.

        Raises:
            ServiceError: the role may not.
        """
        ec2 = self._ec2(call.region, role)
        try:
            for found in ec2.describe_network_interfaces(Filters=_of(name))["NetworkInterfaces"]:
                ec2.delete_network_interface(NetworkInterfaceId=found["NetworkInterfaceId"])
        except ClientError as error:
            raise ServiceError("InvalidParameterValueException", _words(error)) from error

    def _ec2(self, region: str, role: str) -> Any:
        # The service's own sessions are named so, the code's after the function: only these carry lambda:SourceFunctionArn.
        sts = self._world.client("sts", region)
        try:
            keys = sts.assume_role(RoleArn=role, RoleSessionName="awslambda_1")["Credentials"]
        except ClientError as error:
            words = "The role defined for the function cannot be assumed by Lambda."
            raise ServiceError("InvalidParameterValueException", words) from error
        return self._clients("ec2", region, self._world.endpoint(), keys)


def _create(interfaces: _Interfaces, call: Call) -> Answer:
    vpc = call.params.get("VpcConfig") or {}
    interfaces.make(call, str(call.params["FunctionName"]), str(call.params["Role"]), vpc)
    raise PassOnError


def _update(interfaces: _Interfaces, configuration_of: ConfigurationOf, call: Call) -> Answer:
    name = short_name(str(call.params["FunctionName"]))
    found = configuration_of(call.region, name)
    wanted = call.params.get("VpcConfig")
    if wanted is not None and _places(wanted) != _places(found.get("VpcConfig")):
        role = str(call.params.get("Role") or found["Role"])
        if _places(found.get("VpcConfig")):
            interfaces.delete(call, name, role)
        interfaces.make(call, name, role, wanted)
    raise PassOnError


def _delete(interfaces: _Interfaces, configuration_of: ConfigurationOf, call: Call) -> Answer:
    name = short_name(str(call.params["FunctionName"]))
    found = configuration_of(call.region, name)
    if _places(found.get("VpcConfig")):
        interfaces.delete(call, name, str(found["Role"]))
    raise PassOnError


def _places(vpc: Mapping[str, Any] | None) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    if not vpc or not vpc.get("SubnetIds"):
        return None
    return tuple(sorted(vpc["SubnetIds"])), tuple(sorted(vpc.get("SecurityGroupIds", ())))


def _of(name: str) -> list[dict[str, Any]]:
    return [{"Name": "description", "Values": [_DESCRIPTION.format(name)]}]


def _words(error: ClientError) -> str:
    if error.response["Error"]["Code"] == "UnauthorizedOperation":
        return f"The provided execution role does not have permissions to call {error.operation_name} on EC2"
    return str(error.response["Error"]["Message"])
