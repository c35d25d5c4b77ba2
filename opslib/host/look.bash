# One look at a machine: sections, each with a line `# NAME` first. It changes nothing, and needs of programs only what
# `opslib.host.look.PROGRAMS` names; of everything else it says what it can.
#
# `docker` is what the host file says. $1 the project's folder, $2 that of the backups (relative to it, or absolute),
# $3 the tools image, then programs that must be there.
root=$1 store=$2 tools=$3
shift 3
printf '# now\n%s\n# bash\n%s\n' "${EPOCHREALTIME:-$(date +%s.%N)}" "$BASH_VERSION"
exec 3>&2 2>/dev/null
cd
[[ $root == /* ]] || root=$PWD/$root
[[ $store == /* ]] || store=$root/$store
has() { type -P "$1" >/dev/null; }
part() { printf '\n# %s\n' "$1"; }
file() { # its lines, each behind a blank: none is taken for a section's
  local line
  while IFS= read -r line || [[ $line ]]; do printf ' %s\n' "$line"; done <"$1"
}

# -- what takes long goes on beside the rest

engine() {
  local line
  part info
  { timeout 15 "${D[@]}" info --format '{{json .}}' 2>&1 || { (($? != 124)) || echo 'no answer within 15 s'; }; } |
    while IFS= read -r line; do
      [[ $line == '{'* ]] && printf '%s\n' "$line" || printf '\n# said\n %s\n' "$line"
    done
}
containers() {
  local l=com.docker.compose. one line dir
  local -A seen
  one='[{{json .State}},{{json .Status}},{{json .Names}},{{json .Ports}},{{json .Image}}'
  for dir in project service oneoff project.config_files; do one+=",{{json (.Label \"$l$dir\")}}"; done
  one+=',{{json (.Label "com.docker.stack.namespace")}},{{json (.Label "com.docker.swarm.service.name")}}'
  part containers
  while IFS= read -r line; do
    dir=${line##*$'\t'}
    printf '%s]\n %s\n' "${line%$'\t'*}" "$dir"
    [[ -z $dir ]] || seen[$dir]=1
  done < <(timeout 15 "${D[@]}" ps -a --no-trunc --format "$one"$'\t'"{{.Label \"${l}project.working_dir\"}}")
  ((${#seen[@]} == 0)) || { # as the kernel sees them: a label may name a symlink
    part folders
    printf ' %s\n' "${!seen[@]}"
    part real
    while IFS= read -r line; do printf ' %s\n' "$line"; done < <(realpath -m -- "${!seen[@]}")
  }
  part tools
  docker image inspect --format '{{.Id}}' "$tools"
}
updates() { # how many packages could be newer, how many of them are security updates, and the first of these
  local name rest all=0 security=()
  while read -r name rest; do
    [[ $name == */* ]] || continue
    all=$((all + 1))
    [[ $name != */*-security* ]] || security+=("${name%%/*}")
  done < <(timeout 20 apt list --upgradable)
  printf '%s %s %s\n' "$all" "${#security[@]}" "${security[*]:0:5}"
}
has "${D[-1]}" && exec 5< <(engine) 6< <(containers)
! has apt || exec 7< <(updates)

# -- what anybody may see

printf '\n# user\n%s\n# groups\n%s\n' "$(id -un)" "$(id -Gn)"
part missing
for p; do has "$p" || printf ' %s\n' "$p"; done
part os
file /etc/os-release
kernel=$(</proc/sys/kernel/osrelease)
part machine
printf 'kernel %s\narch %s\ncpus %s\n' "$kernel" "$(uname -m)" "$(nproc)"
read -r load _ </proc/loadavg
read -r up _ </proc/uptime
printf 'load %s\nup %s\n' "$load" "${up%.*}"
[[ ! -e /run/systemd/container ]] || printf 'container yes\n'
while read -r name count _; do
  case $name in MemTotal: | MemAvailable: | SwapTotal: | SwapFree:) printf '%s %s\n' "${name%:}" "$count" ;; esac
done <<<"$(</proc/meminfo)" # read at once: the kernel writes such a file anew for each line that bash reads of it
part cron
lines=0
while IFS= read -r line; do [[ $line == *([[:blank:]])@(|#*) ]] || lines=$((lines + 1)); done < <(crontab -l)
printf 'lines %s\n' "$lines"
for p in /proc/[0-9]*/comm; do
  read -r name <"$p"
  case $name in cron | crond | systemd-timesyn | chronyd | ntpd | fail2ban-server) printf 'runs %s\n' "$name" ;; esac
done
if [[ -d /run/systemd/system ]]; then
  part units
  systemctl show -p Id -p LoadState -p ActiveState certbot.timer snap.certbot.renew.timer apt-daily-upgrade.timer \
    unattended-upgrades.service firewalld.service ufw.service systemd-timesyncd.service 'opslib-*.timer'
  part failed
  systemctl list-units --failed --plain --no-legend --no-pager
fi
part apt
if has apt-get; then
  printf 'there\n'
  has unattended-upgrade && printf 'unattended\n'
  apt-config shell upgrade APT::Periodic::Unattended-Upgrade lists APT::Periodic::Update-Package-Lists
  for p in /var/lib/apt/lists/*Release; do # without lists nothing is known of updates
    [[ ! -e $p ]] || stat -c 'read %Y' /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists
    break
  done
  for p in /var/lib/dpkg/updates/[0-9]*; do [[ ! -e $p ]] || { printf 'broken\n' && break; }; done
fi
part reboot
if [[ -e /run/reboot-required ]]; then
  printf 'asked\n'
elif [[ ! -d /lib/modules/$kernel && ! -d /usr/lib/modules/$kernel ]]; then
  for p in /lib/modules/*/; do [[ ! -e $p ]] || { printf 'kernel\n' && break; }; done
fi
part state
if [[ -f $root/.opslib/run.log ]]; then # what stays is held on purpose until the next run
  [[ $(<"$root/.opslib/run.log") == *'"stays":'* ]] && printf 'stays\n' || printf 'begun\n'
fi
[[ ! -s $root/.opslib/lock ]] || { part lock && file "$root/.opslib/lock"; }
[[ ! -e $root/.opslib/frozen ]] || { part frozen && file "$root/.opslib/frozen"; }
part locks
inodes=' '
while read -r inode name; do
  printf 'file %s %s\n' "$inode" "$name"
  inodes+="$inode "
done < <(stat -c '%i %n' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock "$root/.opslib/lock")
while read -r _ _ _ _ p inode _; do
  [[ $inodes == *" ${inode##*:} "* ]] || continue
  name=
  read -r name <"/proc/$p/comm"
  printf 'held %s %s %s\n' "${inode##*:}" "$p" "$name"
done <<<"$(</proc/locks)"

# -- what root sees more of; as another user as far as it goes

privileged() {
  part sockets
  if has ss; then
    ss -Hlntup
  else
    part kernel-sockets
    for p in tcp tcp6; do
      while read -r _ local _ state _; do [[ $state != 0A ]] || printf '%s %s\n' "$p" "$local"; done \
        <<<"$(<"/proc/net/$p")"
    done
  fi
  part firewall
  [[ ! -r /etc/ufw/ufw.conf ]] || while IFS= read -r line; do
    [[ $line != ENABLED=* ]] || printf 'ufw %s\n' "${line#*=}"
  done </etc/ufw/ufw.conf
  [[ ! -r /etc/default/ufw ]] || while IFS= read -r line; do
    [[ $line != DEFAULT_INPUT_POLICY=* ]] || printf 'ufw policy %s\n' "${line#*=}"
  done </etc/default/ufw
  has iptables && printf 'iptables\n' && for p in INPUT DOCKER-USER OPSLIB; do iptables -w 2 -S "$p"; done
  has nft && printf 'nft\n' && file <(nft list chains)
  part certificates
  [[ ! -e /etc/cron.d/certbot ]] || printf 'cron\n'
  [[ -r /etc/letsencrypt/live || ! -d /etc/letsencrypt ]] || printf 'hidden\n'
  for p in /etc/letsencrypt/live/*/cert.pem; do
    [[ -r $p ]] || continue
    p=${p%/*}
    printf 'name %s\n' "${p##*/}"
    file "$p/cert.pem"
  done
}
part sudo
if ((EUID == 0)); then
  printf 'root\n'
  privileged
elif has sudo && seen=$(sudo -n -- bash <<<"$(declare -f has part file privileged); privileged") && [[ $seen ]]; then
  printf 'free\n%s\n' "$seen"
else
  has sudo && printf 'asks\n' || printf 'none\n'
  privileged
fi

# -- and what went on meanwhile

if has apt; then
  part updates
  cat <&7
fi
docker_root=
if has "${D[-1]}"; then
  seen=$(cat <&5)
  printf '%s\n' "$seen"
  [[ ! $seen =~ \"DockerRootDir\":\"([^\"]*)\" ]] || docker_root=${BASH_REMATCH[1]}
  # an older client does not tell of its plugins
  [[ $seen == *'"Name":"compose"'* ]] || { part compose && docker compose version --short; }
  cat <&6
else
  printf '\n# info\n# said\n docker: not found\n'
fi
# The nearest folder that exists, and may be seen, stands for one that is still to be made.
nearest() {
  at=$1
  until [[ -e $at ]]; do
    at=${at%/*}
    at=${at:-/}
  done
}
places=()
for f in "$root" "$store"; do
  part "folder $f"
  nearest "$f"
  write=no
  [[ -d $at && -w $at && -x $at ]] && write=yes
  [[ -e $f ]] && there=there || there=absent
  real=$f
  [[ $there == absent || ! -d $f ]] || real=$(cd -- "$f" && pwd -P)
  printf '%s %s %s\n%s\n' "$there" "$write" "$at" "$real"
  places+=("$at")
done
nearest "${docker_root:-/}"
part disks
df -B1 --output=size,avail,itotal,iavail,target -- "${places[@]}" "$at" /
part end
