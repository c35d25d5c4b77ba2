# Old and new containers of services stand side by side: which of them serve, and which go. In .opslib/rolling/ stands
# for each service SERVICE/old (ids), SERVICE/new (ids, from when they are healthy), old.conf and new.conf (what the proxy
# reads), mixed.conf (the same while both serve), between.conf (the same when all is over); beside them the files by
# which answers are counted meanwhile. Each part may be cut off anywhere and done again.
# $1 begin, mix (both serve, and neither counts more), settle or end (what does not count goes), switch (it stays, behind
# nginx), back (what counted before does again), turn (it does, and what does not count stays for now), or close; $2 that
# folder, $3 the project, $4 the proxy's folder on this machine or "", $5 tenths of a second to drain, $6 how many words
# follow that its own script needs, then these, then services (none: all). Before this text stands that script: it gives
# $suffix, `tell`, and in the array $counts the names of the files that count.
what=$1 dir=$2 project=$3 folder=$4 drain=$5 words=("${@:7:$6}")
shift $((6 + $6))
label=label=com.docker.compose
[[ -d $dir ]] || exit 0
shopt -s nullglob
if (($# == 0)); then for s in "$dir"/*/; do s=${s%/}; set -- "$@" "${s##*/}"; done; fi

containers() { docker ps -aq --no-trunc --filter "$label.project=$project" --filter "$label.oneoff=False" "$@"; }
running() { local list; list=$(containers --filter status=running) || return; run=" ${list//$'\n'/ } "; }

# $1 a service, $2 the file that counts for it now; an empty one: none. What was there is kept, to be put back.
point() {
  local to=$folder/opslib-$1$suffix
  rm -f -- "$dir/$1/was"
  if [[ -e $to ]]; then cp -- "$to" "$dir/$1/was" || return; fi
  put "$2" "$to"
}
unpoint() {
  local s
  for s; do put "$dir/$s/was" "$folder/opslib-$s$suffix"; done
}
put() {
  if [[ -s $1 ]]; then
    cp -f -- "$1" "$2.part" && chmod 644 -- "$2.part" && mv -fT -- "$2.part" "$2"
  else
    rm -f -- "$2"
  fi
}

uncount() { local f; for f in "${counts[@]}"; do rm -f -- "$folder/$f"; done; }

if [[ $what = mix ]]; then
  behind=()
  for s; do
    [[ -e $dir/$s/mixed.conf ]] || continue
    behind+=("$s"); point "$s" "$dir/$s/mixed.conf" || exit
  done
  for f in "${counts[@]}"; do put "$dir/$f" "$folder/$f" || exit; done
  tell "$drain" "${behind[@]}" && exit
  unpoint "${behind[@]}"
  uncount
  exit 1
fi
uncount

if [[ $what = close ]]; then
  behind=()
  for s; do
    [[ -e $dir/$s/between.conf ]] || continue
    behind+=("$s"); point "$s" "$dir/$s/between.conf" || exit
  done
  if ((${#behind[@]})); then tell 0 "${behind[@]}" || { unpoint "${behind[@]}"; exit 1; }; fi
  rm -rf -- "$dir"
  exit
fi

# Another file may need one that was never there.
if [[ $what = begin ]]; then
  for s in "$dir"/*/between.conf; do
    s=${s%/*} s=${s##*/}
    [[ -e $folder/opslib-$s$suffix ]] || put "$dir/$s/between.conf" "$folder/opslib-$s$suffix" || exit
  done
fi

# Before `begin` has ended no new container is there, and nginx was not told anything.
[[ $what = begin || -e $dir/begun ]] || exit 0
if [[ $what = @(back|turn) ]]; then
  running || exit
  for s; do
    [[ -e $dir/$s/new ]] || continue
    whole=1
    for c in $(<"$dir/$s/old"); do [[ $run = *" $c "* ]] || whole=; done
    [[ -z $whole ]] || rm -f -- "$dir/$s/new"
  done
fi
keeps() { keep=old; [[ ! -e $dir/$1/new ]] || keep=new; }
behind=()
for s; do
  keeps "$s"
  [[ -e $dir/$s/$keep.conf ]] || continue
  # A hold ends also where somebody has broken nginx's configuration meanwhile: it knows what serves.
  [[ $what != end || ! -e $dir/$s/told || $(<"$dir/$s/told") != "$keep" ]] || continue
  rm -f -- "$dir/$s/told"
  behind+=("$s"); point "$s" "$dir/$s/$keep.conf" || exit
done
if ((${#behind[@]})); then tell "$drain" "${behind[@]}" || { [[ $what != begin ]] || unpoint "${behind[@]}"; exit 1; }; fi
for s in "${behind[@]}"; do keeps "$s"; echo "$keep" >"$dir/$s/told"; done
[[ $what != turn ]] || exit 0
gone=()
for s; do
  [[ -e $dir/$s/old ]] || continue
  [[ $what != switch || ! -e $dir/$s/new.conf ]] || continue
  keeps "$s"
  stay=" $(<"$dir/$s/$keep") " old=" $(<"$dir/$s/old") "
  list=$(containers --filter "$label.service=$s") || exit
  # After a reboot the server ends a hold while what serves is still being started.
  for ((i = 0; i < 60; i++)); do
    running || exit
    there='' serves=''
    for c in $list; do [[ $stay != *" $c "* ]] || there=1; done
    for c in $stay; do [[ $run != *" $c "* ]] || serves=1; done
    [[ $what = end && $there && -z $serves ]] || break
    sleep 0.5
  done
  [[ $serves ]] || continue # somebody else has changed it since: nothing is taken away
  for c in $list; do
    [[ $stay = *" $c "* || ($keep = new && $old != *" $c "*) ]] || gone+=("$c")
  done
done
if ((${#gone[@]})); then
  docker stop "${gone[@]}" >/dev/null || exit
  docker rm "${gone[@]}" >/dev/null || exit
fi
[[ $what != begin ]] || : >"$dir/begun"
