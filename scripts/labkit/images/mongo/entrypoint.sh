#!/bin/bash
# Start the server as its own user, after making the root user that the environment asks for on an empty data folder.
# MONGO_INITDB_DATABASE and the files of /docker-entrypoint-initdb.d need a JavaScript engine: they are left alone.
set -euo pipefail

fail() {
    echo "mongo entrypoint: $*" >&2
    exit 1
}

# secret NAME: the value of $NAME, or what the file named by $NAME_FILE holds.
secret() {
    local file_name="${1}_FILE"
    if [[ -n ${!1:-} && -n ${!file_name:-} ]]; then fail "$1 and ${1}_FILE are both set"; fi
    if [[ -n ${!file_name:-} ]]; then
        printf '%s' "$(<"${!file_name}")"
    else
        printf '%s' "${!1:-}"
    fi
}

[[ ${1:-} != -* ]] || set -- mongod "$@"
if [[ ${1:-} == mongod ]]; then
    if [[ $(id -u) == 0 ]]; then
        find /data/db /data/configdb \! -user mongodb -exec chown mongodb:mongodb {} +
        export HOME=/data/db
        exec setpriv --reuid=mongodb --regid=mongodb --init-groups -- "$0" "$@"
    fi
    user=$(secret MONGO_INITDB_ROOT_USERNAME)
    password=$(secret MONGO_INITDB_ROOT_PASSWORD)
    if [[ -n $user || -n $password ]]; then
        [[ -n $user && -n $password ]] || fail "a root user needs both MONGO_INITDB_ROOT_USERNAME and _PASSWORD"
        if [[ -z $(ls -A /data/db) ]]; then
            mongod --first-user "$user" <<<"$password"
        fi
        [[ " $* " == *" --auth "* ]] || set -- "$@" --auth
    fi
    [[ " $* " == *" --bind_ip"* ]] || set -- "$@" --bind_ip_all
fi
exec "$@"
