"""From the lock to an image that nodes boot from: the stack, a build for each architecture, and watching them to the end.

The stack holds pipelines and no image: it stands within a minute, a build that fails leaves it standing and is tried
again, and a newer Amazon Linux is baked by the same stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.apply import Deployment, Outcome, apply, plan
from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.bucket import ArtifactBucket
from kubecfn.deploy.explain import Explanation
from kubecfn.deploy.progress import Ask, Kind, RealClock, Reporter, Waiting, Work, silent
from kubecfn.deploy.templates import INLINE_LIMIT
from kubecfn.errors import KubecfnError, StackError
from kubecfn.image.follow import Built, builds_under_way, follow
from kubecfn.image.template import Bake, build_image, pipeline_output
from kubecfn.template.emit import emit
from kubecfn.template.rules import check

# The part of the artifact bucket in which a large template goes on its way.
PLACE = "images"
# K304: Image Builder reaches its instance through what this managed policy allows, and AWS adds to it as its agent
# grows. K403: there is no cluster yet whose key could encrypt; a build's log holds no secret.
NOT_FOR_IMAGES = frozenset({"K304", "K403"})


@dataclass(frozen=True)
class Baked:
    """What `bake` did.

    Attributes:
        images: each architecture's image.
    """

    stack: Outcome
    images: tuple[Built, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"stack": self.stack.to_json(), "images": [one.to_json() for one in self.images]}


def text_of(bake: Bake, region: str) -> str:
    """Return the template as it is sent.

    Raises:
        KubecfnError: the lock lacks something, or a rule of ours refuses the template.
    """
    template = build_image(bake)
    findings = [one for one in check(template.to_dict(), region) if one.code not in NOT_FOR_IMAGES]
    if findings:
        raise KubecfnError(
            f"The template of {bake.stack} breaks rules that AWS would only show later:\n"
            + "\n".join(f"  {finding}" for finding in findings),
            remedy="This is a fault of kubecfn's: please report it.",
        )
    return emit(template)


def needs_bucket(text: str) -> bool:
    """Return whether the template is too large for a request and goes through the artifact bucket."""
    return len(text.encode()) > INLINE_LIMIT


def deployment(bake: Bake, text: str, bucket: ArtifactBucket | None) -> Deployment:
    """Return the stack that shall be."""
    return Deployment(
        stack=bake.stack,
        cluster=PLACE,
        template=text,
        parameters={},
        tags={**bake.tags, "kubecfn:part": "image"},
        artifacts=(),
        bucket=bucket,
        termination_protection=False,
    )


def plan_images(
    bake: Bake, aws: Aws, bucket: ArtifactBucket | None, *, report: Reporter = silent, come_back: str = "kubecfn image"
) -> Explanation:
    """Return what baking would change in the stack; nothing is changed or built.

    Raises:
        KubecfnError: the lock lacks something, or the stack is in a state in which nothing can be planned.
    """
    with _naming(come_back):
        return plan(deployment(bake, text_of(bake, aws.region), bucket), aws, report=report)


def bake_images(
    bake: Bake,
    aws: Aws,
    bucket: ArtifactBucket | None,
    *,
    ask: Ask,
    again: bool = False,
    clock: Waiting | None = None,
    report: Reporter = silent,
    come_back: str = "kubecfn image",
) -> Baked:
    """Bring the stack to what shall be, and bake what is not baked yet.

    A build that runs already is watched, not begun a second time.

    Args:
        bake: what is to be baked.
        aws: account and region.
        bucket: for a template that does not fit into a request.
        ask: decides about the stack.
        again: bake although there is an image of this very recipe: on today's Amazon Linux.
        clock: what to wait by; None is the wall clock.
        report: is told every step.
        come_back: the command that picks it up again.

    Raises:
        KubecfnError: the stack or a build failed; the message says why.
    """
    work = Work(clock or RealClock(), report, come_back)
    shall = deployment(bake, text_of(bake, aws.region), bucket)
    with _naming(come_back):
        outcome = apply(shall, aws, ask=ask, clock=work.clock, report=report, come_back=come_back)
    running, there = {}, []
    for architecture in bake.architectures:
        pipeline = outcome.outputs[pipeline_output(architecture)]
        build = builds_under_way(aws, pipeline)
        if build is None and not again:
            found = _there(aws, bake, architecture, pipeline)
            if found:
                work.tell(
                    Kind.NOTE, f"{found.ami} for {architecture} is of this very recipe: --again bakes a newer one"
                )
                there.append(found)
                continue
        running[architecture] = build or _start(aws, architecture, pipeline, work)
    built = follow(aws, running, {one: bake.parameter(one) for one in running}, work)
    return Baked(outcome, tuple(sorted([*there, *built], key=lambda one: one.architecture)))


@contextmanager
def _naming(command: str) -> Iterator[None]:
    """Let what names the cluster's command as the way back name ours."""
    try:
        yield
    except StackError as error:
        message, remedy = (text.replace("kubecfn apply", command) for text in (error.message, error.remedy))
        raise StackError(message, remedy=remedy) from error


def _start(aws: Aws, architecture: str, pipeline: str, work: Work) -> str:
    with doing(f"starting the pipeline for {architecture}"):
        arn = aws.client("imagebuilder").start_image_pipeline_execution(imagePipelineArn=pipeline)[
            "imageBuildVersionArn"
        ]
    work.tell(Kind.STEP, f"Image Builder bakes for {architecture}: half an hour, as a rule")
    return str(arn)


def _there(aws: Aws, bake: Bake, architecture: str, pipeline: str) -> Built | None:
    """Return the image that the parameter names when the pipeline made it from the recipe that it has now."""
    ami = _parameter(aws, bake.parameter(architecture))
    if ami is None:
        return None
    client = aws.client("imagebuilder")
    with doing(f"looking at the images for {architecture}"):
        recipe = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]["imageRecipeArn"]
        base = recipe.replace(":image-recipe/", ":image/") + "/"
        pages: Iterable[Mapping[str, Any]] = client.get_paginator("list_image_pipeline_images").paginate(
            imagePipelineArn=pipeline
        )
        arns = [one["arn"] for page in pages for one in page["imageSummaryList"] if one["arn"].startswith(base)]
        images = [client.get_image(imageBuildVersionArn=arn)["image"] for arn in arns]
    for image in images:
        if ami in {one.get("image") for one in image.get("outputResources", {}).get("amis", ())}:
            return Built(architecture, ami, bake.parameter(architecture), str(image["arn"]))
    return None


def _parameter(aws: Aws, name: str) -> str | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"reading the parameter {name}"):
        try:
            return str(aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
    return None
