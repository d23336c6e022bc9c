"""How many bytes each example becomes: template, user data, function zips, bundles."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.row import Row, size
from kubecfn import pki
from kubecfn.artifacts import NodeFacts, controller_bundle, lambda_zips, worker_bundle
from kubecfn.config import Config, found_from, load
from kubecfn.template import build, emit

CONFIGURATIONS = Path("config")
DEFAULT = "minimal-public.yaml"
TEMPLATE, USER_DATA, ZIP = 51_200, 2_048, 40 * 1024


def rows() -> Iterator[Row]:
    """Yield every size; only the default example has a goal: whoever reads a template begins with that."""
    configs = {path.name: load(path) for path in sorted(CONFIGURATIONS.glob("*.yaml"))}
    stacks = {name: build(config, found_from(config)) for name, config in configs.items()}
    for name, stack in stacks.items():
        yield size("template", name, len(emit(stack).encode()), TEMPLATE if name == DEFAULT else None)
    for name, stack in stacks.items():
        longest = max(user_data(configs[name], stack.to_dict()["Resources"]), default=0)
        yield size("user data, longest", name, longest, USER_DATA)
    for made in lambda_zips():
        yield size("function zip", made.name, len(made.data), ZIP)
    yield from bundles(load(CONFIGURATIONS / DEFAULT))


def user_data(config: Config, resources: Mapping[str, Any]) -> Iterator[int]:
    """Yield the bytes of each launch template's user data as an instance of this configuration reads it."""
    known = {
        "AWS::Region": config.region,
        "AWS::StackName": config.name,
        "ArtifactBucket": f"kubecfn-123456789012-{config.region}",
        "NodeLogGroup": f"/kubecfn/{config.name}/nodes",
        "ControllerBundleSha256": "0" * 64,
        "WorkerBundleSha256": "0" * 64,
    }
    for resource in resources.values():
        if resource["Type"] == "AWS::EC2::LaunchTemplate":
            text = resource["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
            yield len(re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], text).encode())


def bundles(config: Config) -> Iterator[Row]:
    """Yield the bundle of each role, with real keys."""
    facts = NodeFacts(config.name, f"{config.name}.k8s.example.com", "1.36.3", "3.6.16", 300)
    spec = pki.PkiSpec(config.name, f"https://api.{facts.domain}:6443")
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "pki"
        pki.make(keys, spec, now=datetime.now(UTC))
        yield size("bundle", "controller", len(controller_bundle(facts, pki.bundle_files(keys, "controller")).data))
        yield size("bundle", "worker", len(worker_bundle(facts, pki.bundle_files(keys, "worker")).data))
