"""What publishers say: the SHA-256 in their sum files, in PyPI's index, and the digests in an image registry.

Nothing is computed here from a file that was downloaded: a sum is the publisher's word, or there is none.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from kubecfn.errors import KubecfnError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
# A file of sums has some lines; what is larger is a web page.
_LARGEST = 4 * 1024 * 1024
_ATTEMPTS = 3
_TIMEOUT = 30
_PASSING = frozenset({429, 500, 502, 503, 504})
# OCI Distribution Specification, "Pulling manifests"; Docker Registry HTTP API V2 for what is older.
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)


class NotPublishedError(KubecfnError):
    """A publisher has nothing under a URL."""


@dataclass(frozen=True)
class Answer:
    """What a server answered: status, headers, body."""

    status: int
    headers: Message
    body: bytes


# Method, URL, headers -> answer; raises OSError when there is none.
Open = Callable[[str, str, Mapping[str, str]], Answer]


def over_http(method: str, url: str, headers: Mapping[str, str]) -> Answer:
    """Ask a server; redirects are followed and proxies of the environment are used.

    Raises:
        OSError: it cannot be reached, or broke off.
    """
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "kubecfn", **headers})  # noqa: S310  ours
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310  http and https of our table
            return Answer(answer.status, answer.headers, answer.read(_LARGEST))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read(_LARGEST))


@dataclass(frozen=True)
class Web:
    """How publishers are asked.

    Attributes:
        open: carries a request out.
        sleep: waits between attempts.
    """

    open: Open = over_http
    sleep: Callable[[float], None] = time.sleep
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def text(self, url: str) -> str:
        """Return what lies at a URL.

        Raises:
            KubecfnError: it cannot be had.
        """
        answer = self._ask("GET", url, {})
        if answer.status != HTTPStatus.OK:
            raise _refused(url, answer)
        return answer.body.decode("utf-8", errors="replace")

    def digest(self, registry: str, image: str) -> str:
        """Return the digest of what a registry has under an image's tag: of the index over its architectures.

        Source: OCI Distribution Specification, "Checking if content exists in the registry"; Distribution, "Token
        Authentication Specification".

        Args:
            registry: where the image's registry is: ``https://HOST``.
            image: as nodes name it: ``registry.k8s.io/pause:3.10.2``.

        Raises:
            KubecfnError: the registry has no such image, or says no digest.
        """
        path, _, tag = image.partition("/")[2].rpartition(":")
        url = f"{registry}/v2/{path}/manifests/{tag}"
        answer = self._ask("HEAD", url, self._with_token(path))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._tokens[path] = self._token(url, answer.headers.get("WWW-Authenticate", ""))
            answer = self._ask("HEAD", url, self._with_token(path))
        if answer.status != HTTPStatus.OK:
            raise _refused(url, answer)
        found = answer.headers.get("Docker-Content-Digest", "")
        if not _DIGEST.fullmatch(found):
            raise KubecfnError(
                f"{url} answers without the digest of {image} (Docker-Content-Digest: {found!r}).",
                remedy="Something between you and the registry takes it out: use another network or proxy.",
            )
        return found

    def _with_token(self, path: str) -> dict[str, str]:
        token = self._tokens.get(path)
        return {"Accept": _MANIFESTS, **({"Authorization": f"Bearer {token}"} if token else {})}

    def _token(self, url: str, challenge: str) -> str:
        given = dict(_CHALLENGE.findall(challenge))
        realm = given.pop("realm", "")
        if not challenge.lower().startswith("bearer ") or urlsplit(realm).scheme not in {"https", "http"}:
            raise KubecfnError(
                f"{url} wants to know who asks, in a way that is no anonymous token ({challenge or 'unsaid'}).",
                remedy="Use a registry that can be read without an account.",
            )
        body = json.loads(self.text(f"{realm}?{urlencode(given)}"))
        return str(body.get("token") or body.get("access_token") or "")

    def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self.open(method, url, headers)
            except OSError as error:
                if attempt == _ATTEMPTS:
                    raise _unreachable(url, error) from error
            else:
                if answer.status not in _PASSING or attempt == _ATTEMPTS:
                    return answer
            self.sleep(attempt)
        raise AssertionError("the last attempt returned or raised")


def sum_of(text: str, file: str, url: str) -> str:
    """Return the SHA-256 of a file that a publisher's sums name.

    The forms in use: the sum alone (dl.k8s.io, artifacts.k8s.io), ``SUM  NAME`` lines as sha256sum writes them
    (GNU coreutils: "sha2 utilities"), and these inside a signed message (runc; OpenPGP: "Cleartext Signature Framework").

    Args:
        text: of the sums.
        file: its name without a path.
        url: of the sums, for the error.

    Raises:
        KubecfnError: they do not name it, or say two things of it.
    """
    alone = text.strip()
    if _SHA256.fullmatch(alone):
        return alone
    lines = [line.split() for line in text.splitlines()]
    found = {
        words[0]
        for words in lines
        if len(words) == 2 and _SHA256.fullmatch(words[0]) and words[1].lstrip("*").rpartition("/")[2] == file  # noqa: PLR2004
    }
    if len(found) != 1:
        what = "two different SHA-256" if found else "no SHA-256"
        raise KubecfnError(
            f"{url} has {what} of {file}.",
            remedy="Open it in a browser: a page that asks for a login or a licence is no list of sums.",
        )
    return found.pop()


def wheel_of(text: str, url: str) -> tuple[str, str]:
    """Return URL and SHA-256 of a release's plain Python wheel, as PyPI's index says.

    Raises:
        KubecfnError: it has none.
    """
    try:
        files = json.loads(text)["urls"]
        wheels = [one for one in files if one["filename"].endswith("-none-any.whl") and not one.get("yanked")]
        found = [(str(one["url"]), str(one["digests"]["sha256"])) for one in wheels]
    except (ValueError, KeyError, TypeError):
        found = []
    if len(found) != 1 or not _SHA256.fullmatch(found[0][1]):
        raise KubecfnError(f"{url} names no wheel of plain Python with its SHA-256.", remedy="Use pypi.org itself.")
    return found[0]


def _unreachable(url: str, error: OSError) -> KubecfnError:
    reason = getattr(error, "reason", None) or error.strerror or error
    return KubecfnError(
        f"{urlsplit(url).hostname} cannot be reached: {reason} (asked {_ATTEMPTS} times for {url}).",
        remedy="Check the network and HTTPS_PROXY, then repeat; nothing was written.",
    )


def _refused(url: str, answer: Answer) -> KubecfnError:
    if answer.status == HTTPStatus.NOT_FOUND:
        return NotPublishedError(
            f"The publisher has nothing at {url} (404).",
            remedy="The release may not be published, or not for this architecture: name another with --release NAME=VERSION.",
        )
    return KubecfnError(f"{url} answers {answer.status}.", remedy="Repeat it later; nothing was written.")
