# What else has to do with certificates on the host: who renews, and proxies that get their own. $project as it is called.
shopt -s nullglob
lines() { while IFS= read -r l || [[ $l ]]; do printf '|%s\n' "$l"; done; }
mention() { while IFS= read -r l || [[ $l ]]; do [[ $l != *([[:space:]])'#'* && $l == *certbot* ]] && printf '|%s|%s\n' "$1" "$l"; done; }
shopt -s extglob
printf '# systemd\n'; [[ -d /run/systemd/system ]] && echo yes
printf '# timers\n'; systemctl list-timers --no-legend --no-pager 2>/dev/null | mention timer
printf '# cron\n'
for f in /etc/crontab /etc/cron.d/* /etc/cron.{hourly,daily,weekly}/*; do [[ -r $f && -f $f ]] && mention "$f" <"$f"; done
printf '# crontab\n'; type -P crontab >/dev/null && echo there; crontab -l 2>/dev/null | lines
printf '# containers\n'
docker ps --format '{{.Names}}\t{{.Image}}\t{{.Ports}}\t{{.Command}}\t{{.Labels}}' --no-trunc 2>/dev/null | lines
printf '# programs\n'
for f in /proc/[0-9]*/comm; do
  { IFS= read -r l <"$f"; } 2>/dev/null || continue
  case $l in caddy|traefik|apache2|httpd|haproxy) echo "$l" ;; esac
done | sort -u
