from __future__ import annotations

import base64

import pytest

from opslib.backup.manifest import Artifact, Manifest, encode
from opslib.backup.sets import SetInfo, choose, parse
from opslib.errors import BadSettings
from opslib.settings.model import Keep
from tests.unit.backup.test_manifest import ARTIFACT, MANIFEST
from tests.unit.backup.test_retention import outdated


def coded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def listed(name: str, *lines: str) -> str:
    return "\n".join([f"set {coded(name)}", *lines, ""])


def manifest(id: str, *files: str, safety: bool = False) -> Manifest:
    import msgspec

    made = tuple(msgspec.structs.replace(ARTIFACT, file=file, facts={"safety": True} if safety else {})
                 for file in files or (ARTIFACT.file,))  # fmt: skip
    return msgspec.structs.replace(MANIFEST, id=id, created=f"2026-11-{id}T00:00:00Z", artifacts=made)


def info(id: str, *files: str, damaged: str = "", wrong: str = "", safety: bool = False) -> SetInfo:
    return SetInfo(id, f"/b/{id}", manifest(id, *files, safety=safety), wrong, damaged)


def test_a_whole_set() -> None:
    text = listed("s1", "file 3 postgres.db.app.dump.zst", f"manifest {coded(encode(MANIFEST))}")
    (one,) = parse("/b", text)
    assert (one.id, one.folder, one.whole, one.manifest) == ("s1", "/b/s1", True, MANIFEST)


@pytest.mark.parametrize(
    "lines, why",
    [
        ([], "there is no manifest.json"),
        ([f"manifest {coded(encode(MANIFEST))}"], "postgres.db.app.dump.zst is missing"),
        (["file 2 postgres.db.app.dump.zst", f"manifest {coded(encode(MANIFEST))}"],
         "postgres.db.app.dump.zst has 2 bytes, the manifest says 3"),
        ([f"manifest {coded('{')}"], "/b/s1/manifest.json cannot be read"),
        ([f"manifest {coded('{}')}"], "/b/s1/manifest.json cannot be read"),
    ],
)  # fmt: skip
def test_half_and_broken_sets_are_named_as_such(lines: list[str], why: str) -> None:
    (one,) = parse("/b", listed("s1", *lines))
    assert not one.whole
    assert one.wrong.startswith(why)


def test_a_damaged_set_is_not_whole() -> None:
    lines = ["file 3 postgres.db.app.dump.zst", "damaged  x: another digest ", f"manifest {coded(encode(MANIFEST))}"]
    (one,) = parse("/b", listed("s1", *lines))
    assert not one.whole
    assert one.damaged == "x: another digest"


def test_what_is_being_made_is_shown_and_other_hidden_folders_are_not() -> None:
    found = parse("/b", listed(".s2.part") + listed(".git"))
    assert [(one.id, one.wrong) for one in found] == [("s2", "it is being made, or was left half done")]


def test_hostile_folder_names_are_themselves() -> None:
    (one,) = parse("/b", listed("-a b\n'c'"))
    assert one.id == "-a b\n'c'"


def test_latest_is_the_newest_whole_set_that_is_no_safety_copy() -> None:
    sets = [info("01"), info("02"), info("03", safety=True), info("04", damaged="x"), info("05", wrong="y")]
    assert choose(sets, "latest", "prod").id == "02"
    with pytest.raises(BadSettings, match="no whole backup set"):
        choose(sets[2:], "latest", "prod")


def test_a_set_by_its_beginning() -> None:
    sets = [info("0101"), info("0102"), info("02")]
    assert choose(sets, "02", "prod").id == "02"
    assert choose(sets, "0102", "prod").id == "0102"
    with pytest.raises(BadSettings, match="begins 2 sets"):
        choose(sets, "01", "prod")
    with pytest.raises(BadSettings, match="no set '03'"):
        choose(sets, "03", "prod")


def gone(sets: list[SetInfo], last: int) -> list[str]:
    return [one.id for one in outdated(sets, Keep(last=last))]


def test_the_last_ones_stay() -> None:
    assert gone([info("01"), info("02"), info("03")], 2) == ["01"]
    assert gone([info("01")], 1) == []


def test_broken_sets_neither_count_nor_go() -> None:
    sets = [info("01"), info("02", damaged="x"), info("03", wrong="y")]
    assert gone(sets, 1) == []


def test_sets_of_one_kind_never_push_out_what_only_older_ones_hold() -> None:
    sets = [info("01", "db", "uploads"), info("02", "db"), info("03", "db"), info("04", "db")]
    assert gone(sets, 1) == ["02", "03"]
    assert gone([*sets, info("05", "db", "uploads")], 1) == ["01", "02", "03", "04"]


def test_safety_copies_are_counted_apart() -> None:
    sets = [info("01"), info("02", safety=True), info("03", safety=True)]
    assert gone(sets, 1) == ["02"]


def test_what_a_release_points_to_stays_and_counts() -> None:
    sets = [info("01"), info("02"), info("03")]
    assert [one.id for one in outdated(sets, Keep(last=1), {"01"})] == ["02"]
    assert [one.id for one in outdated(sets, Keep(last=2), {"02"})] == ["01"]


def test_the_newest_is_never_removed() -> None:
    sets = [info(f"{n:02}") for n in range(1, 20)]
    for last in range(1, 5):
        assert "19" not in gone(sets, last)
        assert len(sets) - len(gone(sets, last)) == last
        copies = [info(f"{n:02}", safety=True) for n in range(1, 20)]
        assert "19" not in gone([*copies, info("20")], last), "`restore.undo` goes back to it"


def test_an_empty_manifest_is_left_alone() -> None:
    empty = SetInfo("01", "/b/01", Manifest(**{**{n: getattr(MANIFEST, n) for n in MANIFEST.__struct_fields__},
                                              "artifacts": ()}))  # fmt: skip
    assert gone([empty, info("02")], 1) == []


def test_title() -> None:
    assert ARTIFACT.title == "postgres db/app"
    assert Artifact(file="f", kind="volume", name="v", bytes=1, raw_bytes=1, sha256="").title == "volume v"
