"""Loading over a live PostgreSQL database that cannot be exchanged with another by a rename: it is emptied and filled,
in one transaction where the disk has room for the old rows beside the new ones.

A schema of ours, made in the transaction that empties the database, tells afterwards whether it was committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from opslib.engines.postgres_restore import ident, literal, role_of

BOUND = {"pg_cron"}
"""Extensions that work in one database, found by its name."""

# -- looking

LOOK = """select json_build_object('user', current_user, 'superuser', r.rolsuper,
'createdb', r.rolcreatedb or r.rolsuper,
'owner', pg_get_userbyid(d.datdba), 'owns', pg_has_role(d.datdba, 'usage'), 'size', pg_database_size(d.oid),
'extensions', coalesce((select json_agg(extname order by extname) from pg_extension), '[]'),
'subscriptions', coalesce((select json_agg(subname order by subname) from pg_subscription where subdbid = d.oid), '[]'),
'slots', coalesce((select json_agg(slot_name order by slot_name) from pg_replication_slots
 where database = d.datname), '[]'),
'foreign', coalesce((select json_agg(o.what order by o.what) from (
 select format('schema %I', nspname), nspowner from pg_namespace
 where nspname !~ '^pg_' and nspname <> 'information_schema'
 union all select format('extension %I', extname), extowner from pg_extension where extname <> 'plpgsql'
 union all select format('event trigger %I', evtname), evtowner from pg_event_trigger
 union all select format('publication %I', pubname), pubowner from pg_publication
 union all select format('foreign-data wrapper %I', fdwname), fdwowner from pg_foreign_data_wrapper
 union all select format('large object %s', oid), lomowner from pg_largeobject_metadata
) o (what, owner) where not pg_has_role(o.owner, 'usage')), '[]'))
from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user;"""
"""Prints one line of JSON: what decides how the database that is connected to can be replaced."""

AVAILABLE = "select coalesce(json_object_agg(name, default_version), '{}') from pg_available_extensions;"


def reason(seen: Mapping[str, Any], wanted: Collection[str], *, room: bool) -> str:
    """Why a live database (`seen`: what LOOK says of it; `wanted`: the extensions that the new one will have) cannot be
    replaced by a rename; "" where it can be. `room`: whether there is any for both on the disk."""
    if not seen["createdb"]:
        return f"user {seen['user']} lacks CREATEDB"
    if not seen["owns"]:
        return f"user {seen['user']} does not own it"
    bound = sorted(BOUND & {*seen["extensions"], *wanted})
    if bound:
        return f"extension {bound[0]} is bound to its database by name"
    if seen["subscriptions"]:
        return f"subscription {seen['subscriptions'][0]} belongs to it"
    if seen["slots"]:
        return f"replication slot {seen['slots'][0]} belongs to it"
    return "" if room else "there is no room on the disk for a second copy"


def forbids(seen: Mapping[str, Any]) -> str:
    """Why the user cannot empty the database either ("": nothing forbids it)."""
    if seen["superuser"]:
        return ""
    if not seen["owns"]:
        return f"user {seen['user']} does not own it: {seen['owner']} does"
    if seen["foreign"]:
        more = ", …" if len(seen["foreign"]) > 5 else ""
        return f"user {seen['user']} does not own {', '.join(seen['foreign'][:5])}{more} in it"
    return ""


def lacking(wanted: Mapping[str, str], available: Mapping[str, str]) -> list[str]:
    """The extensions, with their versions, that a server does not have."""
    return [f"{name} {version}" for name, version in sorted(wanted.items()) if name not in available]


def older(wanted: Mapping[str, str], available: Mapping[str, str]) -> list[str]:
    """The extensions that a server has in another version than the recorded one."""
    return [f"extension {name} is {available[name]} here, and was {version}" for name, version in sorted(wanted.items())
            if name in available and available[name] != version]  # fmt: skip


# -- emptying

# What is not in a schema comes first: event triggers would fire, extensions hold on to what is theirs. Large objects
# and default privileges belong to no schema. `public` becomes what a new database has, which is what a dump builds on.
_EMPTY = """do $opslib$
declare one record; what text; who text;
begin
for one in select evtname from pg_event_trigger loop
 execute format('drop event trigger if exists %I', one.evtname);
end loop;
for one in select pubname from pg_publication loop
 execute format('drop publication %I', one.pubname);
end loop;
for one in select subname from pg_subscription s, pg_database d where d.oid = s.subdbid
 and d.datname = current_database() loop
 execute format('alter subscription %I disable', one.subname);
 execute format('alter subscription %I set (slot_name = none)', one.subname);
 execute format('drop subscription %I', one.subname);
end loop;
for one in select extname from pg_extension where extname <> 'plpgsql' loop
 execute format('drop extension if exists %I cascade', one.extname);
end loop;
for one in select fdwname from pg_foreign_data_wrapper loop
 execute format('drop foreign data wrapper if exists %I cascade', one.fdwname);
end loop;
for one in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
 execute format('drop schema if exists %I cascade', one.nspname);
end loop;
for one in select castsource, casttarget from pg_cast where oid >= 16384 loop
 execute format('drop cast if exists (%s as %s)', format_type(one.castsource, null), format_type(one.casttarget, null));
end loop;
perform lo_unlink(oid) from pg_largeobject_metadata;
for one in select pg_get_userbyid(defaclrole) as role, defaclobjtype as kind, a.grantee
 from pg_default_acl, aclexplode(defaclacl) a where defaclnamespace = 0 loop
 what := case one.kind when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
  when 'T' then 'types' else 'schemas' end;
 who := case when one.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(one.grantee)) end;
 execute format('alter default privileges for role %I revoke all on %s from %s', one.role, what, who);
 execute format('alter default privileges for role %I grant all on %s to %I', one.role, what, one.role);
 if one.kind in ('f', 'T') then
  execute format('alter default privileges for role %I grant %s on %s to public', one.role,
   case one.kind when 'f' then 'execute' else 'usage' end, what);
 end if;
end loop;
if current_setting('server_version_num')::int >= 150000 then
 create schema public authorization pg_database_owner;
 grant usage on schema public to public;
else
 execute format('create schema public authorization %I', pg_get_userbyid(10));
 grant all on schema public to public;
end if;
comment on schema public is 'standard public schema';
end $opslib$;"""

LOCKS = "5min"  # how long somebody else's lock is waited for: after it nothing has been changed


def begin(mark: str, *, atomic: bool) -> str:
    """The SQL in front of a dump: it empties the database and leaves the mark. Not `atomic`: that is committed, so that
    the old rows' room is free for the new ones."""
    between = "commit;\nbegin;\n" if not atomic else ""
    return (f"begin;\nset local lock_timeout = '{LOCKS}';\n{_EMPTY}\ncreate schema {ident(mark)};\n"
            f"set local lock_timeout = 0;\n{between}")  # fmt: skip


END = "commit;"


QUIET = """select set_config('session_replication_role', 'replica', false) from pg_catalog.pg_roles
where rolname = current_user and rolsuper;"""
"""Keeps the event triggers of a database from firing on what is ours."""

# A restored subscription is switched off. Its slot at the publisher is not asked about: it belongs to the live one.
FORGET_SUBSCRIPTIONS = f"""{QUIET}
select format('alter subscription %1$I disable; alter subscription %1$I set (slot_name = none);
 drop subscription %1$I', s)
from (select subname from pg_subscription s, pg_database d where d.oid = subdbid and datname = current_database()) x (s)
\\gexec"""


def is_marked(mark: str) -> str:
    """Prints `t` where the mark is."""
    return f"select exists (select from pg_catalog.pg_namespace where nspname = {literal(mark)});"


def unmark(mark: str) -> str:
    """Remove the mark."""
    return f"{QUIET}\ndrop schema if exists {ident(mark)};"


# As one transaction: its text ends with COMMIT, which it does not write when it could not read the archive to its end.
# (Without, it would put COMMIT behind the large objects, in the middle.)
_RESTORE = "pg_restore -1 -f -"
_FOLDER = f"""d=$(mktemp -d) && trap 'rm -rf -- "$d"' EXIT && tar -C "$d" -xf - && t=$(find "$d" -name toc.dat) &&
 {_RESTORE} "${{t%/toc.dat}}" """
_FORMS = {"plain": "cat", "directory": _FOLDER}


def loader(form: str, mark: str, *, atomic: bool) -> tuple[str, ...]:
    """The program that loads a dump of this form from its standard input behind `begin`. What breaks off leaves the
    transaction open, and it is rolled back. Plain SQL has no end of its own: whoever sends it has to send END too."""
    script = f"""{{ printf '%s\n' "$1"; {_FORMS.get(form, _RESTORE)}; }} |
 psql -XqAtw -v ON_ERROR_STOP=1 -o /dev/null"""
    return ("sh", "-c", script, "sh", begin(mark, atomic=atomic))


def reader(form: str) -> tuple[str, ...] | None:
    """The program that reads a dump to its end and does nothing with it; None for plain SQL."""
    if form == "plain":
        return None
    return ("sh", "-c", f"{_FORMS.get(form, _RESTORE)} >/dev/null")


# -- what is in no dump


def reset_properties(database: str, properties: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> str:
    """Make a database that has these as new: `apply_properties` puts the others' on top."""
    name = ident(database)
    lines = []
    for entry in settings:
        who = f"role {ident(entry['role'])} in database {name}" if entry.get("role") else f"database {name}"
        lines.append(f"alter {who} reset all;")
    for role in sorted({role_of(item)[0] for item in properties.get("acl") or ()}):
        lines.append(f"revoke all on database {name} from {ident(role) if role else 'public'} cascade;")
    lines += [
        f"grant all on database {name} to {ident(properties['owner'])};",
        f"grant connect, temporary on database {name} to public;",
        f"comment on database {name} is null;",
        f"alter database {name} connection limit -1 is_template false;",
    ]
    return "\n".join(lines)
