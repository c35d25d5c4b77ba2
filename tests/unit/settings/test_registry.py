"""What a host file says of a registry, and what images are called there."""

import pytest

from opslib.command import Secret
from opslib.settings.registry import Registry, registry_address


@pytest.mark.parametrize(
    "text",
    [
        "registry.example.com",
        "r.example.com:5000/team/a-b",
        "127.0.0.1:5000",
        "localhost",
        "nas:5000",
        "docker.io/acme",
    ],
)
def test_addresses(text):
    assert registry_address(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "https://r.example.com", "acme", "acme/api", "r.example.com/", "r.example.com/Team", "a b", "-x", 5000, None],
)
def test_no_addresses(text):
    with pytest.raises(ValueError, match="expected a registry"):
        registry_address(text)


def test_in_a_host_file(project, refused):
    assert project.host("registry: r.example.com/team").registry == Registry(address="r.example.com/team")
    text = "registry: {address: 'r.example.com:5000', user: me, password: '${R}'}"
    assert project.host(text, environ={"R": "pw"}).registry == Registry(
        address="r.example.com:5000", user="me", password=Secret("pw")
    )
    assert "give both user and password" in refused(project.host, "registry: {address: r.example.com, user: me}")
    assert "only as ${NAME}" in refused(project.host, "registry: {address: r.example.com, user: me, password: pw}")
    assert "https://" in refused(project.host, "registry: https://r.example.com")


@pytest.mark.parametrize(
    "image, name",
    [
        ("shop-api:1", "r.example.com:5000/team/shop-api:1"),
        ("acme/api", "r.example.com:5000/team/acme/api"),
        ("ghcr.io/acme/api:1", "r.example.com:5000/team/acme/api:1"),
        ("localhost/api:1", "r.example.com:5000/team/api:1"),
        ("r.example.com:5000/team/api:1", "r.example.com:5000/team/api:1"),
    ],
)
def test_names(image, name):
    registry = Registry(address="r.example.com:5000/team")
    assert registry.name(image) == name
    assert registry.server == "r.example.com:5000"
