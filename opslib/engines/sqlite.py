"""Copying a SQLite file that is in use, and counting it: scripts for the tools container's bash and sqlite3."""

from __future__ import annotations

import json
from collections.abc import Sequence

MAGIC = "SQLite format 3"
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file: of no use without it, and never apart from it."""

# A text that makes a second text: one line of JSON for each table. Virtual tables are made of others that are counted.
COUNT = """select 'select json_object(''t'', '||quote(name)||', ''n'', (select count(*) from "'
||replace(name,'"','""')||'"));' from sqlite_master
where type = 'table' and rootpage > 0 and name not like 'sqlite\\_%' escape '\\' order by name;"""

# $1 the file, $2 the count's text, $3 a folder with room. Prints the copy; facts and counts go to descriptor 4.
# One read transaction around the backup: it copies one state whatever others write, and never begins anew because of
# them. Pages are copied as they are (VACUUM INTO would renumber rows that have no key of their own).
COPY = """set -eu; umask 077; copy=$3/.sqlite-copy; trap 'rm -f -- "$copy" "$copy"-*' EXIT
[ -f "$1" ] || { echo "there is no file $1" >&2; exit 1; }
printf 'fact owner %s\\nfact mode %s\\n' "$(stat -c %u:%g -- "$1")" "$(stat -c %a -- "$1")" >&4
said=$(sqlite3 -batch -bail "$1" 2>&1 >/dev/null <<END
.timeout 60000
begin;
select count(*) from sqlite_master;
.backup main $copy
commit;
END
) && [ -z "$said" ] && [ -s "$copy" ] || { echo "SQLite: ${said:-there is nothing in it}" >&2; exit 1; }
printf 'fact journal_mode %s\\n' "$(sqlite3 -batch -cmd '.timeout 60000' "$1" 'pragma journal_mode')" >&4
printf 'fact user_version %s\\n' "$(sqlite3 -batch "$copy" 'pragma user_version')" >&4
printf 'fact integrity %s\\n' "$(sqlite3 -batch "$copy" 'pragma quick_check(1)')" >&4
sqlite3 -batch -bail "$copy" "$2" | sqlite3 -batch -bail "$copy" | sed 's/^/count /' >&4
cat -- "$copy" """

# $1 the file, $2 the count's text. Prints what a copy's descriptor 4 gets.
CHECK = """set -eu; set -o pipefail; copy=/tmp/check.db; cat >"$copy"
printf 'fact integrity %s\\n' "$(sqlite3 -batch "$copy" 'pragma integrity_check(1)')"
sqlite3 -batch -bail "$copy" "$1" | sqlite3 -batch -bail "$copy" | sed 's/^/count /' """


def counts_from(lines: Sequence[str]) -> dict[str, int]:
    """The counts from the `count` lines of a copy or a check."""
    found = {}
    for line in lines:
        if line.startswith("count "):
            one = json.loads(line[6:])
            found[str(one["t"])] = int(one["n"])
    return found


def facts_from(lines: Sequence[str]) -> dict[str, str]:
    """The facts of a copy or a check."""
    triples = (line.split(" ", 2) for line in lines if line.startswith("fact "))
    return {words[1]: words[2] if len(words) > 2 else "" for words in triples}
