"""A server whose engine has the containerd image store: a deploy, a line cut while an image is sent, a reboot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.images.tools import ensure_tools
from opslib.settings.model import Host
from opslib.target.local import Local
from tests.lab.site import GATED, Site, ended, fault, own_server, site_on, until

pytestmark = pytest.mark.lab
SERVER = "containerd"
MEGABYTES = 128
SERVED = "    image: ${IMAGES}busybox:1\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c"
COMPOSE = GATED.replace(SERVED, SERVED.replace("image: ${IMAGES}busybox:1", "build: large"))
DOCKERFILE = f"FROM IMAGESbusybox:1\nRUN dd if=/dev/urandom of=/large bs=1M count={MEGABYTES}\n"


@pytest.fixture(scope="module")
def site(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    assert COMPOSE != GATED
    images = lab["images_prefix"]
    server = own_server(SERVER, "busybox,postgres,debian", "--store", "containerd")
    with site_on(tmp_path_factory.mktemp("site"), images, server, compose=COMPOSE) as made:
        (made.root / "large").mkdir()
        (made.root / "large/Dockerfile").write_text(DOCKERFILE.replace("IMAGES", images))
        made.git("add", "-A")
        made.inv("build")  # so that nothing but the sending is under way when the line is cut
        yield made
        fault(SERVER, "heal")


def test_the_line_is_cut_while_an_image_is_sent(site: Site) -> None:
    name = f"{site.name}-web"
    part = f"{site.folder}/.opslib/ship/*.part"
    assert f"send {name}: " in (plan := site.inv("deploy", "--plan")), plan
    assert re.search(r"1[34]\d\.\d MB as the images here are now", plan), plan
    deploy = site.start("deploy")
    until(lambda: int(site.inside(f"cat {part} | wc -c") or 0) > 10_000_000, 60, "no image was sent")
    fault(SERVER, "cut")
    until(lambda: not site.inside("pgrep head"), 60, "the server goes on waiting for the rest")
    there = int(site.inside(f"cat {part} | wc -c"))
    assert site.inside(f"docker image ls -q {name}") == "", "half an image"
    fault(SERVER, "heal")
    assert "the connection" in ended(deploy, 1)
    assert site.left() == []
    (sent,) = json.loads(site.inv("deploy", "--wait", "1m", "--json").splitlines()[-1])["hosts"][0]["result"]["sent"]
    assert sent["bytes"] < MEGABYTES * 1024 * 1024 - there + 10_000_000, "what had arrived was sent again"
    assert sent["whole"] is None
    assert site.inside(f"ls -A {site.folder}/.opslib/ship") == ""
    assert site.served() == "blue"
    digest = f"exec {site.container('web')} sha256sum /large"
    here = site.here(f"docker run --rm --network none {name} sha256sum /large")
    assert site.inside(f"docker {digest}") == here != ""
    assert "nothing to do" in site.inv("deploy")


def bring_tools(site: Site) -> None:
    here = Local(Host(name="local", path=str(site.root)))
    ensure_tools(site.target, here, {"OPSLIB_TOOLS_BASE": f"{site.images}debian:bookworm-slim"})


def test_a_reboot_between_stop_and_start(site: Site) -> None:
    bring_tools(site)  # as the first backup does: without them the watchdog is a process, and ends with the machine
    site.inv("deploy")
    site.env("shut")
    deploy = site.start("deploy", "--yes")
    until(lambda: not site.container("web"), 60, "the old version was not stopped")
    fault(SERVER, "kill")
    deploy.kill()
    deploy.communicate()
    fault(SERVER, "start")
    until(lambda: site.served() == "blue", 60, "nobody brought the old release back")
    site.env("green")
    assert "left half done" in site.inv("deploy", "--wait", "1m", "--yes")
    assert site.served() == "green"
    assert site.left() == []
