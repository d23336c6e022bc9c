"""An explanation as one self-contained HTML page: no script, nothing fetched, readable on paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from kubecfn.deploy.explain.model import Consequence, Explanation, Group, Severity
from kubecfn.deploy.explain.plain import headline

_COLOURS = {
    Severity.LOSES: "#b3261e",
    Severity.REPLACES: "#c4560f",
    Severity.INTERRUPTS: "#a86a00",
    Severity.ROLLS: "#1f5fa8",
    Severity.WIDENS: "#7a3ea8",
    Severity.CHANGES: "#3d7a3d",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
article { border-left: .3rem solid var(--tone, #888); padding: .2rem 0 .2rem 1rem; margin: .8rem 0; }
article p { margin: .2rem 0; } .small { font-size: .85rem; opacity: .8; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; } .refused { --tone: #b3261e; font-weight: 600; }
"""


def html(explanation: Explanation, title: str, picture_svg: str = "") -> str:
    """Return the page.

    Args:
        explanation: what to show.
        title: of the page; plain text.
        picture_svg: the picture of the stack as an ``<svg>`` element, put in unchanged; empty for none.
    """
    body = "\n".join(_body(explanation, title, picture_svg))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _body(explanation: Explanation, title: str, picture_svg: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    yield f"<p>{escape(headline(explanation))}</p>"
    yield from (f'<article class="refused"><p>{escape(reason)}</p></article>' for reason in explanation.refusals)
    if explanation.lasts:
        yield f"<p>Takes {escape(str(explanation.lasts))} (estimate).</p>"
    yield f"<p>Can CloudFormation take it back? {escape(explanation.rollback.text)}</p>"
    yield from _parameters(explanation)
    for severity, group in groupby(explanation.consequences, key=lambda consequence: consequence.severity):
        yield f"<h2>{escape(severity.value.capitalize())}</h2>"
        yield from map(_article, group)
    yield from _groups("Will stand" if explanation.creates else "Added", explanation.created)
    yield from _groups("Removed", explanation.removed)
    if picture_svg:
        yield f"<h2>The stack as it will be</h2>\n<figure>{picture_svg}</figure>"


def _parameters(explanation: Explanation) -> Iterator[str]:
    if explanation.parameters:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td><code>{escape(old)}</code></td><td><code>{escape(new)}</code></td></tr>"
            for name, (old, new) in explanation.parameters.items()
        )
        yield f"<h2>Parameters</h2>\n<table><tr><th>name</th><th>from</th><th>to</th></tr>{rows}</table>"


def _article(consequence: Consequence) -> str:
    inside = [f"<p>{escape(consequence.text)}</p>"]
    inside += [f"<p><strong>Lost:</strong> {escape(lost)}</p>" for lost in consequence.lost]
    if consequence.steps:
        inside.append(f"<ol>{''.join(f'<li>{escape(step)}</li>' for step in consequence.steps)}</ol>")
    small = [
        f"takes {consequence.lasts} (estimate)" if consequence.lasts else "",
        f"because of {', '.join(consequence.because)}" if consequence.because else "",
        f"source: {consequence.source}" if consequence.source else "",
    ]
    inside.append(f'<p class="small">{escape("; ".join(filter(None, small)))}</p>')
    return f'<article style="--tone: {_COLOURS[consequence.severity]}">{"".join(inside)}</article>'


def _groups(heading: str, groups: tuple[Group, ...]) -> Iterator[str]:
    if groups:
        rows = "".join(
            f"<tr><td>{escape(group.part)}</td><td>{len(group.resources)}</td>"
            f"<td>{escape(', '.join(group.resources))}</td></tr>"
            for group in groups
        )
        yield f"<h2>{escape(heading)}</h2>\n<table>{rows}</table>"
