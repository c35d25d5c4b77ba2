# Puts a run's files in place, and back. $1 the project's folder, $2 the run's staging folder, $3 apply or back.
# The staging folder holds new/ (what is written), write, remove (lists, each name ended by NUL); `apply` first copies
# what it will replace to old/ and marks that with `saved`: only then is anything of the project touched.
set -eu
umask 022
root=$1 stage=$2
[[ $3 = apply || -e $stage/saved ]] || exit 0
cd -- "$root"
mapfile -d '' -t write <"$stage/write"
mapfile -d '' -t remove <"$stage/remove"

if [[ $3 = apply ]]; then
  old=()
  for f in "${write[@]}" "${remove[@]}"; do
    [[ -e $f || -L $f ]] && old+=("./$f")
  done
  (umask 077 && mkdir -p -- "$stage/old")
  for ((i = 0; i < ${#old[@]}; i += 500)); do cp -a --parents -- "${old[@]:i:500}" "$stage/old/"; done
  for f in "${write[@]}"; do
    d=$f
    while [[ $d = */* ]]; do
      d=${d%/*}
      [[ -d $d ]] || printf '%s\0' "$d"
    done
  done >"$stage/made"
  sync
  : >"$stage/saved"
  for f in "${write[@]}"; do
    [[ $f != */* || -d ${f%/*} ]] || mkdir -p -- "${f%/*}"
    mv -fT -- "$stage/new/$f" "./$f"
  done
  for f in "${remove[@]}"; do
    rm -f -- "./$f"
    [[ $f != */* ]] || rmdir -p --ignore-fail-on-non-empty -- "./${f%/*}" 2>/dev/null || :
  done
  sync
  exit 0
fi

for f in "${write[@]}" "${remove[@]}"; do
  if [[ -e $stage/old/$f || -L $stage/old/$f ]]; then
    [[ $f != */* || -d ${f%/*} ]] || mkdir -p -- "${f%/*}"
    rm -rf -- "$stage/back"
    cp -a -- "$stage/old/$f" "$stage/back"
    mv -fT -- "$stage/back" "./$f"
  else
    rm -f -- "./$f"
  fi
done
mapfile -d '' -t made <"$stage/made"
for d in "${made[@]}"; do rmdir -- "./$d" 2>/dev/null || :; done
sync
