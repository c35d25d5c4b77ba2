"""From a store in a host file to an open one: nothing is sent yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from opslib.command import Secret
from opslib.settings.stores import StoreSpec, store_url
from opslib.stores.objects import ObjectStore
from opslib.stores.opening import open_store
from opslib.stores.store import StoreFailed


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("s3://acme/survey", {}),
        ("s3://acme", {"access_key": "id", "secret_key": "sesame", "endpoint": "http://127.0.0.1:1", "region": "x"}),
        ("gs://acme/survey", {}),
        ("gs://acme/survey", {"endpoint": "https://storage-acme.p.googleapis.com"}),
        ("az://acme/survey", {"access_key": "account", "secret_key": "c2VzYW1l"}),
    ],
)
def test_buckets(url: str, keys: dict[str, str]) -> None:
    given = {name: Secret(text) if name.endswith("_key") else text for name, text in keys.items()}
    assert isinstance(open_store(StoreSpec(url=store_url(url), **given)), ObjectStore)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("gs://acme", {"secret_key": "sesame"}),
        ("az://acme", {"access_key": "account", "secret_key": "not base64: sesame"}),
    ],
)
def test_keys_that_are_none(url: str, keys: dict[str, str]) -> None:
    given = {name: Secret(text) for name, text in keys.items()}
    with pytest.raises(StoreFailed, match="cannot be used") as error:
        open_store(StoreSpec(url=store_url(url), **given))  # type: ignore[arg-type]
    assert "sesame" not in error.value.text()


@pytest.mark.parametrize("url", ["gs://acme", "az://acme", "/mnt/nas", "sftp://nas/b"])
def test_hidden_versions_are_known_of_s3_alone(url: str) -> None:
    with pytest.raises(StoreFailed, match="of S3 alone"):
        open_store(StoreSpec(url=store_url(url)), hidden=True)


def test_hidden_versions_need_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(StoreFailed, match="keys are needed"):
        open_store(StoreSpec(url=store_url("s3://acme")), hidden=True).files("survey.prod")


def test_the_library_is_imported_only_where_a_store_is_opened() -> None:
    text = "import sys, opslib.tasks.backup, opslib.backup.offsite.push; sys.exit('obstore' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)
