"""What holds for every test: properties are tried without a stop-watch, and in CI with the same examples each time."""

from __future__ import annotations

import os

from hypothesis import settings

# A deadline for one example is a timed test; a busy machine would fail it.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
