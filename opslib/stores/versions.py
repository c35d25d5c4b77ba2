"""A bucket of S3 that keeps versions, as it was filled: also what has been deleted or written over there since."""

from __future__ import annotations

import hashlib
import hmac
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import datetime, timezone
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from opslib.stores.objects import LOOK, ObjectStore
from opslib.stores.store import Content, StoreFailed, StoreLost

if TYPE_CHECKING:
    from opslib.settings.stores import StoreSpec

_WAIT = 60.0  # seconds for an answer
_PAGE = 1000  # versions in an answer, the most that S3 gives


class FirstVersions(ObjectStore):
    """Of each file the first version. opslib writes nothing over, so that is the one that it sent, and whatever came
    later under the same name did not come from it. Nothing is written.

    The library that does all the rest cannot list versions: that request is made here, with the keys of the host file
    or of the environment.
    """

    def __init__(self, spec: StoreSpec) -> None:
        super().__init__(spec)
        self._spec = spec
        self._known: dict[str, tuple[str, int]] = {}

    def files(self, folder: str) -> dict[str, int]:
        found = self._first(f"{folder}/")
        self._known.update(found)
        return {key.removeprefix(f"{folder}/"): length for key, (_, length) in found.items()}

    def put(self, key: str, blocks: Iterable[bytes], content: Content) -> None:
        raise StoreFailed(f"{self._url}: nothing is written beside hidden versions")

    def delete(self, key: str) -> None:
        raise StoreFailed(f"{self._url}: hidden versions are left alone")

    def _which(self, key: str) -> dict[str, Any]:
        if key not in self._known:
            self._known.update(self._first(key))
        if key not in self._known:
            raise FileNotFoundError("no version of it either")
        return {"version": self._known[key][0]}

    def _first(self, start: str) -> dict[str, tuple[str, int]]:
        """By key the first version, and its length in bytes, of all files whose key starts so. Newest come first: the
        last one counts."""
        prefix = f"{self._spec.url.path}/" if self._spec.url.path else ""
        found: dict[str, tuple[str, int]] = {}
        query = {"max-keys": str(_PAGE), "prefix": prefix + start, "versions": ""}
        while True:
            page = self._asked(query)
            for one in page.findall("{*}Version"):
                key = one.findtext("{*}Key", "").removeprefix(prefix)
                found[key] = (one.findtext("{*}VersionId", ""), int(one.findtext("{*}Size", "0")))
            if page.findtext("{*}IsTruncated") != "true":
                return found
            query["key-marker"] = page.findtext("{*}NextKeyMarker", "")
            query["version-id-marker"] = page.findtext("{*}NextVersionIdMarker", "")

    def _asked(self, query: dict[str, str]) -> ElementTree.Element:
        request, what = self._signed(query), f"{self._url}: its versions"
        try:
            with urllib.request.urlopen(request, timeout=_WAIT) as answer:
                return ElementTree.fromstring(answer.read())
        except urllib.error.HTTPError as error:
            said = self._told(error.read(10_000).decode("utf-8", "replace") or str(error))
            if error.code < 500 and error.code not in (408, 429):
                raise StoreFailed(f"{what} are refused: {said}", next=LOOK) from error
            raise StoreLost(f"{what}: {said}") from error
        except ElementTree.ParseError as error:
            raise StoreFailed(f"{what}: the answer is not that of S3: {error}", next=LOOK) from error
        except (OSError, HTTPException) as error:
            raise StoreLost(f"{what}: {error}") from error

    def _signed(self, query: dict[str, str]) -> urllib.request.Request:
        """The request for a list, signed as S3 asks (AWS Signature 4). Raises StoreFailed without keys."""
        spec, environ = self._spec, os.environ
        region = spec.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = spec.endpoint or environ.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com"
        if spec.access_key and spec.secret_key:
            key, secret, token = spec.access_key.reveal(), spec.secret_key.reveal(), None
        else:
            key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
            token = environ.get("AWS_SESSION_TOKEN")
        if not (key and secret):
            raise StoreFailed(
                f"{self._url}: to see versions, keys are needed; a machine's role is not enough here",
                next="give access_key and secret_key in the host file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        now, url = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"), f"{endpoint.rstrip('/')}/{spec.url.at}"
        headers = {
            "host": urlsplit(url).netloc, "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(), "x-amz-date": now,
            **({"x-amz-security-token": token} if token else {}),
        }  # fmt: skip
        asked, names = _in_url(query), ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        whole = f"GET\n{urlsplit(url).path}\n{asked}\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
        scope = f"{now[:8]}/{region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(whole.encode()).hexdigest()}"
        sign = f"AWS4{secret}".encode()
        for part in (*scope.split("/"), text):
            sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={sign.hex()}"
        )
        return urllib.request.Request(f"{url}?{asked}", headers=headers)


def _in_url(query: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(query.items()))
