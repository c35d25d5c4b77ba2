# Traefik in the stack. For settle.bash: ${words[0]} is its service, ${words[1]} the port of its API.
suffix=.yml

# $1 a container: its addresses, the machine's own first where it has its network.
at() {
  docker inspect -f '{{if eq .HostConfig.NetworkMode "host"}}127.0.0.1 {{end}}{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}' "$1"
}
# $1 a container, $2 the port, $3 the path: the answer's body.
ask() {
  local a addresses
  addresses=$(at "$1") || return
  for a in $addresses; do
    timeout -k 1 5 bash --norc -c 'exec 3<>"/dev/tcp/$1/$2" || exit
      printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$3" >&3
      while IFS= read -r -u 3 line && [[ $line != $'"'\r'"' ]]; do :; done; cat <&3' - "$a" "$2" "$3" 2>/dev/null && return
  done
  return 1
}
# $1 a file of ours: the digest in it.
digest() { [[ $(<"$1") =~ opslib-[0-9a-f]{12} ]] && echo "${BASH_REMATCH[0]}"; }

# The files of these services: taken by every container of it, or what it says instead. Two seconds are its own default
# for the time between two changes (providersThrottleDuration).
tell() {
  local c list s n drain=$1 mark since
  shift
  since=$(date +%s)
  list=$(containers --filter "$label.service=${words[0]}" --filter status=running) || return
  for c in $list; do
    for s; do
      mark=$(digest "$folder/opslib-$s$suffix") || return
      until [[ $(ask "$c" "${words[1]}" "/api/http/services/$s@file") = *"$mark"* ]]; do
        n=$(($(date +%s) - since))
        if ((n > 30)) || { ((n > 2)) && [[ $(faults "$c" "$since") ]]; }; then
          echo "${words[0]} has not taken opslib-$s$suffix: $(faults "$c" "$since")" >&2
          return 1
        fi
        sleep 0.2
      done
    done
  done
  for ((n = 0; n < drain; n++)); do
    speaking "$list" "$@" || return 0
    sleep 0.1
  done
}

# $1 containers of Traefik, then services: whether one of these has a connection to an address that another file of this
# run has, and the one that counts has not. Connections that wait for the next request count too. Unknown is yes.
speaking() {
  local c s pid table gone=() list=$1
  shift
  for s; do
    while IFS= read -r c; do
      [[ $c != *[* ]] || return 0
      gone+=("${c#http://}")
    done < <(cat "$dir/$s"/*.conf "$dir/$s/was" 2>/dev/null | grep -oE 'http://(\[|[0-9.]+:[0-9]+)' |
      grep -vxFf <(grep -oE 'http://[0-9.]+:[0-9]+' "$folder/opslib-$s$suffix" || echo -))
  done
  ((${#gone[@]})) || return 1
  for c in $list; do
    pid=$(docker inspect -f '{{.State.Pid}}' "$c") && table=$(cat "/proc/$pid/net/tcp" 2>/dev/null) || return 0
    for s in "${gone[@]}"; do [[ $table != *" $(hexed "$s") 01 "* ]] || return 0; done
  done
  return 1
}
# IP:PORT as /proc/net/tcp has it.
hexed() {
  local a b c d p
  IFS=.: read -r a b c d p <<<"$1"
  printf '%02X%02X%02X%02X:%04X' "$d" "$c" "$b" "$a" "$p"
}

# $1 a container, $2 since when: what it says of files that it could not read in the minute from then on.
faults() {
  docker logs --since "$2" --until "$(($2 + 60))" "$1" 2>&1 | sed 's/\x1b\[[0-9;]*m//g' |
    grep -E 'providerName"?[=:]"?file' | grep -E ' ERR |level"?[=:]"?error' | tail -n 1
}

# For `wrong` of traefik.py: $1 the container, $2 the port of its API, $3 its folder on this machine, $4 when it was
# started, then services.
look_at() {
  local c=$1 port=$2 folder=$3 since s
  printf '# overview\n'; ask "$c" "$port" /api/overview; echo
  printf '# raw\n'; ask "$c" "$port" /api/rawdata; echo
  since=$(date -d "$4" +%s)
  printf '# age\n%s\n' "$(($(date +%s) - since))"
  # The last change in its folder: what was broken then is so still.
  for s in $(find "$folder" -printf '%C@\n'); do ((${s%.*} <= since)) || since=${s%.*}; done
  printf '# log\n'; faults "$c" "$since"
  printf '# files\n'
  shift 4
  for s; do [[ ! -e $folder/opslib-$s$suffix ]] || echo "$s $(digest "$folder/opslib-$s$suffix")"; done
}
