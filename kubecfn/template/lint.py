"""cfn-lint over an emitted template, without a rule ignored; imported only when it is asked for, as it takes a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LintFinding:
    """What cfn-lint found.

    Attributes:
        rule: its code, ``E3012``.
        path: where, ``Resources/Vpc/Properties/CidrBlock``.
        message: its words.
    """

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.path}: {self.message}"


def lint(text: str, region: str) -> list[LintFinding]:
    """Return every error and warning that cfn-lint has of a template for a region; empty when clean.

    Args:
        text: the template as it would be sent.
        region: for which types and properties are checked.
    """
    import cfnlint.api  # noqa: PLC0415  a second of import that emitting must not pay

    config = cfnlint.api.ManualArgs(regions=[region])
    matches = cfnlint.api.lint(text, config=config)
    return [
        LintFinding(rule=match.rule.id, path="/".join(str(step) for step in match.path or ()), message=match.message)
        for match in matches
    ]
