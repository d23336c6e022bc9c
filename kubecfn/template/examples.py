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


def stale(configurations: Path = CONFIGURATIONS, templates: Path = TEMPLATES) -> list[str]:
    """Return the names of the files in `templates` that are not what would be written now, or should not be there."""
    wanted = dict(examples(configurations))
    there = {path.name: path.read_text(encoding="utf-8") for path in templates.glob("*.yaml")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: list[str]) -> int:
    """Write every example's template and remove those whose example is gone; with --check only say what is stale."""
    if "--check" in arguments:
        old = stale()
        sys.stdout.write("".join(f"{TEMPLATES / name} is stale. Run: make templates\n" for name in old))
        return 1 if old else 0
    TEMPLATES.mkdir(exist_ok=True)
    wanted = dict(examples())
    for name in stale():
        if name in wanted:
            (TEMPLATES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (TEMPLATES / name).unlink()
    sys.stdout.write(f"Written: {', '.join(f'templates/{name}' for name in sorted(wanted))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
