from pathlib import Path

import pytest

from opslib.settings import yamlfile


def plain(node):
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    return [plain(child) for child in node.value] if isinstance(node.value, list) else node.value


def test_every_key_and_value_knows_its_line():
    node = yamlfile.parse("a: 1\nb:\n  c:\n  - x\n  - y\n", "hosts/x.yml")
    c = node.value["b"].value["c"]
    assert (node.value["a"].place, c.key_place, c.place) == ("hosts/x.yml:1", "hosts/x.yml:3", "hosts/x.yml:4")
    assert [child.place for child in c.value] == ["hosts/x.yml:4", "hosts/x.yml:5"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("off", False), ("'yes'", "yes"), ("7", 7), ("-7", -7), ("'7'", "7"), ("1.5", 1.5), ("~", None), ("", None),
        ("22:22", "22:22"), ("010", "010"), ("0x1f", "0x1f"), ("2026-01-01", "2026-01-01"), ("1_000", "1_000"),
        (".inf", ".inf"), ("1.0e+999", "1.0e+999"), ("9" * 30, "9" * 30), ("!!str 5", "5"), ("y", "y"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars(text, value):
    found = yamlfile.parse(f"key: {text}\n", "x").value["key"].value
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_whatever_they_look_like():
    assert plain(yamlfile.parse("on: 1\nyes: 2\n3: 4\nnull: 5\n", "x")) == {"on": 1, "yes": 2, "3": 4, "null": 5}


def test_anchors():
    assert plain(yamlfile.parse("a: &x {b: [1]}\nc: *x\n", "x")) == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_an_alias_keeps_the_line_of_its_own_key():
    node = yamlfile.parse("a: &x 5\nb: *x\n", "f").value["b"]
    assert (node.key_place, node.place) == ("f:2", "f:1")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a note\n", "---\n", "---\n...\n", "\ufeff", "~\n"])
def test_empty(text, tmp_path):
    path = tmp_path / "x.yml"
    path.write_text(text, encoding="utf-8")
    assert yamlfile.read(path, "x").value == {}


def test_byte_order_mark_and_crlf(tmp_path):
    path = tmp_path / "x.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert plain(yamlfile.read(path, "x")) == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: duplicate key 'a', first at f:1"),
        ("a: {b: 1, b: 2}\n", "f:1: duplicate key 'b', first at f:1"),
        ("a:\n\tb: 1\n", "f:2: a tab: YAML is indented with spaces"),
        ("a:\n  \tb: 1\n", "f:2: a tab"),
        ("a: [1, 2\nb: 3\n", "f:2: not valid YAML: "),
        ("a: 'open\n", "f:1: not valid YAML: "),
        ("a: 1\n b: 2\n", "f:2: not valid YAML: mapping values are not allowed"),
        ("- a\n- b\n", "f:1: expected keys like `path: /srv/app`, found a list"),
        ("just text\n", "f:1: expected keys like `path: /srv/app`, found a bare value"),
        ("[]\n", "f:1: expected keys like `path: /srv/app`, found a list"),
        ("a: *x\n", "f:1: nothing before *x is named &x"),
        ("a: &x [*x]\n", "f:1: nothing before *x is named &x"),
        ("a: !!python/object:os.system x\n", None),
        ("a: !secret x\n", "f:1: the tag !secret is not known here"),
        ("a: 1\n---\nb: 2\n", "f:2: a second YAML document"),
        ("? [a]\n: b\n", "f:1: a key must be a plain word"),
        ("'': b\n", "f:1: a key must be a plain word"),
        ("a: 1\nb: \x07\n", "f:2: a control character (U+0007) in the text"),
        ("a: %x\n", "f:1: not valid YAML: "),
        ("a: " + "[" * 50 + "]" * 50, "f:1: nested too deeply"),
        ("[" * 300_000, "f:1: nested too deeply"),
        ("- " * 200_000, "f:1: nested too deeply"),
        ("{a: " * 100_000, "f:1: nested too deeply"),
    ],
)
def test_errors_name_the_line(text, error, refused):
    if error is None:
        assert isinstance(yamlfile.parse(text, "f").value["a"].value, str)
    else:
        assert refused(yamlfile.parse, text, "f").startswith(error)


def test_unreadable_files(tmp_path: Path, refused):
    assert refused(yamlfile.read, tmp_path, "hosts/x.yml") == "hosts/x.yml: cannot be read: Is a directory"
    for data, error in (
        (b"a: 1\nb: \xff\n", "x:2: not UTF-8 text"),
        (b"a: 1\n\nb: \0\n", "x:3: a NUL byte"),
        ("a: 1".encode("utf-16"), "x:1: a NUL byte"),
        (b"#" * 2_000_000, "x: larger than 1 MiB"),
    ):
        (tmp_path / "x").write_bytes(data)
        assert refused(yamlfile.read, tmp_path / "x", "x").startswith(error)
    with pytest.raises(FileNotFoundError):
        yamlfile.read(tmp_path / "absent", "absent")


def test_merge_is_deep_for_maps_and_replaces_lists():
    base = yamlfile.parse("a: {b: 1, c: [1, 2], d: 4}\ne: 5\n", "base")
    over = yamlfile.parse("a: {b: 2, c: [3], d: }\nf: 6\n", "over")
    merged = yamlfile.merge(base, over)
    assert plain(merged) == {"a": {"b": 2, "c": [3], "d": 4}, "e": 5, "f": 6}
    assert merged.value["a"].value["d"].place == "base:1"
    assert merged.value["a"].value["b"].place == "over:1"
