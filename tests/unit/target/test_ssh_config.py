"""Settings come from ssh itself; without ssh, from paramiko's parser of the same files."""

from __future__ import annotations

import getpass
from pathlib import Path
from shlex import quote

import pytest

from opslib.errors import BadSettings
from opslib.target.ssh_config import CONFIG_VARIABLE, SshSettings, resolve
from opslib.target.ssh_failures import lost_on_the_way


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "ssh config"
    file.write_text("")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return file


@pytest.fixture
def without_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("text", "user", "hostname", "port"),
    [
        ("ssh://deploy@prod:2222/", "deploy", "prod", 2222),
        ("::1", getpass.getuser(), "::1", 22),
        ("root@fe80::1", "root", "fe80::1", 22),
        ("root@[fe80::1]:2222", "root", "fe80::1", 2222),
        ("root@[127.0.0.1]:2222", "root", "127.0.0.1", 2222),
    ],
)
def test_addresses_as_proxy_jump_writes_them(text: str, user: str, hostname: str, port: int, config: Path) -> None:
    settings = resolve(text)
    assert (settings.user, settings.hostname, settings.port) == (user, hostname, port)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "@host", "user@", "host:", "host:x", "host:0", "host:65536", "host:²", "[::1", "[::1]x", "[::1]:",
        "-oProxyCommand=x", "a b", "a;b", "a$(b)", "h`x`", "-x@host", "a'b@host", "h\n", "h\t", "u\n@h", "a b@h",
    ],
)  # fmt: skip
def test_bad_addresses_are_refused(text: str, config: Path) -> None:
    with pytest.raises(BadSettings, match="bad SSH address"):
        resolve(text)


def test_defaults(config: Path) -> None:
    found = resolve("203.0.113.7")
    assert (found.hostname, found.port, found.user) == ("203.0.113.7", 22, getpass.getuser())
    assert (found.proxy_jump, found.proxy_command, found.host_key_alias) == ((), None, None)
    assert (found.identity_agent, found.identities_only, found.connect_timeout) == (None, False, None)
    assert found.user_known_hosts[0].parts[-2:] == (".ssh", "known_hosts")
    assert Path("/etc/ssh/ssh_known_hosts") in found.known_hosts_files
    assert all(x.exists() or Path(f"{x}.pub").exists() for x in found.identity_files)


def test_what_the_address_says_wins_over_the_file(config: Path) -> None:
    config.write_text("Host prod\n  HostName 10.1.2.3\n  User web\n  Port 2200\n")
    assert resolve("prod").known_as == ("10.1.2.3", 2200)
    found = resolve("me@prod:2222")
    assert (found.alias, found.hostname, found.user, found.port) == ("prod", "10.1.2.3", "me", 2222)
    assert found.command() == f"ssh -F '{config}' -p 2222 me@prod"


def test_include_and_names_with_blanks(config: Path, tmp_path: Path) -> None:
    (tmp_path / "id one").write_text("key")
    (tmp_path / "two.pub").write_text("only the public half")
    (tmp_path / "more").write_text(
        f'Host prod\n  IdentityFile "{tmp_path}/id one"\n  IdentityFile {tmp_path}/two\n'
        f"  IdentityFile {tmp_path}/none\n"
        f'  UserKnownHostsFile "{tmp_path}/known hosts" {tmp_path}/kh2\n  GlobalKnownHostsFile none\n'
    )
    config.write_text(f'Include "{tmp_path}/more"\n')
    found = resolve("prod")
    assert found.identity_files == (tmp_path / "id one", tmp_path / "two")
    assert found.known_hosts_files == (tmp_path / "known hosts", tmp_path / "kh2")


def test_tokens_and_agent(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "10.0.0.1-deploy-22").write_text("key")
    monkeypatch.setenv("MY_AGENT", str(tmp_path / "agent"))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/usual")
    config.write_text(
        f"Host prod\n  HostName 10.0.0.1\n  User deploy\n  IdentityFile {tmp_path}/%h-%r-%p\n"
        "  IdentityAgent $MY_AGENT\n"
        "Host off\n  IdentityAgent none\nHost alias\n  HostKeyAlias Alias\n  Port 2200\n  IdentitiesOnly yes\n"
        "  ConnectTimeout 40\n  StrictHostKeyChecking accept-new\n  HashKnownHosts yes\n"
    )
    found = resolve("prod")
    assert found.identity_files == (tmp_path / "10.0.0.1-deploy-22",)
    assert found.identity_agent == tmp_path / "agent"
    assert resolve("off").identity_agent is None
    alias = resolve("alias")
    assert alias.identity_agent == Path("/tmp/usual")
    assert alias.known_as == ("alias", 22)
    assert (alias.identities_only, alias.connect_timeout, alias.hash_known_hosts) == (True, 40, True)
    assert alias.strict_host_key_checking == "accept-new"


def way(settings: SshSettings) -> list[str]:
    return [f"{x.user}@{x.hostname}:{x.port}" for x in settings.proxy_jump]


def test_hops_in_the_order_of_ssh(config: Path) -> None:
    config.write_text(
        "Host *\n  User u\nHost goal\n  ProxyJump first,x@second:2200,ssh://third:33\n"
        "Host first\n  HostName 10.0.0.1\n  ProxyJump entry\nHost second\n  ProxyJump ignored\n"
        "Host entry\n  ProxyCommand nc %h %p\n"
    )
    found = resolve("goal")
    # `ssh goal` connects to third through `-J first,second`, and to first by its own settings: through entry.
    assert way(found) == ["u@entry:22", "u@10.0.0.1:22", "x@second:2200", "u@third:33"]
    assert [x.proxy_command for x in found.proxy_jump] == ["nc entry 22", None, None, None]
    assert all(x.proxy_jump == () for x in found.proxy_jump)


def test_hops_that_a_host_file_names(config: Path) -> None:
    config.write_text(
        "Host goal\n  User u\n  ProxyJump elsewhere\n  ProxyCommand nc %h %p\n"
        "Host first\n  HostName 10.0.0.1\n  User f\n  IdentityFile /etc/hostname\n  ProxyJump entry\n"
    )
    found = resolve("goal", ["first", "x@second:2200"])
    me = getpass.getuser()
    assert way(found) == [f"{me}@entry:22", "f@10.0.0.1:22", "x@second:2200"]
    assert found.proxy_jump[1].identity_files == (Path("/etc/hostname"),)
    assert found.proxy_command is None
    for program in ("ssh", "ssh-copy-id"):  # the second knows no -J
        assert "-o ProxyJump=first,x@second:2200 u@goal" in found.command(program)
    assert found.proxy_jump[1].command() == f"ssh -F {quote(str(config))} f@first"  # by its own way
    assert "-p 2200 -o ProxyJump=first x@second" in found.proxy_jump[2].command()
    straight = resolve("goal", [])
    assert (way(straight), straight.proxy_command) == ([], None)
    assert "ProxyJump=none" in straight.command()
    assert "ProxyJump" not in resolve("goal").command()
    with pytest.raises(BadSettings, match="circles: goal -> goal"):
        resolve("goal", ["goal"])


def test_proxy_command(config: Path) -> None:
    config.write_text(
        "Host a\n  HostName 10.0.0.1\n  ProxyCommand nc -X %% %r %h %p ${HOME}\nHost b\n  ProxyCommand none\n"
    )
    assert resolve("web@a:23").proxy_command == "nc -X % web 10.0.0.1 23 ${HOME}"
    assert resolve("b").proxy_command is None


def test_hops_in_a_circle_are_refused(config: Path) -> None:
    config.write_text(
        "Host a\n  ProxyJump b\nHost b\n  ProxyJump c\nHost c\n  ProxyJump a\nHost *\n  ProxyJump bastion\n"
    )
    with pytest.raises(BadSettings, match="circles: a -> b -> c -> a"):
        resolve("a")
    with pytest.raises(BadSettings, match=r"bastion -> bastion\n.*`ProxyJump none` under `Host bastion`"):
        resolve("other")


def test_a_bad_file_is_named_with_its_line(config: Path) -> None:
    config.write_text("Host a\n  NoSuchOption yes\n")
    with pytest.raises(BadSettings, match=r"ssh config: line 2: .*nosuchoption"):
        resolve("a")
    config.unlink()
    with pytest.raises(BadSettings, match="ssh config"):
        resolve("a")


@pytest.mark.usefixtures("without_ssh")
def test_without_ssh(config: Path, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("key")
    config.write_text(
        f"Host goal\n  HostName 10.0.0.9\n  User deploy\n  Port 2200\n  IdentityFile {tmp_path}/id\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {tmp_path}/kh\n  ProxyJump one,two:24\nHost proxied\n  ProxyCommand nc %h %p\n"
    )
    found = resolve("goal")
    assert (found.hostname, found.user, found.port, found.identities_only) == ("10.0.0.9", "deploy", 2200, True)
    assert found.identity_files == (tmp_path / "id",)
    assert found.user_known_hosts == (tmp_path / "kh",)
    assert way(found) == [f"{getpass.getuser()}@one:22", f"{getpass.getuser()}@two:24"]
    assert resolve("proxied:99").proxy_command == "nc proxied 99"
    assert (resolve("me@goal:7").user, resolve("me@goal:7").port) == ("me", 7)
    assert resolve("plain").user_known_hosts[0].name == "known_hosts"


@pytest.mark.usefixtures("without_ssh")
def test_without_ssh_a_bad_file_is_an_error_too(config: Path) -> None:
    config.write_text("Host a\n  just-one-word\n")
    with pytest.raises(BadSettings, match="install openssh-client"):
        resolve("a")


def test_who_is_named_where_a_line_broke(config: Path) -> None:
    hops = [resolve("one"), resolve("u@two:2200")]
    assert lost_on_the_way(hops, hops[1], silent=False) == "; the hop two port 2200 let go of it"
    assert lost_on_the_way(hops, None, silent=True).endswith("by way of the hop one port 22, the hop two port 2200")
    assert lost_on_the_way(hops, None, silent=False) == lost_on_the_way([], None, silent=True) == ""
