"""`deploy: backup_first: true`: the set is made before anything is touched, and stays as long as its release does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.site import Site, site_on

pytestmark = pytest.mark.lab
SETTINGS = """deploy: {backup_first: true, keep_releases: 1, timeout: 60s, stable: 1s}
backup: {keep: {last: 1}}"""


@pytest.fixture
def site(lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    with site_on(tmp_path, lab["images_prefix"], None, settings=SETTINGS) as made:
        made.inv("deploy")
        made.sql("create table t (a int); insert into t values (1), (2)")
        yield made


def told(site: Site, *words: str) -> dict[str, Any]:
    """What `--json` says of the host."""
    text = site.inv(*words, "--json")
    found: dict[str, Any] = json.loads(text[text.index('{"task"') :])["hosts"][0]
    return found


def test_a_set_before_each_deploy_and_for_as_long_as_its_release(site: Site) -> None:
    assert site.sets() == [], "there was nothing to back up before the first"
    site.env("green")
    host = told(site, "deploy")
    first, release = host["result"]["set"], host["result"]["release"]
    names = [step["name"] for step in host["steps"] if step["status"] == "done"]
    assert names.index("backup.publish") < names.index("record") < names.index("up")
    assert [name for name in names[: names.index("backup.publish")] if not name.startswith("backup.")] == []
    assert json.loads((site.root / ".opslib/releases" / release / "release.json").read_text())["backup"] == first
    assert f"backup   {first}" in site.inv("releases", "--show", release)
    counts = told(site, "backup.show", "--set", first)["result"]["manifest"]["artifacts"]
    assert {"public.t": 2} in [one["counts"] for one in counts]

    plain = told(site, "backup.all")["result"]["set"]
    assert site.sets() == [first, plain], "one set is to stay, and one more because the release points to it"
    assert told(site, "releases")["result"]["releases"][0]["backup"] == first


def test_no_backup_no_deploy(site: Site) -> None:
    site.env("green")
    site.inside(f"docker exec {site.container('db')} psql -U app -c 'alter role app nologin'")
    web, releases = site.container("web"), site.inside(f"ls {site.folder}/.opslib/releases")
    said = site.inv("deploy", code=1)
    assert "not permitted to log in" in said
    assert "no backup set was made" in said
    assert site.inside(f"ls {site.folder}/.opslib/releases") == releases
    assert (site.container("web"), site.served(), site.sets(), site.left()) == (web, "blue", [], [])
