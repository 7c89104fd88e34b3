#!/usr/bin/env bash
# package_check_root.sh ROOT CHECK: the life of the packages of the folder CHECK in the clean Debian
# at ROOT, which may be used up. No systemd runs there, and there is no TPM.
set -euo pipefail
readonly ROOT=$1 CHECK=$2
readonly CONFIG=/etc/seaworthy/seaworthyd.toml STATE=/var/lib/seaworthy
readonly PACKAGES=(seaworthyd seaworthyctl libseaworthy-verify-dev)

fail() {
  printf 'package_check: %s\n' "$*" >&2
  exit 1
}

in_root() { chroot "$ROOT" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
apt() { in_root apt-get -qy -o Dpkg::Options::=--force-confold "$@" </dev/null; }

# at VERSION: the packages as apt wants them named.
at() { printf '%s='"$1"'\n' "${PACKAGES[@]}"; }

# repack VERSION: the same packages as a later version, whose configuration has one line more.
repack() {
  local name
  for name in "${PACKAGES[@]}"; do
    rm -rf "$CHECK/repacked"
    dpkg-deb -R "$CHECK/${name}_${VERSION}_"*.deb "$CHECK/repacked"
    sed -i "s/^Version: .*/Version: $1/" "$CHECK/repacked/DEBIAN/control"
    [[ $name != seaworthyd ]] || echo "# of $1" >>"$CHECK/repacked$CONFIG"
    dpkg-deb -Znone -b "$CHECK/repacked" "$CHECK/${name}_$1_$(dpkg --print-architecture).deb"
  done
  rm -rf "$CHECK/repacked"
}

# Every path with its mode and owner, and what is in /etc; but for apt's own notes, what this check
# brought, and the backups of the group database.
files() {
  {
    in_root find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /srv/check \
      -o -path /var/cache/apt -o -path /var/lib/apt -o -path /tmp \) -prune \
      -o -printf '%M %u:%g %p\n'
    in_root find /etc -type f ! -path '/etc/*-' -exec sha256sum '{}' +
  } | sort
}

installed() {
  local name
  for name in "${PACKAGES[@]}"; do
    # shellcheck disable=SC2016  # dpkg-query expands it
    [[ $(in_root dpkg-query -W -f '${Version} ${db:Status-Status}' "$name") == "$1 installed" ]] ||
      fail "$name is not installed at $1"
  done
}

# The daemon of the package, started as the unit starts it, answers and tells what it lacks.
runs() {
  local daemon tries answer code=0
  # chroot itself, so that the process id is the daemon's.
  chroot "$ROOT" /usr/sbin/seaworthyd --config "$CONFIG" >"$CHECK/daemon.log" 2>&1 &
  daemon=$!
  for ((tries = 0; tries < 100; tries++)); do
    answer=$(in_root seaworthyctl status 2>&1) && break
    sleep 0.2
  done
  in_root seaworthyctl health >/dev/null || code=$?
  kill "$daemon"
  wait "$daemon" || fail "the daemon ended with $?: $(cat "$CHECK/daemon.log")"
  grep -q '^TPM  *not available' <<<"$answer" ||
    fail "the status does not say that no TPM is there: $answer"
  ((code == 1)) || fail "without a TPM the health is $code, not 1"
}

# A program built against what is installed judges evidence of a software TPM.
links() {
  # shellcheck disable=SC2016  # the shell inside expands it
  in_root sh -ec 'cd /srv/check
    flags=$(pkg-config --cflags --libs libseaworthy-verify)
    g++ -std=c++20 -Wall -Wextra -Werror package_check.cc $flags -o package_check
    g++ -std=c++20 package_check.cc -Wl,--whole-archive -l:libseaworthy-verify.a \
      -Wl,--no-whole-archive $flags -o whole  # no part of it lacks another
    ./package_check evidence nonce.hex ak.name
    tr 0-9 1-90 <nonce.hex >wrong.hex
    if ./package_check evidence wrong.hex ak.name >said; then exit 1; fi
    grep -qx NONCE_MISMATCH said'
}

VERSION=$(dpkg-deb -f "$(printf '%s\n' "$CHECK"/seaworthyd_*.deb)" Version)
readonly VERSION LATER=$VERSION+later LATEST=$VERSION+latest
repack "$LATER"
repack "$LATEST"
(cd "$CHECK" && dpkg-scanpackages --multiversion . >Packages)
mkdir -p "$ROOT/srv/check"
cp -r "$CHECK/." "$ROOT/srv/check"
echo 'deb [trusted=yes] file:/srv/check ./' >"$ROOT/etc/apt/sources.list.d/check.list"
apt update

# What Debian has to give them first, so that what comes and goes with them alone can be seen.
mapfile -t depends < <(for name in "${PACKAGES[@]}"; do
  dpkg-deb -f "$CHECK/${name}_${VERSION}_"*.deb Depends
done)
apt --no-install-recommends satisfy 'g++, pkg-config' "${depends[@]}"
files >"$CHECK/before"

mapfile -t wanted < <(at "$VERSION")
apt install "${wanted[@]}"
installed "$VERSION"
in_root test -L /etc/systemd/system/multi-user.target.wants/seaworthyd.service || fail "not enabled"
[[ $(in_root stat -c '%a %U:%G' /run/seaworthy/read) == '750 root:seaworthy' ]] ||
  fail "systemd-tmpfiles has not made /run/seaworthy/read"
runs
links
echo precious >"$ROOT$STATE/precious"

# An upgrade keeps the state, and brings the new configuration where the old was left as it came.
mapfile -t wanted < <(at "$LATER")
apt install "${wanted[@]}"
installed "$LATER"
grep -q "^# of $LATER\$" "$ROOT$CONFIG" || fail "the unchanged configuration was not upgraded"
grep -q precious "$ROOT$STATE/precious"

# It leaves a configuration that was changed, with the new one beside it.
sed -i 's/^level = .*/level = "notice"/' "$ROOT$CONFIG"
mapfile -t wanted < <(at "$LATEST")
apt install "${wanted[@]}"
installed "$LATEST"
grep -q '^level = "notice"' "$ROOT$CONFIG" || fail "the changed configuration was overwritten"
grep -q "^# of $LATEST\$" "$ROOT$CONFIG.dpkg-dist" || fail "the new configuration is not shown"

# Removed and installed again, all is as it was.
apt remove "${PACKAGES[@]}"
[[ ! -e $ROOT/usr/sbin/seaworthyd ]] || fail "the daemon was not removed"
grep -q precious "$ROOT$STATE/precious"
apt install "${wanted[@]}"
installed "$LATEST"
grep -q '^level = "notice"' "$ROOT$CONFIG" || fail "the configuration did not survive the removal"
grep -q precious "$ROOT$STATE/precious"
runs

# Nothing is left but the group, a line in two files.
apt purge "${PACKAGES[@]}"
sed -i '/^seaworthy:/d' "$ROOT"/etc/{group,gshadow}
files >"$CHECK/after"
diff "$CHECK/before" "$CHECK/after" || fail "purging leaves something or takes what is not ours"
