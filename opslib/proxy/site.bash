# The sites in front of a stack: looked at, and taken by nginx. Before this text stand docker, the script of the proxy's
# kind (`tell`), and $project, $folder (on this machine), $suffix, $words.
label=label=com.docker.compose
containers() { docker ps -aq --no-trunc --filter "$label.project=$project" --filter "$label.oneoff=False" "$@"; }

# nginx with these words, where it runs
nginx_is() {
  local c
  if [[ $kind == host-nginx ]]; then "${words[@]}" "$@"; return; fi
  c=$(containers --filter "$label.service=${words[0]}" --filter status=running) || return
  [[ $c ]] || { echo "nginx does not run" >&2; return 1; }
  docker exec "${c%%$'\n'*}" nginx "$@"
}

# What stands there, what nginx says of its configuration, and all that it reads.
look_at() {
  local f said code dump
  printf '# user\n%s\n# may\n' "$(id -un)"
  [[ -d $folder ]] && echo there; [[ -w $folder ]] && echo write
  for f in "$folder"/opslib-site-*; do
    [[ -e $f ]] || continue
    printf '# file %s\n' "${f##*/}"
    [[ $f == *.conf ]] && while IFS= read -r line || [[ $line ]]; do printf '|%s\n' "$line"; done <"$f"
  done
  said=$(nginx_is -t 2>&1); code=$?
  printf '# code\n%s\n# said\n' "$code"; while IFS= read -r line; do printf '|%s\n' "$line"; done <<<"$said"
  printf '# dump\n'
  dump=$(nginx_is -T 2>/dev/null) || return 0
  while IFS= read -r line; do printf '|%s\n' "$line"; done <<<"$dump"
}
