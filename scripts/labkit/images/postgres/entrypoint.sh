#!/bin/bash
# Start PostgreSQL, after making the cluster, user and database that the environment asks for on an empty PGDATA.
set -euo pipefail

fail() {
    echo "postgres entrypoint: $*" >&2
    exit 1
}

# secret NAME DEFAULT: the value of $NAME, or what the file named by $NAME_FILE holds.
secret() {
    local file_name="${1}_FILE"
    if [[ -n ${!1:-} && -n ${!file_name:-} ]]; then fail "$1 and ${1}_FILE are both set"; fi
    if [[ -n ${!file_name:-} ]]; then
        printf '%s' "$(<"${!file_name}")"
    else
        printf '%s' "${!1:-$2}"
    fi
}

sql() {
    psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --quiet --username "$user" --dbname "$@"
}

make_cluster() {
    local auth=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256} options=()
    [[ -n $password || $auth == trust ]] || fail "an empty $PGDATA needs POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"
    read -ra options <<<"${POSTGRES_INITDB_ARGS:-}"
    if [[ -n $password ]]; then
        initdb --username="$user" --pgdata="$PGDATA" "${options[@]}" --pwfile=<(printf '%s\n' "$password")
    else
        initdb --username="$user" --pgdata="$PGDATA" "${options[@]}"
    fi
    printf '\nhost all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"
}

run_first_start_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        echo "first start: $file"
        case $file in
            *.sql) sql "$database" --file "$file" ;;
            *.sql.gz) gunzip -c "$file" | sql "$database" ;;
            *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
            *) echo "left out: $file" ;;
        esac
    done
}

first_start() {
    local user password database
    user=$(secret POSTGRES_USER postgres)
    password=$(secret POSTGRES_PASSWORD '')
    database=$(secret POSTGRES_DB "$user")
    make_cluster
    # No TCP until everything below is done: who can connect finds a finished database.
    PGUSER=$user pg_ctl --pgdata="$PGDATA" --wait --silent --options="-c listen_addresses=''" start
    if [[ $database != postgres ]]; then
        sql postgres --set name="$database" <<<'CREATE DATABASE :"name";'
    fi
    export POSTGRES_USER=$user POSTGRES_PASSWORD=$password POSTGRES_DB=$database
    shopt -s nullglob
    run_first_start_files
    pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
    echo "first start: done"
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$PGDATA"
        chmod 700 "$PGDATA"
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres {} +
        export HOME=/var/lib/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
    fi
    # In a shell of its own: the exported password must not reach the server's environment.
    [[ -s $PGDATA/PG_VERSION ]] || (first_start)
fi
exec "$@"
