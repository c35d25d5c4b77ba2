"""The raw bytes of an artifact, of a set or of another script's making, as a program of the tools image prints them."""

from __future__ import annotations

from importlib import resources

from opslib.backup.manifest import Artifact
from opslib.engines.mongo_bson import program

# In a script: `unpack FILE`. What packs it, its first bytes say; a folder comes as tar.
UNPACK = """unpack() { [ ! -d "$1" ] || { tar -C "$1" -cf - .; return; }
  case $(head -c 4 -- "$1" | od -An -tx1 | tr -d ' \\n') in
    1f8b*) gzip -dc -- "$1" ;; 28b52ffd) zstd -dcq -- "$1" ;; *) cat -- "$1" ;; esac; }
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
