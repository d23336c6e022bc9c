"""The plain templates in templates/, as emitted for the examples in config/: what a reader without Python deploys.

``python -m kubecfn.template.examples`` writes them anew; a test refuses stale ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from kubecfn.config import found_from, load
from kubecfn.template import build, emit
from kubecfn.template.bucket import build_bucket

CONFIGURATIONS = Path("config")
TEMPLATES = Path("templates")


def examples(configurations: Path = CONFIGURATIONS) -> Iterator[tuple[str, str]]:
    """Yield file name and text of every example's template, and of the artifact bucket's."""
    yield "artifact-bucket.yaml", emit(build_bucket())
    for path in sorted(configurations.glob("*.yaml")):
        config = load(path)
        yield path.name, emit(build(config, found_from(config)))


def main() -> None:
    """Write every example's template and remove those whose example is gone."""
    TEMPLATES.mkdir(exist_ok=True)
    written = set()
    for name, text in examples():
        (TEMPLATES / name).write_text(text, encoding="utf-8")
        written.add(name)
    for stale in {path.name for path in TEMPLATES.glob("*.yaml")} - written:
        (TEMPLATES / stale).unlink()
    sys.stdout.write(f"Written: {', '.join(f'templates/{name}' for name in sorted(written))}\n")


if __name__ == "__main__":
    main()
