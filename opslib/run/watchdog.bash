# Puts services back when the run that stopped them is gone: the lock comes free while the file armed.ID is there.
# $1 the .opslib folder, $2 the run's id, $3 seconds to wait before that, $4… the docker command and the watchdog's own
# container (none: detached bash)
O=$1 ID=$2 AFTER=$3
shift 3
exec 8<>"$O/lock" 9<>"$O/busy"
[[ ! -e $O/watching.$ID ]] || AFTER=0 # started anew: what was to be kept as it is has been started anew too
: >"$O/watching.$ID"
while ((SECONDS < AFTER)) && [[ -e $O/armed.$ID ]]; do sleep 1; done
for ((try = 0; try < 30; try++)); do
  flock 8
  [[ -e $O/armed.$ID ]] || break
  # From here no command of that run begins any more, should its controller come back.
  printf 'watchdog %s\nthe watchdog of %s, which puts services back\n' "$ID" "$ID" >"$O/lock"
  flock -w 60 9
  flock -u 9
  if TRY=$try timeout -k 5 300 bash "$O/armed.$ID" >>"$O/watchdog.log" 2>&1 </dev/null 8>&- 9>&-; then
    printf '{"fired":"%s"}\n' "$ID" >>"$O/run.log"
    mv -f "$O/armed.$ID" "$O/fired.$ID"
    sync "$O/run.log" "$O"
    : >"$O/lock"
    break
  fi
  : >"$O/lock"
  flock -u 8
  sleep 5
done
exec 8>&-
rm -f "$O/watching.$ID"
(($#)) && exec "$@" >/dev/null 2>&1
exit 0
