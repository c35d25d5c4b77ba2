#!/bin/bash
# Start MariaDB, after making the system tables, database and users that the environment asks for on an empty data folder.
set -euo pipefail

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

fail() {
    echo "mariadb entrypoint: $*" >&2
    exit 1
}

# setting NAME: the value of $MARIADB_NAME or $MYSQL_NAME, or what the file named by either with _FILE holds.
setting() {
    local prefix name file_name
    for prefix in MARIADB MYSQL; do
        name=${prefix}_$1 file_name=${prefix}_${1}_FILE
        if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then fail "$name and $file_name are both set"; fi
        if [[ -n ${!file_name:-} ]]; then
            printf '%s' "$(<"${!file_name}")"
            return
        fi
        if [[ -n ${!name:-} ]]; then
            printf '%s' "${!name}"
            return
        fi
    done
}

# A string and a name as SQL writes them.
text() {
    local value=${1//\\/\\\\} quote="'"
    printf "'%s'" "${value//$quote/$quote$quote}"
}
name() { printf '`%s`' "${1//\`/\`\`}"; }

as_root() {
    MYSQL_PWD=$root_password mariadb --protocol=socket --socket="$socket" --user=root --comments "$@"
}

logins() {
    local host health
    cat <<'SQL'
SET @@SESSION.SQL_LOG_BIN=0;
DROP USER IF EXISTS root@'127.0.0.1', root@'::1';
EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@\'', @@hostname, '\'');
SQL
    printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(text "$wanted")"
    host=$(setting ROOT_HOST)
    if [[ ${host:=%} != localhost ]]; then
        printf 'CREATE USER root@%s IDENTIFIED BY %s;\n' "$(text "$host")" "$(text "$wanted")"
        printf 'GRANT ALL ON *.* TO root@%s WITH GRANT OPTION;\nGRANT PROXY ON ``@`%%` TO root@%s WITH GRANT OPTION;\n' \
            "$(text "$host")" "$(text "$host")"
    fi
    [[ -z $database ]] || printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(name "$database")"
    if [[ -n $user ]]; then
        printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(text "$user")" "$(text "$password")"
        # In a grant, _ and % of a database's name are wildcards.
        local granted=${database//_/\\_}
        [[ -z $database ]] || printf "GRANT ALL ON %s.* TO %s@'%%';\n" "$(name "${granted//%/\\%}")" "$(text "$user")"
    fi
    health=$(pwgen --secure 32 1)
    for host in 127.0.0.1 ::1 localhost; do
        printf "CREATE USER healthcheck@'%s' IDENTIFIED BY '%s';\n" "$host" "$health"
    done
    (umask 077 && printf '[mariadb-client]\nuser=healthcheck\npassword=%s\n' "$health" >"$data/.my-healthcheck.cnf")
}

run_first_start_files() {
    local file into=()
    [[ -z $database ]] || into=(--database="$database")
    for file in /docker-entrypoint-initdb.d/*; do
        echo "first start: $file"
        case $file in
            *.sql) as_root "${into[@]}" <"$file" ;;
            *.sql.gz) gunzip -c "$file" | as_root "${into[@]}" ;;
            *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
            *) echo "left out: $file" ;;
        esac
    done
}

first_start() {
    local root_password database user password wanted server
    wanted=$(setting ROOT_PASSWORD)
    database=$(setting DATABASE)
    user=$(setting USER)
    password=$(setting PASSWORD)
    if [[ -n $(setting RANDOM_ROOT_PASSWORD) ]]; then
        wanted=$(pwgen --numerals --capitalize --symbols --remove-chars="'\\\\" -1 32 1)
        echo "GENERATED ROOT PASSWORD: $wanted"
    fi
    [[ -n $wanted || -n $(setting ALLOW_EMPTY_ROOT_PASSWORD) || -n $(setting ALLOW_EMPTY_PASSWORD) ]] ||
        fail "an empty $data needs MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD or MARIADB_RANDOM_ROOT_PASSWORD"
    [[ -z $user || -n $password ]] || fail "MARIADB_USER needs MARIADB_PASSWORD"
    mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
        --cross-bootstrap --default-time-zone=SYSTEM --enforce-storage-engine= >/dev/null
    # No TCP until everything below is done: who can connect finds a finished database.
    "$@" --skip-networking --socket="$socket" &
    server=$!
    root_password=
    until as_root --execute='SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || fail "the server ended in its first start"
        sleep 0.1
    done
    logins | as_root
    root_password=$wanted
    shopt -s nullglob
    run_first_start_files
    kill "$server"
    wait "$server" || fail "the server did not end well after its first start"
    echo "first start: done"
}

[[ ${1:-} != -* ]] || set -- mariadbd "$@"
if [[ ${1:-} == mariadbd || ${1:-} == mysqld ]]; then
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$data"
        find "$data" /run/mysqld \! -user mysql -exec chown mysql:mysql {} +
        export HOME=$data
        exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
    fi
    # In a shell of its own: what it sets must not reach the server's environment.
    [[ -d $data/mysql ]] || (first_start "$@")
fi
exec "$@"
