# nginx on this machine, for settle.bash: $words is the command that is nginx, $inside what reloads it.
suffix=.conf

# The process that the workers are children of: other nginxes may run here, in containers for one.
master() {
  local file
  file=$("${words[@]}" -T 2>/dev/null | sed -nE 's/^[[:space:]]*pid[[:space:]]+"?([^";]+)"?;.*/\1/p' | head -n 1)
  [[ $file ]] || file=$("${words[@]}" -V 2>&1 | sed -nE 's/.*--pid-path=([^ ]+).*/\1/p')
  [[ -s $file && -d /proc/$(<"$file") ]] && cat "$file"
}

tell() {
  local pid
  "${words[@]}" -t -q || return
  pid=$(master) || { echo "nginx does not run" >&2; return 1; }
  sh -c "$inside" sh "$1" "$pid" "${words[@]}"
}

# For `wrong` of host_nginx.py: $1 the folder, then the command.
look_at() {
  local folder=$1 said dump code f
  shift
  words=("$@")
  printf '# user\n'; id -un
  printf '# folder\n'
  if [[ -d $folder ]]; then echo there; [[ ! -w $folder ]] || echo ours; fi
  printf '# files\n'
  for f in "$folder"/opslib-*"$suffix"; do [[ ! -e $f ]] || { f=${f##*/opslib-}; echo "${f%"$suffix"}"; }; done
  said=$("${words[@]}" -t 2>&1); code=$?
  printf '# code\n%s\n# said\n' "$code"; sed 's/^/|/' <<<"$said"
  printf '# dump\n'; "${words[@]}" -T 2>/dev/null | sed 's/^/|/'
  printf '# master\n'; master
  return 0
}
