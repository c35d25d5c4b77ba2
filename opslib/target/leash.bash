# Runs one pipeline on a leash: whoever started it can end it, and it ends when nobody holds the other end.
#
# Set before this text: N (a nonce), INPUT (1: data follow on stdin), O and ID (the .opslib folder and the run whose
# lock must be held; both empty outside a run), and the functions pipeline (stages, each with 2>&4 4>&-, then
# st=("${PIPESTATUS[@]}")) and onbreak (what must be ended inside containers first).
#
# stdin: a frame is "COUNT\n" and COUNT bytes; "e\n" is the end of the data; an end of file is a lost controller and
# must never look like the end of the data to the program, which would commit half of them.
# stderr ends with "\nN STATUS STATUS …\n". The shell's own stderr is /dev/null: bash prints the text of a command
# that a signal ended, and secrets are in it.
exec 3<&0 </dev/null 4>&2 2>/dev/null
printf '%s\n' "$N"
printf '%s\n' "$N" >&4

if [[ $ID ]]; then
  exec 9<>"$O/busy"
  flock -s 9
  IFS= read -r holder <"$O/lock"
  if [[ $holder != "$ID" ]]; then
    printf '\n%s gone\n' "$N" >&4
    exit 4
  fi
  : >"$O/procs/$$"
fi

break_off() {
  trap '' TERM
  onbreak >/dev/null 4>&-
  kill -TERM -- "-$p"
  for ((i = 0; i < 50; i++)); do
    kill -0 -- "-$p" || break
    sleep .1
  done
  kill -KILL -- "-$p"
  onbreak >/dev/null 4>&- # what its client had asked for and was made only now
}

feed() {
  while IFS= read -r -u3 n; do
    case $n in
      e) exec 5>&-; kill -USR1 $$ ;;
      *[!0-9]* | '') break ;;
      *) head -c "$n" <&3 >&5 || { cat <&3 >/dev/null; break; } ;;
    esac
  done
  kill -TERM $$
}

trap '' PIPE
exec 6>&1
set -m
coproc G {
  set +m
  trap : TERM
  trap - PIPE
  exec >&6 6>&- 3<&-
  pipeline
  printf '\n%s %s\n' "$N" "${st[*]}" >&4
  for s in "${st[@]}"; do ((s == 0)) || exit "$s"; done
  exit 0
}
p=$G_PID
exec 5>&"${G[1]}"
eval "exec ${G[1]}>&- ${G[0]}<&-"
((INPUT)) || exec 5>&- # before feed inherits it: a program that reads must see an end at once
set +m
trap break_off TERM
trap 'exec 5>&-' USR1
feed >/dev/null 4>&- 6>&- &
r=$!
exec 3<&- 6>&- >/dev/null

wait "$p"
s=$?
while kill -0 "$p"; do
  wait "$p"
  s=$?
done
kill "$r"
[[ $ID ]] && rm -f "$O/procs/$$"
exit "$s"
