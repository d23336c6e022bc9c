"""Where nodes and functions write: log groups with a key and an end, and the right to write to exactly one of them."""

from __future__ import annotations

from dataclasses import dataclass

from awacs import logs as may
from awacs.aws import Allow, Statement
from troposphere import GetAtt, Ref, Template, logs

from kubecfn.config import Config
from kubecfn.template.parameters import Inputs
from kubecfn.template.storage import Storage
from kubecfn.template.tags import role


@dataclass(frozen=True)
class LogGroup:
    """A log group's name and the exact right to write to it."""

    name: Ref
    write: Statement


def add_log_group(
    template: Template, config: Config, inputs: Inputs, storage: Storage, *, logical_id: str, last: str
) -> LogGroup:
    """Add ``/kubecfn/CLUSTER/LAST``."""
    group = template.add_resource(
        logs.LogGroup(
            logical_id,
            LogGroupName=f"/kubecfn/{config.name}/{last}",
            RetentionInDays=inputs.log_retention,
            KmsKeyId=storage.key_arn,
            Metadata=role(f"What {last} write." if last == "nodes" else f"What the function {last} writes."),
        )
    )
    # The ARN ends in ":*", which is every stream of the group (CloudFormation: "AWS::Logs::LogGroup", Return values).
    streams = GetAtt(group, "Arn")
    write = Statement(Sid="WriteLog", Effect=Allow, Action=[may.CreateLogStream, may.PutLogEvents], Resource=[streams])
    return LogGroup(name=Ref(group), write=write)
