# Holds the project's lock for as long as its controller answers.
#
# Set before this text: N (a nonce), O (the .opslib folder), ID (the run), HOLDER (one line: who, what, since),
# WAIT (seconds to wait for the lock).
# Prints: N, then "waiting HOLDER" when somebody has the lock, then "ready", "held HOLDER" or "busy".
# Reads: "h" (answered with "h") at least every 30 s, "q" to release. Silence or an end of file means that the
# controller is gone: no command of the run begins any more, every one is ended, and only then is the lock free.
exec 2>/dev/null
trap '' PIPE
printf '%s\n' "$N"
umask 007
mkdir -p "$O/procs" && chmod g+s "$O" "$O/procs"
if ! { exec 8<>"$O/lock" 9<>"$O/busy"; } || [[ ! -w $O/procs ]]; then
  printf 'denied %s\n' "$O"
  exit 1
fi
holder() { { IFS= read -r _; IFS= read -r line; printf '%s' "$line"; } <"$O/lock"; }
if ! flock -n 8; then
  printf 'waiting %s\n' "$(holder)"
  if ! flock -w "$WAIT" 8; then
    printf 'held %s\n' "$(holder)"
    exit 4
  fi
fi
printf '%s\n%s\n' "$ID" "$HOLDER" >"$O/lock"
if ! flock -w 60 9; then
  printf 'busy\n'
  exit 4
fi
flock -u 9
rm -f "$O"/procs/*
printf 'ready\n'

while IFS= read -r -t 30 line; do
  case $line in
    h) printf 'h\n' ;;
    q) : >"$O/lock"; exit 0 ;;
  esac
done

: >"$O/lock" # first: what the controller sends when it is back must not begin any more
for ((i = 0; i < 40; i++)); do
  for f in "$O"/procs/*; do
    p=${f##*/} # which may be another program's by now, if its shell was killed: those of the run have its lock open
    [[ /proc/$p/fd/9 -ef $O/busy ]] && kill -TERM "$p"
  done
  flock -w 1 9 && break
done
exit 1
