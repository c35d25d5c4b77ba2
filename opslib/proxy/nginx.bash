# nginx in the stack, for settle.bash: ${words[0]} is its service, $inside what reloads it within its container, $log what
# counts there. Each log begins anew, and the last one goes.
suffix=.conf
tell() {
  local c list
  list=$(containers --filter "$label.service=${words[0]}" --filter status=running) || return
  for c in $list; do
    docker exec "$c" nginx -t -q || return
    docker exec "$c" sh -c "rm -f $log; $inside" sh "$1" "" nginx || return
  done
}
