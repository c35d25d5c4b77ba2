from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.backup.manifest import Artifact, BadManifest, Engine, Manifest, Moment, decode, encode, file_name, seal

ARTIFACT = Artifact(
    file="postgres.db.app.dump.zst", kind="postgres", name="app", service="db", bytes=3, raw_bytes=9,
    sha256="a" * 64, counts={"public.t": 1}, facts={"part": "database"}, by_hand=("docker exec …",),
)  # fmt: skip
MANIFEST = Manifest(
    id="2026-11-22T020000Z-7f3a", created="2026-11-22T02:00:00Z", host="prod", project="survey", by="me@here",
    opslib="0.1.0", engine=Engine(docker="26.1.5", compose="2.26.1", arch="amd64"), seconds=1.5, artifacts=(ARTIFACT,),
)  # fmt: skip


def changed(**values: object) -> bytes:
    return seal(json.dumps({**json.loads(encode(MANIFEST)), **values}, indent=2).encode() + b"\n")


def changed_artifact(**values: object) -> bytes:
    return changed(artifacts=[{**json.loads(encode(MANIFEST))["artifacts"][0], **values}])


def test_reads_what_it_writes() -> None:
    assert decode(encode(MANIFEST), "manifest.json") == MANIFEST
    assert encode(MANIFEST).endswith(b"}\n")


def test_a_set_that_is_not_of_one_point_in_time_says_nothing_of_it() -> None:
    older = {name: value for name, value in json.loads(encode(MANIFEST)).items() if name != "consistent"}
    assert decode(json.dumps({**older, "version": 1}).encode(), "X") == msgspec.structs.replace(MANIFEST, version=1)
    moment = {"at": "2026-11-22T02:00:01Z", "seconds": 3.1, "stopped": ["app"]}
    assert decode(changed(consistent=moment), "X").consistent == Moment(at=moment["at"], seconds=3.1, stopped=("app",))


def test_an_unknown_version_is_refused_before_anything_else_is_looked_at() -> None:
    with pytest.raises(BadManifest, match=r"X is of version 3, this opslib reads versions up to 2"):
        decode(b'{"version": 3, "strange": true}', "X")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"version": "1"}', b'{"version": 1}', b"\xff\xfe", changed(id=5)])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BadManifest, match="cannot be read"):
        decode(text, "X")


@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "a/b", ".hidden", "", "manifest.json", "a\nb", "-x"])
def test_a_file_that_is_no_artifacts_is_refused(file: str) -> None:
    with pytest.raises(BadManifest, match="names the file"):
        decode(changed_artifact(file=file), "X")


@pytest.mark.parametrize("values", [{"bytes": 0}, {"sha256": "abc"}])
def test_an_artifact_without_length_or_digest_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadManifest, match="no length or digest"):
        decode(changed_artifact(**values), "X")


def test_an_id_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(BadManifest, match="the id"):
        decode(changed(id="../other"), "X")


def test_a_file_named_twice_is_refused() -> None:
    with pytest.raises(BadManifest, match="twice"):
        decode(encode(Manifest(**{**{n: getattr(MANIFEST, n) for n in MANIFEST.__struct_fields__},
                                  "artifacts": (ARTIFACT, ARTIFACT)})), "X")  # fmt: skip


def test_every_changed_byte_and_every_truncation_is_refused() -> None:
    text = encode(MANIFEST)
    for at in range(len(text)):
        for bit in range(8):
            with pytest.raises(BadManifest):
                decode(bytes([*text[:at], text[at] ^ 1 << bit, *text[at + 1 :]]), "X")
        with pytest.raises(BadManifest):
            decode(text[:at], "X")


def test_one_that_was_made_before_manifests_had_a_digest_is_read() -> None:
    text = json.dumps({**json.loads(encode(MANIFEST)), "version": 1, "digest": None})
    assert decode(text.encode(), "X").artifacts == (ARTIFACT,)


def test_file_names_of_hostile_names() -> None:
    assert file_name("postgres", "db", "app", suffix=".dump.zst") == "postgres.db.app.dump.zst"
    assert file_name("postgres", "db", "-d a/b'\n", suffix=".x") == "postgres.db.-d%20a%2Fb%27%0A.x"
    assert file_name("files", "a.b", suffix=".x") == "files.a%2Eb.x"


@given(st.text(max_size=300), st.text(max_size=300))
def test_different_names_make_different_and_short_file_names(one: str, other: str) -> None:
    first, second = (file_name("sqlite", name, suffix=".db.zst") for name in (one, other))
    assert (first == second) == (one == other)
    assert len(first) < 200
    artifact = {**json.loads(encode(MANIFEST))["artifacts"][0], "file": first}
    assert decode(changed(artifacts=[artifact]), "X").artifacts[0].file == first
