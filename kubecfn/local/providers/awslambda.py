"""Lambda functions and what is attached to them: permissions, retry rules, queues that feed them."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

import io
import zipfile
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from kubecfn.local.providers.resource import Aws, Resource, changed, pick, refusal
from kubecfn.local.providers.seam import Properties
from kubecfn.local.providers.shapes import refuse_others


def code_of(aws: Aws, operation: str, code: Properties) -> Properties:
    """Return the API's Code; inline source becomes a zip with ``index`` in it ("AWS::Lambda::Function Code").

    Raises:
        ClientError: the object is not there or may not be read; Lambda says so when it is called, not later.
    """
    refuse_others(code, ("S3Bucket", "S3Key", "S3ObjectVersion", "ZipFile"), f"{aws.resource_type}.Code")
    if "ZipFile" in code:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
        return {"ZipFile": packed.getvalue()}
    where = {"Bucket": code.get("S3Bucket"), "Key": code.get("S3Key"), "VersionId": code.get("S3ObjectVersion")}
    try:
        aws.call("s3", "GetObject", **where)["Body"].close()
    except ClientError as error:
        told = error.response["Error"]
        message = f"Error occurred while GetObject. S3 Error Code: {told['Code']}. S3 Error Message: {told.get('Message', '')}"
        raise refusal(operation, "InvalidParameterValueException", message) from error
    return code


class Function(Resource):
    """A function; everything but its name and package type changes in place, code and configuration apart."""

    type = "AWS::Lambda::Function"
    _configuration = (
        "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "Handler", "KmsKeyArn", "Layers",
        "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig", "VpcConfig",
    )  # fmt: skip
    # What UpdateFunctionConfiguration needs to be told so that a property left out goes back to AWS's default.
    _defaults: ClassVar[Properties] = {
        "DeadLetterConfig": {"TargetArn": ""}, "Description": "", "Environment": {"Variables": {}},
        "EphemeralStorage": {"Size": 512}, "KmsKeyArn": "", "Layers": [], "LoggingConfig": {"LogFormat": "Text"},
        "MemorySize": 128, "Timeout": 3, "TracingConfig": {"Mode": "PassThrough"},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    }  # fmt: skip
    fixed = ("FunctionName", "PackageType")
    accepts = (*fixed, *_configuration, "Architectures", "Code", "ReservedConcurrentExecutions", "Tags")
    gives = ("Arn",)
    deletes = ("lambda", "DeleteFunction", "FunctionName")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("FunctionName") or aws.name(24, 24)
        given = pick(properties, *self._configuration, "Architectures", "PackageType")
        code = code_of(aws, "CreateFunction", properties["Code"])
        answer = aws.call("lambda", "CreateFunction", FunctionName=name, Code=code, **given)
        return str(answer["FunctionName"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        me = {"FunctionName": physical_id}
        if old and changed(old, new, "Code", "Architectures"):
            code = code_of(aws, "UpdateFunctionCode", new["Code"])
            architectures = new.get("Architectures", ["x86_64"])
            aws.call("lambda", "UpdateFunctionCode", **me, **code, Architectures=architectures)
        if old and changed(old, new, *self._configuration):
            names = [name for name in self._configuration if changed(old, new, name)]
            given = {name: new.get(name, self._defaults.get(name)) for name in names}
            aws.call("lambda", "UpdateFunctionConfiguration", **me, **given)
        if changed(old, new, "ReservedConcurrentExecutions"):
            reserved = new.get("ReservedConcurrentExecutions")
            verb = "DeleteFunctionConcurrency" if reserved is None else "PutFunctionConcurrency"
            aws.call("lambda", verb, **me, ReservedConcurrentExecutions=reserved)
        aws.retag("lambda", {"Resource": self._arn(aws, physical_id)}, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"Arn": self._arn(aws, physical_id)}

    def _arn(self, aws: Aws, name: str) -> str:
        context = aws.context
        return f"arn:{context.partition}:lambda:{context.region}:{context.account}:function:{name}"


class Permission(Resource):
    """One statement of a function's own policy."""

    type = "AWS::Lambda::Permission"
    accepts = fixed = (
        "Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "Principal", "PrincipalOrgID",
        "SourceAccount", "SourceArn",
    )  # fmt: skip
    gives = ("Id",)

    def make(self, aws: Aws, properties: Properties) -> str:
        statement = aws.name(40, 40)
        aws.call("lambda", "AddPermission", StatementId=statement, **properties)
        return statement

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("lambda", "RemovePermission", FunctionName=properties["FunctionName"], StatementId=physical_id)


class EventInvokeConfig(Resource):
    """How often and how long an asynchronous invocation is retried, and where it goes then."""

    type = "AWS::Lambda::EventInvokeConfig"
    fixed = ("FunctionName", "Qualifier")
    accepts = (*fixed, "DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")

    def make(self, aws: Aws, properties: Properties) -> str:
        if aws.exists("lambda", "GetFunctionEventInvokeConfig", **pick(properties, *self.fixed)):
            raise refusal(
                "PutFunctionEventInvokeConfig", "ResourceConflictException", "The configuration already exists."
            )
        aws.call("lambda", "PutFunctionEventInvokeConfig", **properties)
        return "|".join(str(properties[name]) for name in self.fixed)

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            # The back end puts a second one behind the first and goes on answering with that.
            self.remove(aws, physical_id, old)
            aws.call("lambda", "PutFunctionEventInvokeConfig", **new)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("lambda", "DeleteFunctionEventInvokeConfig", **pick(properties, *self.fixed))


class EventSourceMapping(Resource):
    """A queue that feeds a function."""

    type = "AWS::Lambda::EventSourceMapping"
    fixed = ("EventSourceArn",)
    accepts = (*fixed, "BatchSize", "Enabled", "FunctionName", "MaximumBatchingWindowInSeconds")
    gives = ("EventSourceMappingArn", "Id")
    deletes = ("lambda", "DeleteEventSourceMapping", "UUID")

    def make(self, aws: Aws, properties: Properties) -> str:
        return str(aws.call("lambda", "CreateEventSourceMapping", **properties)["UUID"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            defaults: Properties = {"BatchSize": 10, "Enabled": True, "MaximumBatchingWindowInSeconds": 0}
            given = {**defaults, **pick(new, "FunctionName", *defaults)}
            aws.call("lambda", "UpdateEventSourceMapping", UUID=physical_id, **given)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        context = aws.context
        base = f"arn:{context.partition}:lambda:{context.region}:{context.account}:event-source-mapping"
        return {"Id": physical_id, "EventSourceMappingArn": f"{base}:{physical_id}"}
