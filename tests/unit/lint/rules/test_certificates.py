"""Certificates of certbot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lint.rules.stacks import found, model


@pytest.mark.parametrize(
    "source, wanted",
    [
        ("/etc/letsencrypt/live/example.com:/certs", "finds nothing"),
        ("/etc/letsencrypt/live/example.com/fullchain.pem:/certs/a.pem", "goes on with the old one"),
        ("./certbot/live/example.com:/certs", "finds nothing"),
        ("/etc/letsencrypt:/etc/letsencrypt", None),
        ("./certs:/etc/nginx/certs", None),
        ("./live/data:/data", None),
    ],
)
def test_what_is_below_live_are_links(tmp_path: Path, source: str, wanted: str | None) -> None:
    seen = model(tmp_path, f"services:\n  web:\n    image: nginx:1\n    volumes:\n      - {source}:ro\n")
    assert [(wanted or "") in one.what and one.place.line == 5 for one in found(seen, "certificate-mount")] == [
        True
    ] * bool(wanted)


def test_certbot_that_edits_nginx(tmp_path: Path) -> None:
    for image, command, wanted in (
        ("certbot/certbot", "--nginx -d example.com", 1),
        ("debian", "sh -c 'apt-get install certbot && certbot --nginx -d example.com'", 1),
        ("certbot/certbot", "certonly --webroot -w /var/www/certbot -d example.com", 0),
        ("nginx", "nginx -g 'daemon off;'", 0),
    ):
        seen = model(tmp_path, f"services:\n  web:\n    image: {image}\n    command: {command}\n")
        assert len(found(seen, "certbot-edits-nginx")) == wanted, command
