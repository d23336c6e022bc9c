"""Watching builds of images to their end: stage by stage, and for one that failed the step, its words and its log.

Source: EC2 Image Builder API Reference, ImageState, WorkflowStepMetadata; User Guide, "Troubleshoot pipeline builds".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.progress import Kind, Work
from kubecfn.errors import KubecfnError

POLL_SECONDS = 15.0
_UNDER_WAY = frozenset({"PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING"})
_STAGES = {
    "PENDING": "waits for an instance",
    "CREATING": "waits for an instance",
    "BUILDING": "is being built",
    "TESTING": "boots from its image and is tested",
    "DISTRIBUTING": "is being registered",
    "INTEGRATING": "is being registered",
}
_LAST_LINES = 8


@dataclass(frozen=True)
class Built:
    """An image that can be booted.

    Attributes:
        ami: its ID.
        parameter: where the ID is kept.
        build: ARN of its build.
    """

    architecture: str
    ami: str
    parameter: str
    build: str

    def to_json(self) -> dict[str, str]:
        """Return it as plain data."""
        return dict(self.__dict__)


class ReleasedError(KubecfnError):
    """A person stopped watching; Image Builder goes on."""


def builds_under_way(aws: Aws, pipeline: str) -> str | None:
    """Return the ARN of a pipeline's build that has not ended, if there is one."""
    with doing("looking for builds under way"):
        pages = (
            aws.client("imagebuilder").get_paginator("list_image_pipeline_images").paginate(imagePipelineArn=pipeline)
        )
        found = [one for page in pages for one in page["imageSummaryList"] if one["state"]["status"] in _UNDER_WAY]
    return str(found[0]["arn"]) if found else None


def follow(aws: Aws, builds: Mapping[str, str], parameters: Mapping[str, str], work: Work) -> list[Built]:
    """Watch builds until all have ended.

    Args:
        aws: account and region.
        builds: architecture -> ARN of a build.
        parameters: architecture -> where the result is kept.
        work: how to wait, report and come back.

    Raises:
        KubecfnError: a build failed; the others were watched to their end first.
        ReleasedError: Ctrl-C; they go on.
    """
    ended: dict[str, Mapping[str, Any]] = {}
    told: dict[str, set[str]] = {architecture: set() for architecture in builds}
    try:
        while len(ended) < len(builds):
            for architecture, arn in builds.items():
                if architecture in ended:
                    continue
                image = _image(aws, arn)
                _tell(aws, image, architecture, told[architecture], work)
                if image["state"]["status"] not in _UNDER_WAY:
                    ended[architecture] = image
            if len(ended) < len(builds):
                work.clock.sleep(POLL_SECONDS)
    except KeyboardInterrupt as interrupt:
        raise ReleasedError(
            "No longer watching: Image Builder goes on without us.", remedy=f"Come back with: {work.come_back}"
        ) from interrupt
    failed = [_failure(aws, architecture, image) for architecture, image in ended.items() if not _well(image)]
    if failed:
        raise KubecfnError("\n".join(failed), remedy=f"Mend what is named, then: {work.come_back}")
    return [_built(aws, architecture, image, parameters[architecture]) for architecture, image in ended.items()]


def _image(aws: Aws, arn: str) -> Mapping[str, Any]:
    with doing("asking Image Builder how it goes"):
        image: Mapping[str, Any] = aws.client("imagebuilder").get_image(imageBuildVersionArn=arn)["image"]
    return image


def _well(image: Mapping[str, Any]) -> bool:
    return bool(image["state"]["status"] == "AVAILABLE")


def _tell(aws: Aws, image: Mapping[str, Any], architecture: str, told: set[str], work: Work) -> None:
    """Report the stage and every step that is new."""
    status = image["state"]["status"]
    if status in _STAGES and status not in told:
        told.add(status)
        work.tell(Kind.STEP, f"{architecture}: {_STAGES[status]}")
    for step in _steps(aws, image["arn"]):
        line = f"{step.get('name', '')}: {step.get('status', '')}"
        if step.get("status") in {"COMPLETED", "FAILED"} and line not in told:
            told.add(line)
            kind = Kind.NOTE if step["status"] == "COMPLETED" else Kind.WARNING
            work.tell(kind, f"{architecture}: {step['name']} {step['status'].lower()}")


def _steps(aws: Aws, arn: str) -> list[Mapping[str, Any]]:
    client = aws.client("imagebuilder")
    with doing("asking Image Builder for its steps"):
        workflows = client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]
        return [
            step
            for workflow in reversed(workflows)
            for step in client.list_workflow_step_executions(workflowExecutionId=workflow["workflowExecutionId"])[
                "steps"
            ]
        ]


def _failure(aws: Aws, architecture: str, image: Mapping[str, Any]) -> str:
    """Say in a few lines what failed, and what the build said last."""
    state = image["state"]
    component = state.get("failureContext", {}).get("componentFailure", {})
    if component:
        where = f"the step {component.get('stepName')} of its phase {component.get('phaseName')}"
        what = f"{where} failed: {component.get('errorMessage')}"
    else:
        what = f"it is {state['status']}: {state.get('reason') or 'Image Builder says no reason'}"
    version, _, number = str(image["arn"]).rpartition("/")
    group, stream = f"/aws/imagebuilder/{image['name']}", f"{version.rpartition('/')[2]}/{number}"
    last = "".join(f"\n    {line}" for line in _last_lines(aws, group, stream))
    return f"The image for {architecture} was not baked: {what}\n  Its log is {group} ({stream}).{last}"


def _last_lines(aws: Aws, group: str, stream: str) -> list[str]:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"reading the log {group}"):
        try:
            events = aws.client("logs").get_log_events(
                logGroupName=group, logStreamName=stream, limit=_LAST_LINES, startFromHead=False
            )["events"]
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return []
    return [str(one["message"]).rstrip() for one in events][-_LAST_LINES:]


def _built(aws: Aws, architecture: str, image: Mapping[str, Any], parameter: str) -> Built:
    """Return the image, having seen that the parameter names it."""
    amis = [one["image"] for one in image.get("outputResources", {}).get("amis", ()) if one.get("region") == aws.region]
    with doing(f"reading the parameter {parameter}"):
        kept = str(aws.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    if kept not in amis:
        raise KubecfnError(
            f"The image for {architecture} is {', '.join(amis) or 'nowhere'}, but {parameter} names {kept}.",
            remedy="Another build ended at the same time: look at the pipeline in the console, then bake --again.",
        )
    _refuse_imds_v1(aws, kept)
    return Built(architecture, kept, parameter, str(image["arn"]))


def _refuse_imds_v1(aws: Aws, ami: str) -> None:
    """See that instances of the image have the metadata service's second version only, whoever starts them.

    Amazon Linux says so of its own images; a recipe cannot say it (EC2 User Guide, "Configure the AMI", ImdsSupport).
    """
    client = aws.client("ec2")
    with doing(f"looking at the image {ami}"):
        (found,) = client.describe_images(ImageIds=[ami])["Images"]
    if found.get("ImdsSupport") != "v2.0":
        with doing(f"setting ImdsSupport of the image {ami}"):
            client.modify_image_attribute(ImageId=ami, ImdsSupport={"Value": "v2.0"})
