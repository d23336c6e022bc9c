"""Rules about the template itself: plain, described, and deployable from the console."""

from __future__ import annotations

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View

_NOT_PLAIN = ("AWS::CloudFormation::", "Custom::")


def _plain(view: View) -> Broken:
    for name, resource in view.resources.items():
        if resource["Type"].startswith(_NOT_PLAIN):
            yield name, f"is a {resource['Type']}: one plain template has no nested stacks, macros or custom resources"
    for section in ("Transform", "Rules"):
        if section in view.data:
            yield section, "is a section that a plain template does not have"


def _described(view: View) -> Broken:
    for name, resource in view.resources.items():
        properties = resource.get("Properties", {})
        says = (
            resource.get("Metadata", {}).get("Role"),
            properties.get("Description"),
            properties.get("GroupDescription"),
            properties.get("AlarmDescription"),
        )
        if not any(says):
            yield name, "says nowhere what it is for"


def _parameters_placed(view: View) -> Broken:
    interface = view.data.get("Metadata", {}).get("AWS::CloudFormation::Interface", {})
    placed = [name for group in interface.get("ParameterGroups", []) for name in group["Parameters"]]
    labels = interface.get("ParameterLabels", {})
    for name, parameter in view.parameters.items():
        if placed.count(name) != 1 or name not in labels:
            yield name, "has no place or no label in the console's form"
        if not parameter.get("Description"):
            yield name, "has no description"
        if parameter["Type"] == "String" and not {"AllowedPattern", "AllowedValues"} & set(parameter):
            yield name, "accepts any text"
        if "AllowedPattern" in parameter and "ConstraintDescription" not in parameter:
            yield name, "refuses with a pattern instead of words: add a ConstraintDescription"


RULES = (
    Rule("K701", "The template is plain.", "CloudFormation: Template macros; Nested stacks; Custom resources", _plain),
    Rule(
        "K702",
        "Every resource says what it is for.",
        "CloudFormation: Metadata attribute; Description properties",
        _described,
    ),
    Rule(
        "K703",
        "Every parameter is described, placed, labelled and refuses in words.",
        "CloudFormation: AWS::CloudFormation::Interface; Parameters section syntax reference",
        _parameters_placed,
    ),
)
