"""The engines that are measured: how each is filled, its bare dump and restore, and the way of the old scripts.

The scripts are bash. $C is the container, $V its volume, $D a folder of this machine, $SIZE the bytes of the dump,
`inside` runs a program in the container, `feed` one with standard input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

POSTGRES_DUMP = "pg_dump -U postgres -Fc -Z0 bench"
MYSQL_DUMP = "mariadb-dump -uroot --single-transaction --quick --routines --events --triggers bench"
# Rows as applications have them: a sequence, times, numbers, a few repeated words, addresses, a digest, some prose.
POSTGRES_FILL = """feed psql -qX -v ON_ERROR_STOP=1 -v rows=$((SIZE / 158)) -U postgres bench <<'SQL'
select setseed(0.5);
create table events (id bigint primary key, at timestamptz not null, customer integer not null, kind text not null,
  amount numeric(10,2) not null, email text not null, token text not null, note text not null);
insert into events select g, timestamptz '2026-01-01' + g * interval '1.7 s', customer,
  (array['view', 'search', 'order', 'refund'])[1 + customer % 4], (customer % 90000) / 100.0,
  'customer' || customer || '@example.com', md5(g::text),
  (array['delivered to the neighbour', 'paid by card', 'asked for an invoice', 'came back twice'])[1 + g % 4]
  || ', ' || (array['morning', 'noon', 'evening', 'night'])[1 + customer % 4]
from (select g, (random() * 900000)::integer as customer from generate_series(1, :rows) g) rows;
vacuum (freeze, analyze) events;
checkpoint;
SQL"""
MYSQL_FILL = """feed mariadb -uroot bench <<SQL
create table events (id bigint primary key, at datetime not null, customer integer not null, kind varchar(10) not null,
  amount decimal(10,2) not null, email varchar(60) not null, token char(32) not null, note varchar(60) not null);
insert into events select seq, timestamp '2026-01-01 00:00:00' + interval seq second, customer,
  elt(1 + customer % 4, 'view', 'search', 'order', 'refund'), (customer % 90000) / 100.0,
  concat('customer', customer, '@example.com'), md5(seq),
  concat(elt(1 + seq % 4, 'delivered to the neighbour', 'paid by card', 'asked for an invoice', 'came back twice'),
         ', ', elt(1 + customer % 4, 'morning', 'noon', 'evening', 'night'))
from (select seq, floor(rand(seq) * 900000) as customer from seq_1_to_$((SIZE / 155))) numbers;
SQL"""
# A hundred thousand keys at a time: a script of Lua stops the server while it runs.
REDIS_FILL = """for ((from = 0; from < SIZE / 152; from += 100000)); do
  inside redis-cli eval "for i = ARGV[1], ARGV[1] + 99999 do local h = redis.sha1hex(i)
    redis.call('set', 'session:' .. i, h .. redis.sha1hex(h) .. ' customer ' .. i % 900 ..
      ', ' .. redis.sha1hex(h .. i))
  end" 0 $from >/dev/null
done"""
AWAKE = "until inside redis-cli ping 2>/dev/null | grep -qx PONG; do sleep 0.05; done"
PACK_VOLUME = 'docker run --rm -v "$V:/data:ro" "${IMAGES}busybox:1" tar czf - -C /data . >"$D/old.tar.gz"'
UNPACK_VOLUME = (
    'docker run --rm -i -v "$V:/data" "${IMAGES}busybox:1" sh -c \'rm -rf /data/* && tar xzf - -C /data\' '
    '<"$D/old.tar.gz"'
)


@dataclass(frozen=True, slots=True)
class Engine:
    """`name` is that of the group and of opslib's tasks. `keep` makes the bare dump that `load` reads and prints its
    bytes; `tidy` goes before every load and is not timed. `share`: its dump has SIZE / share bytes. `loading` are the
    steps of opslib's restore in which the data are loaded and compared."""

    name: str
    image: str
    data: str
    ready: str
    version: str
    fill: str
    dump: str
    keep: str
    load: str
    old: str  # the old way, as it is called in the table, and the way back
    old_dump: str
    old_back: str
    old_load: str
    tidy: str = ":"
    service: Mapping[str, Any] = field(default_factory=dict)
    share: int = 1
    loading: tuple[str, ...] = ("swap",)


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            name="postgres",
            loading=("load", "swap"),
            image="postgres:15",
            data="/var/lib/postgresql/data",
            ready="pg_isready -q -h 127.0.0.1 -U postgres -d bench",
            version='echo "PostgreSQL $(inside postgres --version | cut -d" " -f3)"',
            service={
                "environment": {"POSTGRES_PASSWORD": "bench", "POSTGRES_DB": "bench"},
                "command": ["postgres", "-c", "max_wal_size=4GB"],
                "shm_size": "256m",
            },
            fill=POSTGRES_FILL,
            dump=f"inside sh -c '{POSTGRES_DUMP} >/dev/null'",
            keep=f"inside sh -c '{POSTGRES_DUMP} >/tmp/bench.raw && stat -c %s /tmp/bench.raw'",
            tidy="inside dropdb -U postgres --if-exists bare",
            load="inside sh -c 'createdb -U postgres bare && pg_restore -1 -U postgres -d bare /tmp/bench.raw'",
            old="`docker exec pg_dump \\| gzip`",
            old_back="`gunzip \\| docker exec psql`",
            old_dump='inside pg_dump -U postgres bench | gzip >"$D/old.gz"',
            old_load="inside createdb -U postgres bare && "
            'gunzip -c "$D/old.gz" | feed psql -q -U postgres bare >/dev/null',
        ),
        Engine(
            name="mysql",
            image="mariadb:10.11",
            data="/var/lib/mysql",
            ready="healthcheck.sh --connect --innodb_initialized",
            version="echo \"MariaDB $(inside mariadb -uroot -Ne 'select version()' | cut -d- -f1)\"",
            service={"environment": {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1", "MARIADB_DATABASE": "bench"}},
            fill=MYSQL_FILL,
            dump=f"inside sh -c '{MYSQL_DUMP} >/dev/null'",
            keep=f"inside sh -c '{MYSQL_DUMP} >/tmp/bench.raw && stat -c %s /tmp/bench.raw'",
            tidy="inside mariadb -uroot -e 'drop database if exists bare; create database bare'",
            load="inside sh -c 'mariadb -uroot bare </tmp/bench.raw'",
            old="`docker exec mysqldump \\| gzip`",
            old_back="`gunzip \\| docker exec mariadb`",
            old_dump='inside mysqldump -uroot bench | gzip >"$D/old.gz"',
            old_load='gunzip -c "$D/old.gz" | feed mariadb -uroot bare',
        ),
        Engine(
            name="mongo",
            image="mongo:7",
            data="/data/db",
            ready="mongosh --quiet --eval 'db.adminCommand({ping: 1}).ok' | grep -qx 1",
            version="inside mongod --version | head -n 1 | sed 's/^db version v/MongoDB /'",
            fill='"$PYTHON" "$KIT/fill_bson.py" "$SIZE" >"$D/events.bson" && '
            'docker cp -q "$D/events.bson" "$C:/tmp" && '
            'inside mongorestore --quiet --db=bench --collection=events /tmp/events.bson && rm "$D/events.bson"',
            dump="inside sh -c 'mongodump --quiet --archive >/dev/null'",
            keep="inside sh -c 'mongodump --quiet --archive=/tmp/bench.raw && stat -c %s /tmp/bench.raw'",
            load="inside mongorestore --quiet --archive=/tmp/bench.raw --drop",
            old="`docker exec mongodump --archive \\| gzip`",
            old_back="`gunzip \\| docker exec mongorestore --archive --drop`",
            old_dump='inside mongodump --quiet --archive | gzip >"$D/old.gz"',
            old_load='gunzip -c "$D/old.gz" | feed mongorestore --quiet --archive --drop',
            share=8,
        ),
        Engine(
            name="redis",
            loading=("load", "swap"),
            image="redis:7",
            data="/data",
            ready="redis-cli ping | grep -qx PONG",
            version='inside redis-server --version | sed "s/.* v=\\([^ ]*\\).*/Redis \\1/"',
            service={"command": ["redis-server", "--save", "", "--dir", "/data"]},
            fill=REDIS_FILL,
            dump="inside sh -c 'redis-cli save >/dev/null && cat /data/dump.rdb >/dev/null'",
            keep='inside redis-cli save >/dev/null && docker cp -q "$C:/data/dump.rdb" "$D/bare.rdb" && '
            'stat -c %s "$D/bare.rdb"',
            load='docker stop -t 9 "$C" && docker cp -q "$D/bare.rdb" "$C:/data/dump.rdb" && '
            f'docker start "$C" && {AWAKE}',
            old="`docker run tar czf` of the volume",
            old_back="`docker run tar xzf` of it",
            old_dump=PACK_VOLUME,
            old_load=f'docker stop -t 9 "$C" && {UNPACK_VOLUME} && docker start "$C" && {AWAKE}',
            share=4,
        ),
        Engine(
            name="qdrant",
            image="qdrant:v1.15.4",
            data="/qdrant/storage",
            ready="exec 3<>/dev/tcp/127.0.0.1/6333",
            version='inside ./qdrant --version | sed "s/^qdrant/Qdrant/"',
            fill='"$PYTHON" "$KIT/qdrant_client.py" "$C" fill "$SIZE"',
            dump='"$PYTHON" "$KIT/qdrant_client.py" "$C" dump /dev/null',
            keep='"$PYTHON" "$KIT/qdrant_client.py" "$C" dump "$D/bare.snapshot" && stat -c %s "$D/bare.snapshot"',
            load='"$PYTHON" "$KIT/qdrant_client.py" "$C" load "$D/bare.snapshot"',
            old="`docker run tar czf` of the volume",
            old_back="`docker run tar xzf` of it",
            old_dump=PACK_VOLUME,
            old_load=f'docker stop -t 9 "$C" && {UNPACK_VOLUME} && docker start "$C" && '
            '"$PYTHON" "$KIT/qdrant_client.py" "$C" wait',
            share=32,
        ),
    )
}
