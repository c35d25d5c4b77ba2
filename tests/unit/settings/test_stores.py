"""What a host file says of stores."""

import pytest

from opslib.command import Secret
from opslib.settings import units
from opslib.settings.keep import Keep
from opslib.settings.stores import StoreUrl, store_url


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("s3://acme/survey/prod/", StoreUrl("s3", "acme", "survey/prod"), "s3://acme/survey/prod"),
        ("gs://acme", StoreUrl("gs", "acme", ""), "gs://acme"),
        ("az://acme/x", StoreUrl("az", "acme", "x"), "az://acme/x"),
        ("sftp://me@nas:2222/srv/b", StoreUrl("sftp", "me@nas:2222", "/srv/b"), "sftp://me@nas:2222/srv/b"),
        ("sftp://nas/~/b", StoreUrl("sftp", "nas", "b"), "sftp://nas/~/b"),
        ("sftp://me@[2001:db8::1]:22/b", StoreUrl("sftp", "me@[2001:db8::1]:22", "/b"), "sftp://me@[2001:db8::1]:22/b"),
        ("/mnt/n a s/", StoreUrl("folder", "", "/mnt/n a s"), "/mnt/n a s"),
    ],
)
def test_addresses(text, url, shown):
    assert store_url(text) == url
    assert str(url) == shown
    assert store_url(shown) == url


@pytest.mark.parametrize(
    "text",
    ["", "/", "backups", "http://x/y", "folder://x", "s3://", "s3://a b", "s3://a/../b", "s3://a/x y", "sftp://nas",
     "sftp://nas/", "sftp://me:secret@nas/b", "sftp:///b", 3, None],
)  # fmt: skip
def test_no_addresses(text):
    with pytest.raises(ValueError, match="expected"):
        store_url(text)


@pytest.mark.parametrize(("text", "rate"), [("10MB/s", 10**7), ("1.5 MiB/s", 1572864), ("500kB/s", 500_000)])
def test_rates(text, rate):
    assert units.rate(text) == rate


@pytest.mark.parametrize("text", ["10MB", "10", 10, "0MB/s", "fast", "10MB/m", True])
def test_no_rates(text):
    with pytest.raises(ValueError, match="a rate like"):
        units.rate(text)


def stores(text: str) -> str:
    return f"address: a\nbackup:\n  stores:\n    - {text}\n"


def test_a_store(project):
    text = "{url: s3://b/p, access_key: '${A}', secret_key: '${S}', limit: 1MB/s, keep: {daily: 3}}"
    (one,) = project.host(stores(text), environ={"A": "id", "S": "sesame"}).backup.stores
    assert (one.called, one.secret_key, one.limit) == ("s3://b/p", Secret("sesame"), 10**6)
    assert (one.keep, one.append_only) == (Keep(daily=3), False)
    assert "sesame" not in repr(one)


def test_an_address_alone_is_a_store(project):
    assert project.host(stores("/mnt/nas")).backup.stores[0].called == "/mnt/nas"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{url: s3://b, access_key: abc, secret_key: '${S}'}",
            "hosts/prod.yml:4: backup.stores[0].access_key: a secret",
        ),
        ("{url: s3://b, secret_key: '${S}'}", "give both access_key and secret_key"),
        ("{url: az://b, secret_key: '${S}'}", "access_key, the storage account's name, is missing"),
        ("{url: /mnt, region: x}", "region means nothing for /mnt"),
        ("{url: gs://b, region: x}", "region means nothing for gs://b"),
        ("{url: gs://b, access_key: '${S}', secret_key: '${S}'}", "access_key means nothing for gs://b"),
        ("{url: s3://b, bucket: x}", "unknown key 'backup.stores[0].bucket'"),
        ("{url: s3://b, name: host}", "give the store another name"),
        ("{name: x}", "backup.stores[0].url is missing"),
        ("{url: s3://b, limit: fast}", "expected a rate like 10MB/s, found 'fast'"),
        ("{url: s3://b, folder: a/b}", "expected a name of letters"),
        ("/mnt\n    - {url: s3://b, name: x}\n    - {url: s3://c, name: x}", "two stores are called 'x'"),
    ],
)
def test_mistakes_name_the_line(project, refused, text, said):
    project.write("hosts/prod.yml", stores(text))
    found = refused(project.host, environ={"S": "sesame"})
    assert said in found
    assert "hosts/prod.yml:" in found
    assert "sesame" not in found
