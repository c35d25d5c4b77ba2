"""The accounts of a MySQL or MariaDB server as an artifact: SQL, with a line before each account that names it.

Run as a program in the tools container (`python3 -c`, the standard library alone) it makes that of what the client
prints: `account NAME`, then the statements, and `end`. Imported, it finds the statements again.
"""

from __future__ import annotations

import re
import sys

END = "-- accounts complete"
_ACCOUNT = "-- account "
_ESCAPE = re.compile(r"\\(.)")


def listing(flavour: str) -> str:
    """SQL that prints SQL that shows every account; those that the server makes itself are left out. Roles come first:
    grants name them."""
    account = "concat(quote(user), '@', quote(host))"
    show = f"'; show create user ', {account}, '; show grants for ', {account}, ';'"
    users = f"select concat('select ', quote(concat('account ', {account})), {show}) from mysql.user"
    if flavour == "mysql":
        hex_ = "select '/*!80017 set session print_identified_with_as_hex = 1 */;'"
        return f"{hex_}; {users} where user not like 'mysql.%'; select 'select ''end'';'"
    made = "quote(concat('CREATE ROLE ', quote(user)))"
    roles = (
        "select concat('select ', quote(concat('account ', quote(user))), '; select ', "
        f"{made}, '; show grants for ', quote(user), ';') from mysql.user where is_role = 'Y' and user <> 'PUBLIC'"
    )
    return f"{roles}; {users} where is_role = 'N' and user <> 'mariadb.sys'; select 'select ''end'';'"


def names(flavour: str) -> str:
    """SQL for the names of the accounts that are there, written as in the artifact."""
    account = "concat(quote(user), '@', quote(host))"
    if flavour == "mysql":
        return f"select {account} from mysql.user;"
    return f"select if(is_role = 'Y', quote(user), {account}) from mysql.user;"


def accounts(text: str) -> dict[str, list[str]]:
    """By account the statements that make it, the first of which creates it. Raises ValueError for a text without its
    end."""
    found: dict[str, list[str]] = {}
    mine: list[str] = []
    lines = text.splitlines()
    if not lines or lines[-1] != END:
        raise ValueError("the accounts end without their last line")
    for line in lines[:-1]:
        if line.startswith(_ACCOUNT):
            mine = found.setdefault(line[len(_ACCOUNT) :], [])
        elif line:
            mine.append(line)
    return found


def main() -> int:
    """From the client's rows to the artifact; the exit code."""
    account, mine, ended = "", list[str](), False
    for line in sys.stdin:
        row = line.rstrip("\n")
        ended = row == "end"
        if ended or row.startswith("account "):
            _write(account, mine)
            account, mine = row.partition(" ")[2], []
        else:
            mine.append(row)
    if not ended:
        print("the list of accounts has no end", file=sys.stderr)
        return 1
    print(END)
    return 0


def _write(account: str, rows: list[str]) -> None:
    if any(re.search(r"(?<!\\)(?:\\\\)*\\[nt0]", row) for row in [account, *rows]):
        print(f"account {account} is left out: there is a line break or a tab in it", file=sys.stderr)
    elif account:
        print(_ACCOUNT + _ESCAPE.sub(r"\1", account), *(_ESCAPE.sub(r"\1", row) + ";" for row in rows), sep="\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    sys.exit(main())
