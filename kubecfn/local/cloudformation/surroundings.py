"""Where an operation works: the scope in which a stack's values resolve, and the context a provider is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.resolver import Live, Scope, evaluate_conditions, pseudo_parameters
from kubecfn.local.cloudformation.stacks import Stack, Stacks, Wanted
from kubecfn.local.providers.seam import Context, Provider
from kubecfn.local.world import World, partition_of

Lookup = Callable[[str], Provider]


@dataclass(frozen=True)
class Surroundings:
    """What every operation of the account shares."""

    world: World
    stacks: Stacks
    provider: Lookup

    def context(self, stack: Stack, logical_id: str, tags: Mapping[str, str]) -> Context:
        """Return what a provider is told: the stack's tags and CloudFormation's own three (User Guide: "Resource tag")."""
        own = {
            "aws:cloudformation:stack-name": stack.name,
            "aws:cloudformation:stack-id": stack.id,
            "aws:cloudformation:logical-id": logical_id,
        }
        return Context(
            client=lambda service: self.world.client(service, stack.region),
            region=stack.region,
            account=stack.account,
            partition=partition_of(stack.region),
            stack_name=stack.name,
            stack_id=stack.id,
            logical_id=logical_id,
            clock=self.world.clock,
            tags={**tags, **own},
        )

    def scope(self, stack: Stack, wanted: Wanted, *, running: bool = False) -> Scope:
        """Return how values of `wanted` resolve for a stack, conditions evaluated.

        Args:
            stack: whose live resources, region and id count.
            wanted: whose template, parameters and topics count.
            running: whether an operation asks: then dynamic references are fetched and imports remembered.
        """
        scope = Scope(
            template=wanted.template,
            parameters=wanted.parameters,
            pseudo=pseudo_parameters(
                account=stack.account,
                region=stack.region,
                stack_id=stack.id,
                stack_name=stack.name,
                topics=list(wanted.topics),
            ),
            resource=lambda name: self._live(stack, name),
            zones=self._zones,
            exports=lambda name: self._export(stack, name, remember=running),
            dynamic=(lambda service, rest: self._dynamic(stack.region, service, rest)) if running else None,
        )
        return replace(scope, conditions=evaluate_conditions(scope))

    def _live(self, stack: Stack, name: str) -> Live | None:
        with self.stacks.lock:
            resource = stack.resources.get(name)
        if resource is None or not resource.physical_id:
            return None
        return Live(resource.physical_id, resource.attributes, resource.type)

    def _zones(self, region: str) -> list[str]:
        answer = self.world.client("ec2", region).describe_availability_zones()
        return sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])

    def _export(self, stack: Stack, name: str, *, remember: bool) -> str:
        with self.stacks.lock:
            for other in self.stacks.living(stack.region):
                for output in other.outputs:
                    if output.export == name and other is not stack:
                        if remember:
                            stack.imports.add(name)
                        return output.value
        raise invalid(f"No export named {name} found.")

    def _dynamic(self, region: str, service: str, rest: str) -> str:
        if service != "ssm":
            raise invalid(f"Dynamic references to {service} are not emulated: {{{{resolve:{service}:{rest}}}}}")
        return self.ssm_value(region, rest)

    def ssm_value(self, region: str, name: str) -> str:
        """Return what Parameter Store holds under a name, optionally ``name:version``.

        Raises:
            ServiceError: when there is none, in CloudFormation's words.
        """
        try:
            answer: dict[str, Any] = self.world.client("ssm", region).get_parameter(Name=name)
        except ClientError as problem:
            if problem.response["Error"]["Code"] in {"ParameterNotFound", "ParameterVersionNotFound"}:
                raise invalid(
                    f"Unable to fetch parameters [{name}] from parameter store for this account."
                ) from problem
            raise
        return str(answer["Parameter"]["Value"])
