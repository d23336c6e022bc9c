"""Builds of a pipeline's image: the components' steps run in a folder, and what comes of it registered and kept.

Source: EC2 Image Builder User Guide, "How Image Builder works", "Workflow stages"; API Reference, ImageState.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.api import Answer, Call, Handler, ServiceError
from kubecfn.local.imagebuilder.documents import Runner, StepError
from kubecfn.local.imagebuilder.shelf import COMPONENT, DISTRIBUTION, INFRASTRUCTURE, PIPELINE, RECIPE, Shelf
from kubecfn.local.world import World

_STAGES = (("BUILDING", ("build", "validate")), ("TESTING", ("test",)))
_LARGEST_EVENT = 10_000
# What only the distribution has: asked, and written down, is all that can be shown here.
_DNF = '#!/bin/sh\nmkdir -p "$KUBECFN_ROOT/var/log" && echo "$@" >> "$KUBECFN_ROOT/var/log/dnf.asked"\n'
_LONGEST_END = 10


@dataclass
class _Build:
    """One image on its way."""

    arn: str
    name: str
    version: str
    pipeline: str
    recipe: dict[str, Any]
    folder: Path
    region: str
    state: dict[str, Any] = field(default_factory=lambda: {"status": "PENDING"})
    amis: list[dict[str, str]] = field(default_factory=list)
    steps: list[dict[str, str]] = field(default_factory=list)
    runner: Runner | None = None
    thread: threading.Thread | None = None


class Builds:
    """Every image that was begun.

    Args:
        world: surroundings.
        shelf: what is to be built.
    """

    def __init__(self, world: World, shelf: Shelf) -> None:
        self._world, self._shelf = world, shelf
        self._builds: dict[str, _Build] = {}
        self._lock = threading.Lock()

    def operations(self) -> Mapping[tuple[str, str], Handler]:
        """What is answered here."""
        handlers: dict[str, Callable[[Call], Answer]] = {
            "StartImagePipelineExecution": self._start,
            "GetImage": self._get,
            "ListImagePipelineImages": self._of_pipeline,
            "CancelImageCreation": self._cancel,
            "ListWorkflowExecutions": self._workflows,
            "ListWorkflowStepExecutions": self._steps,
        }
        return {("imagebuilder", name): handler for name, handler in handlers.items()}

    def close(self) -> None:
        """End what runs."""
        for build in list(self._builds.values()):
            if build.runner:
                build.runner.stop()
        for build in list(self._builds.values()):
            if build.thread:
                build.thread.join(_LONGEST_END)

    def _start(self, call: Call) -> Answer:
        pipeline = self._shelf.find(str(call.params["imagePipelineArn"]), PIPELINE)
        recipe = self._shelf.find(pipeline["imageRecipeArn"], RECIPE)
        base = recipe["arn"].replace(":image-recipe/", ":image/")
        with self._lock:
            number = 1 + sum(one.arn.rpartition("/")[0] == base for one in self._builds.values())
            folder = self._world.workdir / "images" / f"{recipe['name']}-{recipe['version']}-{number}"
            build = _Build(
                f"{base}/{number}", recipe["name"], recipe["version"], pipeline["arn"], recipe, folder, call.region
            )
            self._builds[build.arn] = build
        build.thread = threading.Thread(target=self._work, args=(build, dict(pipeline)), daemon=True)
        build.thread.start()
        return {"imageBuildVersionArn": build.arn}

    def _work(self, build: _Build, pipeline: Mapping[str, Any]) -> None:
        documents = [self._shelf.find(one["componentArn"], COMPONENT) for one in build.recipe["components"]]
        log = _Log(self._world, build)
        try:
            infrastructure = self._shelf.find(pipeline["infrastructureConfigurationArn"], INFRASTRUCTURE)
            parent = self._look(build, infrastructure)
            build.runner = Runner(_instance(build.folder), _stand_ins(build.folder), log.say)
            tested = pipeline.get("imageTestsConfiguration", {}).get("imageTestsEnabled", True)
            for status, phases in _STAGES if tested else _STAGES[:1]:
                build.state = {"status": status}
                for phase in phases:
                    for document in documents:
                        build.steps.append({"name": f"{phase} {document['name']}", "status": "RUNNING"})
                        _run(build, document, phase)
                        build.steps[-1]["status"] = "COMPLETED"
            build.state = {"status": "DISTRIBUTING"}
            self._distribute(build, pipeline, parent)
            build.state = {"status": "AVAILABLE"}
        except _FailedError as error:
            if build.steps:
                build.steps[-1]["status"] = "FAILED"
            build.state = {"status": "FAILED", "reason": error.reason, "failureContext": error.context}
        except (ClientError, ServiceError, OSError) as error:
            build.state = {"status": "FAILED", "reason": str(error)}
        finally:
            log.flush()

    def _look(self, build: _Build, infrastructure: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the parent image; see that the instance could be started."""
        iam = self._world.client("iam", build.region)
        iam.get_instance_profile(InstanceProfileName=infrastructure["instanceProfileName"])
        parent = str(build.recipe["parentImage"])
        if parent.startswith("ssm:"):
            found = self._world.client("ssm", build.region).get_parameter(Name=parent.removeprefix("ssm:"))
            parent = found["Parameter"]["Value"]
        image: Mapping[str, Any] = self._world.client("ec2", build.region).describe_images(ImageIds=[parent])["Images"][
            0
        ]
        return image

    def _distribute(self, build: _Build, pipeline: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
        """Register the image where it was built, and keep its ID."""
        wanted = self._shelf.find(pipeline["distributionConfigurationArn"], DISTRIBUTION)
        for one in wanted["distributions"]:
            named = one.get("amiDistributionConfiguration", {})
            at = self._world.clock.now().strftime("%Y-%m-%dT%H-%M-%S.%fZ")
            ec2 = self._world.client("ec2", one["region"])
            # moto forgets everything that RegisterImage is told; a copy keeps its parent's architecture.
            ami = ec2.copy_image(
                Name=str(named.get("name", build.name)).replace("{{ imagebuilder:buildDate }}", at),
                Description=named.get("description", ""),
                SourceImageId=parent["ImageId"],
                SourceRegion=build.region,
                Encrypted=_encrypted(build.recipe),
            )["ImageId"]
            tags = {**build.recipe.get("amiTags", {}), **named.get("amiTags", {}), "CreatedBy": "EC2 Image Builder"}
            ec2.create_tags(Resources=[ami], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
            for kept in one.get("ssmParameterConfigurations", ()):
                _keep(self._world.client("ssm", one["region"]), kept, ami)
            build.amis.append({"region": one["region"], "image": ami, "name": named.get("name", build.name)})

    def _get(self, call: Call) -> Answer:
        build = self._find(str(call.params["imageBuildVersionArn"]))
        return {
            "image": {
                "arn": build.arn,
                "name": build.name,
                "version": f"{build.version}/{build.arn.rpartition('/')[2]}",
                "state": dict(build.state),
                "sourcePipelineArn": build.pipeline,
                "outputResources": {"amis": [dict(one) for one in build.amis]},
            }
        }

    def _of_pipeline(self, call: Call) -> Answer:
        arn = call.params["imagePipelineArn"]
        found = [build for build in self._builds.values() if build.pipeline == arn]
        return {
            "imageSummaryList": [
                {"arn": build.arn, "name": build.name, "version": build.version, "state": dict(build.state)}
                for build in reversed(found)
            ]
        }

    def _cancel(self, call: Call) -> Answer:
        build = self._find(str(call.params["imageBuildVersionArn"]))
        if build.runner:
            build.runner.stop()
        return {"imageBuildVersionArn": build.arn}

    def _workflows(self, call: Call) -> Answer:
        build = self._find(str(call.params["imageBuildVersionArn"]))
        one = {"workflowExecutionId": f"wf-{build.arn.rpartition(':')[2]}", "type": "BUILD", "status": "RUNNING"}
        return {"workflowExecutions": [one], "imageBuildVersionArn": build.arn}

    def _steps(self, call: Call) -> Answer:
        wanted = str(call.params["workflowExecutionId"]).removeprefix("wf-")
        build = next((one for arn, one in self._builds.items() if arn.endswith(wanted)), None)
        listed = [{"stepExecutionId": f"step-{at}", **one} for at, one in enumerate(build.steps)] if build else []
        return {"steps": listed}

    def _find(self, arn: str) -> _Build:
        if arn not in self._builds:
            raise ServiceError("ResourceNotFoundException", f"The resource '{arn}' cannot be found.", 404)
        return self._builds[arn]


class _FailedError(Exception):
    """A component failed; in the service's words."""

    def __init__(self, component: str, error: StepError) -> None:
        self.reason = (
            f"Document {component} failed! Phase {error.phase} step {error.step} of it ended with {error.words}"
        )
        self.context = {
            "imageStatus": "FAILED",
            "failedStep": error.step,
            "componentFailure": {
                "componentArn": component,
                "phaseName": error.phase,
                "stepName": error.step,
                "action": "ExecuteBash",
                "errorMessage": error.words,
            },
        }
        super().__init__(self.reason)


class _Log:
    """The console of a build, in CloudWatch Logs as Image Builder writes it: ``/aws/imagebuilder/NAME``, VERSION/BUILD."""

    def __init__(self, world: World, build: _Build) -> None:
        self._world, self._build = world, build
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        """Keep one line."""
        self._lines.append(line[:_LARGEST_EVENT])

    def flush(self) -> None:
        """Write everything."""
        group = f"/aws/imagebuilder/{self._build.name}"
        stream = f"{self._build.version}/{self._build.arn.rpartition('/')[2]}"
        at = int(self._world.clock.now().timestamp() * 1000)
        logs = self._world.client("logs", self._build.region)
        with contextlib.suppress(ClientError):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(ClientError):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            events = [{"timestamp": at, "message": line or " "} for line in self._lines]
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def _run(build: _Build, document: Mapping[str, Any], phase: str) -> None:
    assert build.runner is not None, "it was made before the first step"
    try:
        build.runner.run(str(document["data"]), phase)
    except StepError as error:
        raise _FailedError(document["arn"], error) from error


def _instance(folder: Path) -> Path:
    """Make the root that stands for Amazon Linux: what the steps look for in it."""
    root = folder / "root"
    for path in ("etc", "usr/bin", "var/tmp", "root"):
        (root / path).mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python3.9").touch()
    (root / "usr/bin/python3").symlink_to("python3.9")
    (root / "etc/os-release").write_text('ID="amzn"\nVERSION_ID="2023"\n', encoding="utf-8")
    return root


def _stand_ins(folder: Path) -> Path:
    programs = folder / "programs"
    programs.mkdir()
    (programs / "dnf").write_text(_DNF, encoding="utf-8")
    (programs / "dnf").chmod(0o755)
    return programs


def _encrypted(recipe: Mapping[str, Any]) -> bool:
    return all(one.get("ebs", {}).get("encrypted") for one in recipe.get("blockDeviceMappings", ()))


def _keep(ssm: Any, kept: Mapping[str, Any], ami: str) -> None:
    """Write the parameter; Image Builder's own role may do so below one path alone."""
    name = str(kept["parameterName"])
    if not name.startswith("/imagebuilder/"):
        words = f"AWSServiceRoleForImageBuilder is not authorized to perform: ssm:PutParameter on parameter{name}"
        raise ServiceError("AccessDeniedException", words, 403)
    ssm.put_parameter(Name=name, Value=ami, Type="String", DataType=kept.get("dataType", "text"), Overwrite=True)
