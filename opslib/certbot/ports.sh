# For any sh, as root: which process listens on the port whose four hexadecimal digits are $1.
for t in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$t" ] || continue
  while read -r _ at _ state _ _ _ _ _ inode _; do
    case "$at $state" in *:"$1 0A") ;; *) continue ;; esac
    for f in /proc/[0-9]*/fd/*; do
      [ "$(readlink "$f" 2>/dev/null)" = "socket:[$inode]" ] || continue
      p=${f#/proc/}; p=${p%%/*}; read -r name <"/proc/$p/comm" && echo "$name (process $p)"; break
    done
  done <"$t"
done
