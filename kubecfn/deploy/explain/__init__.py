"""What a change set means for those who use the cluster: pure rules over its description and the two templates."""

from kubecfn.deploy.explain.explain import explain
from kubecfn.deploy.explain.model import (
    Consequence,
    Explanation,
    Group,
    Rollback,
    Severity,
    Span,
    StackFacts,
    Subject,
)
from kubecfn.deploy.explain.page import html
from kubecfn.deploy.explain.plain import lines

__all__ = [
    "Consequence",
    "Explanation",
    "Group",
    "Rollback",
    "Severity",
    "Span",
    "StackFacts",
    "Subject",
    "explain",
    "html",
    "lines",
]
