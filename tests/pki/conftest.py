import functools
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kubecfn import pki
from kubecfn.pki import keys

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
SPEC = pki.PkiSpec("payments", "https://api.payments.example.com:6443")


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def spec():
    return SPEC


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """One set that every test may read and none may change."""
    directory = tmp_path_factory.mktemp("pristine") / "pki"
    pki.make(directory, SPEC, now=NOW)
    return directory


@pytest.fixture(scope="session")
def foreign(tmp_path_factory):
    """The set of the same cluster as someone else made it."""
    directory = tmp_path_factory.mktemp("foreign") / "pki"
    pki.make(directory, SPEC, now=NOW)
    return directory


@pytest.fixture
def made(pristine, tmp_path):
    """A set of the test's own."""
    directory = tmp_path / "build" / "payments" / "pki"
    shutil.copytree(pristine, directory)
    return directory


@pytest.fixture
def quick_rsa(monkeypatch):
    """Make and prove each RSA key once (30 ms each): for tests that make very many sets and do not look at it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    load = functools.cache(serialization.load_pem_private_key)
    monkeypatch.setattr(keys, "new_service_account_key", lambda: key)
    monkeypatch.setattr(serialization, "load_pem_private_key", load)


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of every file below a directory, by path."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(name="snapshot", scope="session")
def snapshot_fixture():
    return snapshot
