"""What one run builds on this machine for all of its hosts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from opslib.compose.project import Project, parse_project
from opslib.errors import Cancelled, OpsError
from opslib.images.builds import Builds
from opslib.settings.model import Build


def project(name: str = "app", **args: str) -> Project:
    config = {
        "name": name,
        "services": {
            "web": {"image": "acme/web", "build": {"context": "/p", "args": args, "labels": {"of": name}}},
            "job": {"image": "acme/job", "build": {"context": "/p"}},
        },
    }
    return parse_project(config, root="/p", files=("compose.yml",))


def maker(asked: list[list[str]], error: Exception | None = None) -> Any:
    def work(*, services: list[str]) -> dict[str, Any]:
        time.sleep(0.05)
        asked.append(services)
        if error is not None:
            raise error
        return {name: f"image of {name}" for name in services}

    return work


def test_each_image_once_whoever_asks_first() -> None:
    builds, asked = Builds(), list[list[str]]()
    found: list[dict[str, Any]] = []

    def ask(host: str) -> None:
        found.append(builds.once(host, project(host), ["web"], Build(), maker(asked)))

    threads = [threading.Thread(target=ask, args=(f"h{number}",)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (asked, found) == ([["web"]], [{"web": "image of web"}] * 50)
    both = builds.once("z", project(), ["web", "job"], Build(), maker(asked))
    assert (asked[1:], both) == ([["job"]], {"web": "image of web", "job": "image of job"})


def test_a_build_that_failed_is_not_tried_for_each_host() -> None:
    builds, asked = Builds(), list[list[str]]()
    for _ in range(3):
        with pytest.raises(OpsError, match="no luck"):
            builds.once("a", project(), ["web"], Build(), maker(asked, OpsError("no luck")))
    assert len(asked) == 1
    builds, asked = Builds(), []
    with pytest.raises(Cancelled):
        builds.once("a", project(), ["web"], Build(), maker(asked, Cancelled("interrupted")))
    assert builds.once("a", project(), ["web"], Build(), maker(asked)) == {"web": "image of web"}


@pytest.mark.parametrize("other", [(project(COLOR="red"), Build()), (project(), Build(platform="linux/arm64"))])
def test_one_name_for_two_images_is_refused(other: tuple[Project, Build]) -> None:
    builds, asked = Builds(), list[list[str]]()
    builds.once("a", project(), ["web"], Build(), maker(asked))
    with pytest.raises(OpsError, match="acme/web is built in another way for a"):
        builds.once("b", other[0], ["web"], other[1], maker(asked))
    assert len(asked) == 1
