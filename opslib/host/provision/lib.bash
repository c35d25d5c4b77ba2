# What all parts of a provisioning call. Runs as root. Set before this text: APT_WAIT (seconds that another program may
# keep apt locked). Lines on standard output that begin with "! " are told to the user; what programs print goes to a log.
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8
LOG=/var/log/opslib-provision.log
KEPT=/var/lib/opslib

note() { printf '! %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
log() { "$@" >>"$LOG" 2>&1 </dev/null; }

# Run it; where it fails, its last lines say why.
must() {
  local from code
  from=$(stat -c %s "$LOG" 2>/dev/null || echo 0)
  log "$@" && return
  code=$?
  tail -c "+$((from + 1))" "$LOG" | tail -n 15 >&2
  printf '%s ended with %s\n' "$1" "$code" >&2
  exit 1
}

# A file whole under its name, from standard input: $1 the file, $2 its mode.
write() {
  local new
  mkdir -p -- "${1%/*}"
  new=$(mktemp -- "${1%/*}/.opslib.XXXXXX") || exit 1
  cat >"$new" && chmod -- "$2" "$new" && sync -- "$new" && mv -fT -- "$new" "$1" || { rm -f -- "$new"; exit 1; }
}

# apt-get, once nobody else keeps it locked; what was broken off before is ended first. Why it failed is in WHY.
apt() {
  local from said end=$((SECONDS + APT_WAIT)) told=
  while :; do
    from=$(stat -c %s "$LOG" 2>/dev/null || echo 0)
    [[ -z $(ls -A /var/lib/dpkg/updates 2>/dev/null) && -z $(dpkg --audit 2>/dev/null) ]] || log dpkg --force-confdef --force-confold --configure -a
    log apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
      -o APT::Update::Error-Mode=any "$@" && return
    said=$(tail -c "+$((from + 1))" "$LOG")
    case $said in
      *'Could not get lock'* | *'Unable to lock'* | *'Unable to acquire'* | *'lock was locked by'*) ;;
      *) WHY=$(printf '%s\n' "$said" | tail -n 15); return 1 ;;
    esac
    [[ $told ]] || note "apt is locked by $(holder "$said"): waiting up to $APT_WAIT s"
    told=yes
    ((SECONDS < end)) || fail "apt is still locked after $APT_WAIT s, by $(holder "$said")"
    sleep 2
  done
}

# Who locks apt: what apt-get itself says, `It is held by process 123 (unattended-upgr)`, or who has the files open.
holder() {
  local pid
  if [[ $1 =~ process\ ([0-9]+) || $1 =~ pid\ ([0-9]+) ]]; then
    pid=${BASH_REMATCH[1]}
    printf '%s (process %s)' "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80 | sed 's/ *$//')" "$pid"
  else
    printf 'another program'
  fi
}

# Packages, without what they only recommend. The lists are fetched where those that are there do not suffice.
packages() {
  apt install --no-install-recommends -- "$@" && return
  apt update && apt install --no-install-recommends -- "$@" || fail "$WHY"
}

# What an earlier run has left armed is undone, before that is kept which is to come back: $1 its name.
settle() {
  [[ ! -e $KEPT/undo.$1 ]] || log bash "$KEPT/undo.$1"
}

# Undo a change by the machine's own clock unless it is kept: $1 its name, $2 seconds, the undo on standard input.
arm() {
  disarm "$1" >/dev/null
  { printf 'mv -T "%s" "%s" || exit 0\n' "$KEPT/undo.$1" "$KEPT/undone.$1"; cat; } | write "$KEPT/undo.$1" 600
  rm -f -- "$KEPT/undone.$1"
  systemd-run --quiet --collect --unit="opslib-undo-$1" --on-active="$2" --timer-property=AccuracySec=1s \
    /bin/bash "$KEPT/undo.$1" || fail "no timer for the undo could be set"
}

# Keep it: says `kept`, or `undone` where the clock was faster.
disarm() {
  if mv -T "$KEPT/undo.$1" "$KEPT/kept.$1" 2>/dev/null; then echo kept; else echo undone; fi
  log systemctl stop "opslib-undo-$1.timer"
  log systemctl reset-failed "opslib-undo-$1.timer" "opslib-undo-$1.service"
  rm -f -- "$KEPT/kept.$1"
}

mkdir -p -m 700 "$KEPT"
mkdir -p -m 755 /run/lock
exec 7>/run/lock/opslib-provision
flock -w 900 7 || fail "another provisioning is at work there"
printf '== %s\n' "$(date -u +%FT%TZ)" >>"$LOG"
