# For any sh, as somebody who may read: all that certbot has in the folder $1. Lines of files begin with |.
shown() { while IFS= read -r l || [ -n "$l" ]; do printf '|%s\n' "$l"; done <"$1"; }
printf '# now\n%s\n# free\n' "$(date +%s)"
df -Pk "$1" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; }
for f in "$1"/live/*/; do
  n=${f%/}; n=${n##*/}; [ -e "$f/fullchain.pem" ] || continue
  printf '# live %s\n' "$n"; shown "$f/fullchain.pem"
done
for f in "$1"/renewal/*.conf; do
  [ -e "$f" ] || continue
  n=${f##*/}; printf '# renewal %s\n' "${n%.conf}"; shown "$f"
done
printf '# accounts\n'
for f in "$1"/accounts/*/*/*/regr.json; do [ -e "$f" ] && printf '%s\n' "${f%/*}"; done
printf '# end\nend\n'
