#!/bin/bash
# Start Redis as its own user in /data, reachable by other containers unless the configuration says otherwise.
set -euo pipefail

[[ ${1:-} != -* && ${1:-} != *.conf ]] || set -- redis-server "$@"
if [[ ${1:-} == redis-server && $(id -u) == 0 ]]; then
    find . \! -user redis -exec chown redis {} +
    export HOME=/data
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
fi
if [[ ${1:-} == redis-server ]]; then
    shift
    configuration=()
    if [[ ${1:-} == *.conf ]]; then
        configuration=("$1")
        shift
    fi
    # Debian's build refuses other machines when no password is set; the image that this stands in for does not.
    if ! grep -qs '^[[:space:]]*protected-mode' "${configuration[@]}" /dev/null && [[ " $* " != *" --protected-mode "* ]]; then
        set -- --protected-mode no "$@"
    fi
    set -- redis-server "${configuration[@]}" "$@"
fi
exec "$@"
