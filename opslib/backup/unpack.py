"""The raw bytes of an artifact, of a set or of another script's making, as a program of the tools image prints them."""

from __future__ import annotations

from importlib import resources

from opslib.backup.keys import NAME
from opslib.backup.manifest import Artifact
from opslib.command import quote
from opslib.engines.mongo_bson import program

# Decrypts on a machine that may lack age: with the Python that runs opslib. The identities are in its environment.
_PYTHON = """import os, sys, pyrage
found = [pyrage.x25519.Identity.from_str(one) for one in os.environ[sys.argv[1]].split()]
try:
    with open(sys.argv[2], "rb") as file: pyrage.decrypt_io(file, sys.stdout.buffer, found)
except (OSError, pyrage.DecryptError) as error: sys.exit(f"age: {error}")"""

# In a script: `unpack FILE`. What packs it, its first bytes say; a folder comes as tar. What is encrypted is by its
# name compressed, too; that it is whole only age can tell, so its exit code counts.
UNPACK = f"""unseal() {{ if type -P age >/dev/null; then age -d -i <(printf '%s\\n' "${NAME}") "$1"
  else "$AGE_PYTHON" -c {quote(_PYTHON)} {NAME} "$1"; fi; }}
unpack() {{ [ ! -d "$1" ] || {{ tar -C "$1" -cf - .; return; }}
  case $(head -c 4 -- "$1" | od -An -tx1 | tr -d ' \\n')${{{NAME}:+sealed}} in
    1f8b*) gzip -dc -- "$1" ;; 28b52ffd*) zstd -dcq -- "$1" ;;
    6167652dsealed) unseal "$1" | case $1 in *.gz.age) gzip -dc ;; *) zstd -dcq ;; esac
      [ "${{PIPESTATUS[*]}}" = '0 0' ] ;;
    *) cat -- "$1" ;; esac; }}
"""


# One database of a mysqldump of several. $1 the file, $2 Python, $3 a text for it, $4 the database
SECTION = f'set -o pipefail; {UNPACK}unpack "$1" | "$2" -c "$3" "$4"'


def section_program() -> str:
    """The text of what copies one database's part of a mysqldump."""
    return resources.files("opslib.backup").joinpath("mysql_section.py").read_text(encoding="utf-8")


def printing(artifact: Artifact, path: str) -> list[str]:
    """The program and its words, for an artifact that lies at `path`. A folder of mongodump comes as the archive that
    it might have been, a mysqldump of several databases as that of the one that is wanted."""
    facts = artifact.facts
    if facts.get("section"):
        return ["bash", "-c", SECTION, "opslib", path, "python3", section_program(), str(facts["section"])]
    if facts.get("old") == "dump-folder":
        own = str(facts["database"]) if facts["layout"] == "database" else ""
        return ["python3", "-c", program("mongo_folder"), path, str(facts["root"]), own]
    return ["bash", "-c", f'{UNPACK}unpack "$1"', "opslib", path]
