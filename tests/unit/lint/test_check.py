"""Asking rules, and what a deploy makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.errors import OpsError
from opslib.findings import Finding
from opslib.lint import check as module
from opslib.lint.check import check
from opslib.lint.model import Model
from opslib.lint.rule import Edit, Found, Rule
from opslib.lint.written import read

CONFIG: dict[str, Any] = {
    "name": "p",
    "services": {"db": {"image": "x", "environment": {"DB_PASSWORD": "hunter22"}}},
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "c.yml").write_text("services:\n  db:\n    image: x\n")
    return Model(parse_project(CONFIG), CONFIG, tmp_path, written=read(tmp_path, ["c.yml"]))


def _tells(model: Model) -> Iterator[Found]:
    place = model.place("services", "db", "image")
    yield Found(
        "hunter22 is known", "write hunter22 elsewhere", place, "db", Edit("c.yml", ("services", "db", "init"), True)
    )


RULES = (
    Rule("tells", "loses data", "it tells", _tells),
    Rule(
        "runs", "breaks", "it runs", lambda model: iter([Found("x", "", model.place("services", "db"))]), running=True
    ),
)


def test_what_everybody_tries_first_is_no_secret_to_mask(tmp_path: Path) -> None:
    config = {"name": "p", "services": {"db": {"image": "x", "environment": {"DB_PASSWORD": "password"}}}}
    (tmp_path / "c.yml").write_text("services:\n  db:\n    image: x\n")
    model = Model(parse_project(config), config, tmp_path, written=read(tmp_path, ["c.yml"]))
    told = Found("a password in its URL", "write ${DB_PASSWORD}", model.place("services", "db"))
    (hit,) = check(model, (Rule("tells", "exposes", "it tells", lambda model: iter([told])),))
    assert hit.finding.what == "a password in its URL"


def test_a_finding_has_its_place_and_no_secret(model: Model) -> None:
    (hit,) = check(model, RULES)
    assert hit.finding == Finding("tells", "loses data", "*** is known", "write *** elsewhere", "c.yml", 3, "db")
    assert hit.edit is not None


def test_rules_that_need_what_runs_are_asked_with_it_alone(model: Model) -> None:
    assert [hit.finding.rule for hit in check(model, RULES, running=True)] == ["tells", "runs"]
    assert [hit.finding.rule for hit in check(model, RULES, running=True, cost="breaks")] == ["runs"]


def test_rules_have_names_for_good() -> None:
    ids = [rule.id for rule in module.RULES]
    assert len(ids) == len(set(ids))
    assert all(rule.id == rule.id.lower().replace("_", "-") and rule.title for rule in module.RULES)


def test_a_deploy_is_refused_for_what_loses_data_and_names_the_way_out() -> None:
    from opslib.deploy.look_lint import refuse

    found = [Finding("mount-beside-data", "loses data", "db would lose it", "x", "c.yml", 3, "db")]
    with pytest.raises(OpsError) as error:
        refuse(found, (), "prod")
    assert str(error.value) == (
        "prod: c.yml:3: db would lose it (mount-beside-data)\n  left as it was: everything\n  next: inv lint shows what to "
        "write instead; where it is meant, inv deploy --host prod --ignore mount-beside-data, or `# opslib: ignore "
        "mount-beside-data until DATE: reason` above c.yml:3 for good"
    )
    refuse(found, ("mount-beside-data",), "prod")
    refuse([], (), "prod")
