"""A run as one self-contained HTML page: the drawing, and the same in tables; no script, nothing fetched, fit for paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from kubecfn.rehearsal.drawing import seconds
from kubecfn.rehearsal.record import Operation, Run
from kubecfn.rehearsal.timeline import spans, svg

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 82rem; margin: 2rem auto; padding: 0 1rem; }
@media (prefers-color-scheme: dark) { body { background: #11161c; color: #e4ebf2; } }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
figure { margin: 1rem 0; overflow-x: auto; } figure svg { display: block; width: 100%; min-width: 60rem; height: auto; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .25rem 1.6rem .25rem 0; vertical-align: top; }
tbody tr { border-top: 1px solid #8884; } .number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, monospace; font-size: .9em; } footer { margin-top: 2rem; opacity: .75; font-size: .85rem; }
"""
_HOW = (
    "A write is one key, written to one member after another until etcd acknowledges it; its latency is the time until then. "
    "A stall is the time from the first attempt of a write until the next acknowledgement; an operation's longest stall "
    "is the longest one that touches the operation."
)


def html(run: Run) -> str:
    """Return the page of a run."""
    body = "\n".join(_body(run))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(run.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _body(run: Run) -> Iterator[str]:
    yield f"<main>\n<figure>{svg(run)}</figure>"
    if run.operations:
        yield "<h2>Operations</h2>"
        heads = ("operation", "from", "took", "writes acknowledged", "longest stall")
        yield _table(heads, (_operation(run, operation) for operation in run.operations), numbers=4)
    instances = spans(run)
    if instances:
        yield "<h2>Instances</h2>"
        rows = (
            (
                f"<code>{escape(name)}</code>",
                escape(", ".join(f"{one.phase.value} {seconds(one.begun)}" for one in own)),
            )
            for name, own in instances.items()
        )
        yield _table(("instance", "what it was, and from when"), rows)
    yield f"</main>\n<footer><p>{escape(_HOW)}</p></footer>"


def _operation(run: Run, operation: Operation) -> tuple[str, ...]:
    within = [one for one in run.writes if one.acknowledged and operation.begun <= one.ended <= operation.ended]
    stall = run.stall(operation)
    return (
        escape(operation.name),
        seconds(operation.begun),
        seconds(operation.ended - operation.begun),
        f"{len(within):,}",
        seconds(stall.seconds) if stall else "no write",
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]], numbers: int = 0) -> str:
    """Return a table; its last `numbers` columns are set to the right."""
    kinds = ["" if place < len(heads) - numbers else ' class="number"' for place in range(len(heads))]
    top = "".join(f'<th scope="col"{kind}>{escape(head)}</th>' for kind, head in zip(kinds, heads, strict=True))
    body = "\n".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
