"""known_hosts is read as OpenSSH reads it: ssh-keygen and the documented rules are the measure."""

from __future__ import annotations

import base64
import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from opslib.errors import OpsError
from opslib.target.known_hosts import Verdict, append, fingerprint, listed_as, lookup


def key(seed: str, kind: str = "ssh-ed25519") -> tuple[bytes, str]:
    """A key's bytes, and its type and base64 as a line has them."""
    body = hashlib.sha256(seed.encode()).digest()
    blob = len(kind).to_bytes(4, "big") + kind.encode() + len(body).to_bytes(4, "big") + body
    return blob, f"{kind} {base64.b64encode(blob).decode()}"


ONE, ONE_TEXT = key("one")
TWO, TWO_TEXT = key("two")
RSA, RSA_TEXT = key("three", "ssh-rsa")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def verdict(file: Path, host: str, port: int = 22, blob: bytes = ONE) -> Verdict:
    return lookup([file], host, port).judge(blob)


@pytest.mark.parametrize(
    ("patterns", "host", "port", "matches"),
    [
        ("example.com", "example.com", 22, True),
        ("Example.COM", "eXample.com", 22, True),
        ("example.com", "example.org", 22, False),
        ("a,b,example.com", "example.com", 22, True),
        ("*.example.com", "a.example.com", 22, True),
        ("*.example.com", "example.com", 22, False),
        ("10.0.0.?", "10.0.0.7", 22, True),
        ("10.0.0.?", "10.0.0.77", 22, False),
        ("*.example.com,!bad.example.com", "good.example.com", 22, True),
        ("*.example.com,!bad.example.com", "bad.example.com", 22, False),
        ("!bad.example.com,*.example.com", "bad.example.com", 22, False),
        ("[example.com]:2222", "example.com", 2222, True),
        ("[example.com]:2222", "example.com", 22, False),
        ("[example.com]:2222", "example.com", 2223, False),
        ("[*.example.com]:2222", "a.example.com", 2222, True),
        ("[10.0.0.*]:*", "10.0.0.1", 2222, True),
        ("e[x]ample.com", "example.com", 22, False),
        ("exampleXcom", "example.com", 22, False),
        ("example.com", "example.com", 2222, True),  # the plain name, when the port is listed nowhere
    ],
)
def test_names(file: Path, patterns: str, host: str, port: int, matches: bool) -> None:
    file.write_text(f"{patterns} {ONE_TEXT} a comment with words\n")
    assert verdict(file, host, port) is (Verdict.KNOWN if matches else Verdict.UNKNOWN)


def test_a_name_listed_with_its_port_needs_no_plain_name(file: Path) -> None:
    file.write_text(f"[h]:2222 {ONE_TEXT}\nh {TWO_TEXT}\n")
    assert verdict(file, "h", 2222, ONE) is Verdict.KNOWN
    assert verdict(file, "h", 2222, TWO) is Verdict.CHANGED


def test_another_key_of_the_plain_name_is_not_a_change(file: Path) -> None:
    file.write_text(f"h {TWO_TEXT}\n")
    assert verdict(file, "h", 2222, ONE) is Verdict.UNKNOWN
    assert verdict(file, "h", 22, ONE) is Verdict.CHANGED


def test_an_old_and_a_new_key_are_both_good(file: Path) -> None:
    file.write_text(f"h {TWO_TEXT}\n# comment\n\nh {ONE_TEXT}\n")
    assert verdict(file, "h", blob=ONE) is verdict(file, "h", blob=TWO) is Verdict.KNOWN
    assert [x.place for x in lookup([file], "h", 22).keys] == [f"{file}:1", f"{file}:4"]


def test_a_key_of_another_type_is_a_change_as_for_ssh(file: Path) -> None:
    file.write_text(f"h {RSA_TEXT}\n")
    assert verdict(file, "h", blob=ONE) is Verdict.CHANGED
    assert lookup([file], "h", 22).key_types == ("ssh-rsa",)


def test_hashed_names_of_ssh_keygen(file: Path) -> None:
    file.write_text(f"h.example.com,10.0.0.1 {ONE_TEXT}\n[h.example.com]:2222 {TWO_TEXT}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "example" not in file.read_text()
    assert verdict(file, "h.example.com") is verdict(file, "10.0.0.1") is Verdict.KNOWN
    assert verdict(file, "h.example.com", 2222, TWO) is Verdict.KNOWN
    assert verdict(file, "other.example.com") is Verdict.UNKNOWN


@pytest.mark.parametrize("port", [22, 2222])
@pytest.mark.parametrize("line", ["@revoked *", "@revoked h", "@revoked\th,x"])
def test_a_revoked_key_is_refused_even_where_it_is_listed(file: Path, line: str, port: int) -> None:
    file.write_text(f"h {ONE_TEXT}\n[h]:2222 {ONE_TEXT}\n{line} {ONE_TEXT}\n")
    assert verdict(file, "h", port) is Verdict.REVOKED
    assert verdict(file, "h", port, TWO) is Verdict.CHANGED


def test_authorities_are_no_host_keys(file: Path) -> None:
    file.write_text(f"@cert-authority *.example.com {ONE_TEXT}\n")
    known = lookup([file], "a.example.com", 22)
    assert known.judge(ONE) is Verdict.UNKNOWN
    assert [x.blob for x in known.authorities] == [ONE]


def test_what_cannot_be_read_is_skipped_and_named(file: Path, tmp_path: Path) -> None:
    short = TWO_TEXT.split()[1]
    file.write_bytes(
        b"h ssh-ed25519 not*base64\nh ssh-rsa %b\nh\n@unknown h x y\n|1|no|hash| x y\nother ssh-ed25519 !!\n"
        b"\xff\xfe x y\nh %b" % (short.encode(), ONE_TEXT.encode())
    )
    known = lookup([tmp_path / "missing", tmp_path, file], "h", 22)
    assert known.judge(ONE) is Verdict.KNOWN
    assert known.skipped == (f"{tmp_path}: Is a directory", *(f"{file}:{n}" for n in (1, 2, 3, 4)))


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    path = tmp_path / "k"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    said = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True).stdout
    blob = base64.b64decode((tmp_path / "k.pub").read_text().split()[1])
    assert said.split()[1] == fingerprint(blob)


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("port", [22, 2222])
def test_what_is_appended_is_found_by_us_and_by_ssh_keygen(tmp_path: Path, hashed: bool, port: int) -> None:
    file = tmp_path / "new" / ".ssh" / "known_hosts"
    append(file, "H.example.com", port, "ssh-ed25519", ONE, hashed=hashed)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert ("example" in file.read_text()) is not hashed
    known = lookup([file], "h.example.com", port)
    assert known.judge(ONE) is Verdict.KNOWN
    assert known.judge(TWO) is Verdict.CHANGED
    found = subprocess.run(
        ["ssh-keygen", "-F", listed_as("h.example.com", port), "-f", str(file)], capture_output=True, text=True
    )
    assert found.returncode == 0
    assert ONE_TEXT in found.stdout


def test_append_leaves_every_other_byte(file: Path) -> None:
    before = b"# mine\nx\tgarbage  \n\nh " + TWO_TEXT.encode()  # without a newline at the end
    file.write_bytes(before)
    file.chmod(0o644)
    append(file, "new", 22, "ssh-ed25519", ONE)
    assert file.read_bytes() == before + b"\nnew " + ONE_TEXT.encode() + b"\n"
    append(file, "again", 22, "ssh-ed25519", ONE)
    assert file.read_bytes().endswith(b"\nagain " + ONE_TEXT.encode() + b"\n")
    assert b"\n\nagain" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize("where", ["/dev/null", "/proc/none/known_hosts"])
def test_a_key_that_cannot_be_kept_is_an_error(where: str) -> None:
    with pytest.raises(OpsError, match="the key was not written"):
        append(Path(where), "h", 22, "ssh-ed25519", ONE)
