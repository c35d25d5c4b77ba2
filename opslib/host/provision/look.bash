# All that there is to know of a machine, in one text that only reads, as root: a line `name=value` for each fact, files as
# base64. $1 the user, $2 the project's folder (relative: to the user's home), $3 the folder for text files, $4 packages
# that are asked for, with spaces.
export LC_ALL=C.UTF-8
user=$1 folder=$2 textfile=$3 packages=$4

fact() { printf '%s=%s\n' "$1" "${2//$'\n'/ }"; }
file() { [[ ! -f $2 ]] || printf '%s=%s\n' "$1" "$(base64 -w0 <"$2")"; }
there() { type -P "$1" >/dev/null; }
ask() { timeout 20 "$@" 2>/dev/null </dev/null; }

{ . /etc/os-release; } 2>/dev/null
fact os.id "${ID-}"
fact os.like "${ID_LIKE-}"
fact os.version "${VERSION_ID-}"
fact os.codename "${UBUNTU_CODENAME:-${VERSION_CODENAME-}}"
fact os.name "${PRETTY_NAME:-${NAME-}}"
there apt-get && there dpkg-query && fact os.apt yes
[[ -d /run/systemd/system ]] && fact os.systemd yes
fact os.container "$(ask systemd-detect-virt --container)"

if there dpkg-query; then
  # shellcheck disable=SC2086  # names of packages
  ask dpkg-query -W -f '${db:Status-Status} package.${Package}=${Version}\n' -- $packages |
    while read -r state line; do [[ $state != installed ]] || printf '%s\n' "$line"; done
  fact apt.broken "$(ls -A /var/lib/dpkg/updates 2>/dev/null)$(ask dpkg --audit)"
  eval "$(ask apt-config shell lists APT::Periodic::Update-Package-Lists upgrade APT::Periodic::Unattended-Upgrade)"
  fact updates.lists "${lists-}"
  fact updates.upgrade "${upgrade-}"
  fact updates.timers "$(ask systemctl is-enabled apt-daily.timer apt-daily-upgrade.timer) $(
    ask systemctl is-active apt-daily.timer apt-daily-upgrade.timer)"
fi

for unit in systemd-timesyncd chrony ntpsec ntp openntpd; do
  state=$(ask systemctl is-enabled "$unit.service") && fact "clock.$unit" "$state $(ask systemctl is-active "$unit.service")"
done

fact swap.memory "$(while read -r name value _; do [[ $name != MemTotal: ]] || echo "$value"; done </proc/meminfo)"
fact swap.used "$({ read -r _; while read -r name _; do echo "$name"; done; } </proc/swaps)"
fact swap.free "$(ask df -B1 --output=avail / | tail -n 1 | tr -d ' ')"
fact swap.filesystem "$(ask stat -f -c %T /)"
[[ -e /opslib.swap ]] && fact swap.file "$(stat -c %s /opslib.swap)"
while read -r name _; do [[ $name != /opslib.swap ]] || fact swap.fstab yes; done 2>/dev/null </etc/fstab

entry=$(getent passwd -- "$user") && fact user.home "$(cut -d: -f6 <<<"$entry")"
fact user.groups "$(id -nG -- "$user" 2>/dev/null)"
home=$(cut -d: -f6 <<<"$entry")
[[ ! $entry ]] || file user.keys "$home/.ssh/authorized_keys"
[[ ! $entry ]] || fact user.ssh "$(stat -c '%U %a' -- "$home/.ssh" "$home/.ssh/authorized_keys" 2>/dev/null)"
file login.keys "$(getent passwd -- "${SUDO_USER:-root}" | cut -d: -f6)/.ssh/authorized_keys"
getent group docker >/dev/null && fact user.docker yes

[[ $folder == /* ]] || folder=${home:-/home/$user}/$folder
fact folder.path "$folder"
fact folder.is "$(stat -c '%U %F' -- "$folder" 2>/dev/null)"
fact folder.state "$(stat -c '%U' -- "$folder/.opslib" 2>/dev/null)"
fact textfile.is "$(stat -c '%U %F' -- "$textfile" 2>/dev/null)"

there dockerd && fact docker.engine yes
fact docker.enabled "$(ask systemctl is-enabled docker.service)"
if there docker; then
  info=$(ask docker info --format '{{.ServerVersion}} {{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}') &&
    read -r version swarm live <<<"$info" && fact docker.version "$version" && fact docker.swarm "$swarm" && fact docker.live "$live"
  fact docker.running "$(ask docker ps --format '{{.Names}}')"
  fact docker.published "$(ask docker ps --format '{{.Ports}}' | tr ',' '\n' | while read -r port; do
    [[ ! $port =~ ^(0\.0\.0\.0|\[?::\]?):([0-9]+)(-[0-9]+)?-\>.*/tcp$ ]] || echo "${BASH_REMATCH[2]}"; done | sort -u)"
  fact docker.compose "$(ask docker compose version --short)"
fi
file daemon.json /etc/docker/daemon.json
[[ -e /var/lib/opslib/restart-docker ]] && fact daemon.restart yes

file cron.file /etc/cron.d/opslib-provision
fact cron.service "$(ask systemctl is-active cron.service)"

fact firewall.firewalld "$(ask systemctl is-active firewalld.service)"
there ufw && fact firewall.ufw "$(ask ufw status verbose | tr '\n' ';')" && fact firewall.added "$(ask ufw show added | tr '\n' ';')"
file firewall.script /usr/local/lib/opslib/firewall
file firewall.unit /etc/systemd/system/opslib-firewall.service
fact firewall.enabled "$(ask systemctl is-enabled opslib-firewall.service) $(ask systemctl is-active opslib-firewall.service)"
there nft && fact firewall.table "$(ask nft list table inet opslib | tr -s '\n\t ' ' ')"
for program in iptables ip6tables; do
  there "$program" && fact "firewall.$program" "$(ask "$program" -w 5 -S DOCKER-USER | head -n 2 | tail -n 1);$(ask "$program" -w 5 -S OPSLIB | wc -l)"
done

there sshd && ask sshd -T | while read -r name value; do
  case $name in
    port) ports="${ports-}$value " && fact ssh.port "$ports" ;;
    subsystem | hostkey | acceptenv) ;;
    *) fact "ssh.$name" "$value" ;;
  esac
done
file ssh.file /etc/ssh/sshd_config.d/00-opslib.conf
file ssh.main /etc/ssh/sshd_config
fact ssh.socket "$(ask systemctl show ssh.socket --property=ActiveState --property=Listen | tr '\n' ' ')"
main=$(ask systemctl show ssh.service --property=MainPID --value)
fact ssh.now "$(ask ss -Htlnp | while read -r _ _ _ at _ who; do [[ $who != *"pid=${main:-0},"* ]] || echo "${at##*:}"; done)"

for name in ssh firewall; do [[ -e /var/lib/opslib/undo.$name ]] && fact "undo.$name" armed; done
file fail2ban.file /etc/fail2ban/jail.d/opslib.local
fact fail2ban.service "$(ask systemctl is-active fail2ban.service)"
echo end=yes
