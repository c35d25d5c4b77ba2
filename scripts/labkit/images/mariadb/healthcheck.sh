#!/bin/bash
# The two checks of the official image's healthcheck.sh that stacks use: all that are named must hold.
#   --connect             the server takes connections over TCP, which it does not before its first start is done
#   --innodb_initialized  InnoDB has read its buffer pool or has none to read
set -euo pipefail

login=/var/lib/mysql/.my-healthcheck.cnf

ask() {
    mariadb --defaults-extra-file="$login" --protocol=tcp --host=127.0.0.1 --skip-column-names --batch --execute="$1"
}

(($#)) || set -- --connect
for check; do
    case $check in
        --connect) ask 'SELECT 1' >/dev/null ;;
        --innodb_initialized)
            [[ $(ask "SELECT 1 FROM information_schema.ENGINES WHERE engine='innodb' AND support IN ('YES', 'DEFAULT')") == 1 ]]
            ;;
        *)
            echo "healthcheck.sh: no such check here: $check" >&2
            exit 2
            ;;
    esac
done
