"""hosts/example.yml and .env.example show everything there is, and nothing else."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
import yaml

from opslib.settings import yamlfile
from opslib.settings.dotenv import read_env_file
from opslib.settings.load import KEYS, PROCESS, load_host
from opslib.settings.model import Host

ROOT = Path(__file__).parents[3]
ENVIRON = {"POSTGRES_PASSWORD": "x", "REDIS_PASSWORD": "y", "MONGO_PASSWORD": "w", "MARIADB_ROOT_PASSWORD": "v",
           "QDRANT_API_KEY": "u", "PING_URL": "https://a/b", "PING_URL_VERIFY": "https://a/c", "ALERT_URL": "json://a",
           "BACKUP_ACCESS_KEY": "t", "BACKUP_SECRET_KEY": "s", "REGISTRY_PASSWORD": "r", "TRIVY_TOKEN": "q",
           "SUDO_PASSWORD": "p"}  # fmt: skip


def keys_of(kind: type[msgspec.Struct]) -> set[str]:
    """Every key of the struct and of those below it, dotted, and the tags of sources."""
    found = set()
    for name, hint in get_type_hints(kind).items():
        if name in kind.__struct_fields__ and (kind, name) != (Host, "name"):
            found |= {name} | {f"{name}.{key}" for struct in structs_in(hint) for key in tagged_keys(struct)}
    return found


def tagged_keys(struct: type[msgspec.Struct]) -> set[str]:
    tag = struct.__struct_config__.tag
    return keys_of(struct) if tag is None else {tag} | {f"{tag}.{key}" for key in keys_of(struct)}


def structs_in(hint: object) -> list[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [struct for part in get_args(hint) for struct in structs_in(part)]


def keys_in(node: yamlfile.Node) -> set[str]:
    if isinstance(node.value, list):
        return {key for child in node.value for key in keys_in(child)}
    if not isinstance(node.value, dict):
        return set()
    return {key for name, child in node.value.items() for key in ({name} | {f"{name}.{k}" for k in keys_in(child)})}


def test_the_example_host_loads():
    host = load_host(ROOT, "example", {}, ENVIRON)
    assert str(host.address) == "deploy@203.0.113.7"
    assert host.wait == 600


def test_the_example_host_shows_every_key():
    shown = keys_in(yamlfile.read(ROOT / "hosts/example.yml", "example"))
    for _, proxy in other_proxies():
        shown |= {f"deploy.proxy.{key}" for key in yaml.safe_load(proxy)}
    assert keys_of(Host) <= {re.sub(r"health\.(worker|web|db|queue)\.", "health.", key) for key in shown}
    assert "backup.sources.sqlite.volume" in keys_of(Host)


def other_proxies() -> list[tuple[str, str]]:
    """The ways to say `proxy:` that the example has in comments: the line, and what stands behind the colon."""
    return re.findall(r"(?m)^(  # proxy: (.*))$", (ROOT / "hosts/example.yml").read_text())


def test_the_other_proxies_of_the_example_load(tmp_path):
    text = re.sub(r"(?m)^  proxy:.*\n(    .*\n)+", "", (ROOT / "hosts/example.yml").read_text())
    (tmp_path / "hosts").mkdir()
    for line, _ in other_proxies():
        (tmp_path / "hosts/example.yml").write_text(text.replace(line, line.replace("# ", "", 1)))
        proxy = load_host(tmp_path, "example", {}, ENVIRON).deploy.proxy
        assert proxy is not None
        assert f"kind: {proxy.kind}" in line
    assert len(other_proxies()) == 2


def test_every_key_of_the_example_has_a_comment():
    lines = (ROOT / "hosts/example.yml").read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        section = re.fullmatch(r"\s*[\w-]+:", line)
        if re.match(r"[a-z]", line) and not section:
            assert before.startswith("#"), line
        elif re.match(r"  [a-z]\w*:", line) and not line.startswith("  keep:"):
            assert " # " in line or section, line


def test_the_example_env_shows_every_setting_and_secret():
    path = ROOT / ".env.example"
    values = read_env_file(path)
    assert {name for name in values if name.startswith("OPSLIB_")} == {*KEYS, *PROCESS, "OPSLIB_HOST"}
    secrets = set(re.findall(r"\$\{([A-Z_]+)\}", re.sub("#.*", "", (ROOT / "hosts/example.yml").read_text())))
    assert secrets == {name for name in values if not name.startswith("OPSLIB_")} == set(ENVIRON)


def test_a_copied_example_env_changes_nothing(project):
    before = project.host("address: a\n")
    project.write(".env", (ROOT / ".env.example").read_bytes())
    assert project.host("env_file: x\n" + "address: a\n") == msgspec.structs.replace(before, env_file="x")


def test_the_documentation_names_every_setting_and_section():
    text = (ROOT / "docs/hosts.md").read_text()
    for word in {*KEYS, *PROCESS, "OPSLIB_HOST", *Host.__struct_fields__} - {"name"}:
        assert f"`{word}" in text, word


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/hosts/[!_]*.yml")), ids=lambda path: "/".join(path.parts[-3:])
)
def test_the_hosts_of_the_examples_load_and_name_files_that_are_there(path):
    root = path.parents[1]
    host = load_host(root, path.stem, {}, {})
    assert all((root / file).exists() for file in (*host.compose, *(host.files or ())))
