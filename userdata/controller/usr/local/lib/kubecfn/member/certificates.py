"""This member's own certificates, issued here from the etcd authority by the openssl program.

A key is made once and kept, so that renewing replaces one file and the pair fits at every moment; etcd reads both again
for each new connection. `openssl ca` is the one command of OpenSSL 3.0 that can date a certificate back.
"""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from agent import disk
from agent.steps import StepFailed

from kubecfn.etcd import names
from kubecfn.etcd.journal import say

from .settings import PKI, Me

STEP = "certificates"
LIFETIME = 365 * 24 * 3600
# A peer whose clock is behind would call a new certificate not yet valid.
BACKDATED_BY = 3600
CLIENT = "healthcheck-client"
# The API server's, which asks this member alone.
API_SERVER = "apiserver-client"
_BOTH = "serverAuth,clientAuth"
_NAME = re.compile(r"(DNS|IP Address):([^,\s]+)")


@dataclass(frozen=True)
class Leaf:
    """What a certificate is for. `names`: as openssl.cnf(5) writes them: ``IP:…``, ``DNS:…``; `subject`: the member's own when empty."""

    file: str
    purposes: str
    names: Tuple[str, ...]
    subject: str = ""


def leaves(me: Me) -> Tuple[Leaf, ...]:
    """Return what a member needs.

    The gateway inside etcd shows the server's certificate to its own client port, so that is a client's too. The
    address is in it, so that peers that check it need no DNS (etcd, client/pkg/transport/listener_tls.go: checkCertSAN).
    """
    own = tuple(dict.fromkeys((f"IP:{me.address}", "IP:127.0.0.1", "DNS:localhost")))
    named = f"DNS:{names.controller(me.name, me.domain)}"
    return (
        Leaf("server", _BOTH, (*own, named, f"DNS:{names.round_robin(me.domain)}")),
        Leaf("peer", _BOTH, (*own, named)),
        # Without names, for etcd compares a client's address with them as soon as there is one.
        Leaf(CLIENT, "clientAuth", (), "kubecfn-agent"),
        Leaf(API_SERVER, "clientAuth", (), "kube-apiserver"),
    )


def ensure(root: Path, me: Me, now: "float | None" = None) -> str:
    """Issue what is missing, not valid yet, ends soon, or is of another address or authority; return what was done.

    Args:
        root: what stands for ``/``.
        me: whose they are.
        now: seconds since 1970; the clock's when left out.

    Raises:
        StepFailed: the authority is missing, has ended, does not fit its key, or openssl cannot be run.
        OSError: the disk refused; every file is what it was.
    """
    at = time.time() if now is None else now
    folder = root / PKI
    ends = authority(folder / "ca.crt", "etcd", "etcd-ca", at)
    issued = []
    for leaf in leaves(me):
        why = _flaw(folder, leaf, at)
        if why:
            _issue(folder, me, leaf, at, min(at + LIFETIME, ends))
            issued.append(f"{leaf.file} ({why})")
    return f"issued {', '.join(issued)}" if issued else "all are good"


def authority(certificate: Path, what: str, item: str, now: float) -> float:
    """Return when an authority ends.

    Args:
        certificate: its file; the key lies beside it.
        what: as a person names it, e.g. ``etcd``.
        item: as `kubecfn keys replace` names it.
        now: seconds since 1970.

    Raises:
        StepFailed: it is missing, has ended, or does not fit its key.
    """
    key = certificate.with_suffix(".key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=str(certificate))
        (facts,) = context.get_ca_certs()
    except (OSError, ValueError) as error:
        raise StepFailed(STEP, f"{certificate} is not the one certificate of an authority: {error}") from error
    begins, ends = (ssl.cert_time_to_seconds(str(facts[name])) for name in ("notBefore", "notAfter"))
    if ends <= now:
        raise StepFailed(
            STEP,
            f"the {what} authority in {certificate} ended at {_written(ends)}: "
            f"replace it with `kubecfn keys replace {item}`, then apply",
        )
    flaw = _pair_flaw(certificate, key)
    if flaw:
        raise StepFailed(STEP, f"{key} is not the key of {certificate} ({flaw}): pack the bundle from one set of keys")
    if begins > now:
        say(STEP, f"the {what} authority begins only at {_written(begins)}: is this node's clock right?")
    return ends


def lifetime(certificate: bytes) -> Tuple[float, float]:
    """Return when a certificate begins and ends, in seconds since 1970.

    Args:
        certificate: PEM; the first of several counts.

    Raises:
        StepFailed: it is none, or openssl cannot be run.
    """
    return _dates(_openssl("x509", "-noout", "-startdate", "-enddate", told=certificate))


def _dates(text: str) -> Tuple[float, float]:
    dates = dict(line.split("=", 1) for line in text.splitlines() if line.startswith(("notBefore=", "notAfter=")))
    return ssl.cert_time_to_seconds(dates["notBefore"]), ssl.cert_time_to_seconds(dates["notAfter"])


def _pair_flaw(certificate: Path, key: Path) -> str:
    """Return why a key is not a certificate's; empty when it is. An encrypted key is none: nobody is here to ask."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(str(certificate), str(key), password="")
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _flaw(folder: Path, leaf: Leaf, now: float) -> str:
    """Return why a certificate has to be issued; empty when it is good."""
    certificate, key = folder / f"{leaf.file}.crt", folder / f"{leaf.file}.key"
    if not certificate.exists() or not key.exists():
        return "missing"
    if _pair_flaw(certificate, key):
        return "not of its key"
    try:
        text = _openssl("x509", "-in", str(certificate), "-noout", "-startdate", "-enddate", "-ext", "subjectAltName")
        chain = ("-CAfile", str(folder / "ca.crt"), "-no-CApath", "-no-CAstore", "-no_check_time")
        _openssl("verify", *chain, str(certificate))
    except StepFailed:
        return "of another authority"
    begins, ends = _dates(text)
    if {f"{kind.split()[0]}:{value}" for kind, value in _NAME.findall(text)} != set(leaf.names):
        return "of another address"
    if begins > now:
        # This node's clock was ahead when it was issued: nobody else accepts it yet.
        return "of a time to come"
    return "in the last quarter of its life" if in_last_quarter(begins, ends, now) else ""


def in_last_quarter(begins: float, ends: float, now: float) -> bool:
    """Say whether a certificate has to be renewed."""
    return ends - now < (ends - begins) / 4


def _issue(folder: Path, me: Me, leaf: Leaf, begin: float, end: float) -> None:
    """Make the certificate, and before it the key if what is there is none; each file is replaced in one step."""
    work = Path(tempfile.mkdtemp(dir=str(folder), prefix=".issuing-"))
    try:
        (work / "index").touch()
        (work / "openssl.cnf").write_text(_configuration(work, me, leaf), encoding="utf-8")
        config, key = ("-config", str(work / "openssl.cnf")), folder / f"{leaf.file}.key"
        request = ("req", "-new", *config, "-out", str(work / "request"))
        try:
            _openssl(*request, "-key", str(key), "-passin", "pass:")
        except StepFailed:
            made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(work / "key"))
            _openssl(*request, *made)
            disk.write(key, (work / "key").read_text(encoding="ascii"), 0o600)
        signs = ("-cert", str(folder / "ca.crt"), "-keyfile", str(folder / "ca.key"), "-passin", "pass:")
        dates = ("-startdate", _compact(begin - BACKDATED_BY), "-enddate", _compact(end))
        what = ("-in", str(work / "request"), "-out", str(work / "certificate"), "-extensions", "leaf")
        _openssl("ca", "-batch", "-notext", *config, *signs, *dates, *what)
        disk.write(folder / f"{leaf.file}.crt", (work / "certificate").read_text(encoding="ascii"), 0o644)
    finally:
        shutil.rmtree(str(work), ignore_errors=True)


def _configuration(work: Path, me: Me, leaf: Leaf) -> str:
    lines = [
        "[ca]", "default_ca = once",
        "[once]", f"new_certs_dir = {work}", f"database = {work / 'index'}", "default_md = sha256",
        "policy = subject", "rand_serial = yes", "unique_subject = no", "copy_extensions = none",
        "[subject]", "commonName = supplied",
        "[req]", "distinguished_name = name", "prompt = no", "default_md = sha256",
        "[name]", f"CN = {leaf.subject or me.name}",
        "[leaf]", "basicConstraints = critical,CA:FALSE", "keyUsage = critical,digitalSignature",
        f"extendedKeyUsage = {leaf.purposes}", "subjectKeyIdentifier = hash", "authorityKeyIdentifier = keyid",
    ]  # fmt: skip
    if leaf.names:
        lines.append(f"subjectAltName = {','.join(leaf.names)}")
    return "\n".join(lines) + "\n"


def _openssl(*arguments: str, told: bytes = b"") -> str:
    """Return what openssl prints. No argument is ever a key: keys are named by their files."""
    command: List[str] = ["openssl", *arguments]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, input=told.decode("ascii", "replace")
        )
    except OSError as error:
        raise StepFailed(STEP, f"openssl cannot be run: {error.strerror}") from error
    if done.returncode:
        files = [arguments[at + 1] for at, name in enumerate(arguments) if name == "-in"] or [arguments[-1]]
        ignored = ("Using configuration", "Check that")
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(ignored)]
        raise StepFailed(STEP, f"openssl {arguments[0]} refuses {files[0]}: {said[0] if said else done.returncode}")
    return done.stdout


def _compact(at: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))


def _written(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
