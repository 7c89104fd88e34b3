#!/usr/bin/env bash
# package_check.sh FOLDER OTHER: judges the packages that `./dev package` left in FOLDER; OTHER has
# those of the same sources, built again under another path. Needs root, for the clean Debian in
# which they are installed.
set -euo pipefail
readonly FOLDER=$1 OTHER=$2
HERE=$(dirname "$(readlink -f "$0")")
readonly HERE

fail() {
  printf 'package_check: %s\n' "$*" >&2
  exit 1
}

SCRATCH=$(mktemp -d /tmp/seaworthy-package.XXXXXX)
readonly SCRATCH
trap 'rm -rf "$SCRATCH"' EXIT

# step WHAT FUNCTION: one line each, and what was said only when it failed. In a subshell of its
# own that ends at the first error, which a function inside a condition does not.
step() {
  local start=$SECONDS code=0
  set +e
  (
    set -e
    "$2"
  ) >"$SCRATCH/step.log" 2>&1
  code=$?
  set -e
  if ((code)); then
    tail -n 30 "$SCRATCH/step.log" >&2
    fail "$1: FAILED"
  fi
  printf 'ok   %-62s %3d s\n' "$1" $((SECONDS - start))
}

same_bytes() {
  local package
  diff <(cd "$FOLDER" && ls -- *.deb) <(cd "$OTHER" && ls -- *.deb)
  for package in "$FOLDER"/*.deb; do
    cmp "$package" "$OTHER/$(basename "$package")"
  done
}

lints() {
  lintian --allow-root --tag-display-limit 0 --info --fail-on error,warning "$FOLDER"/*.changes
}

unpack() {
  local package
  for package in "$FOLDER"/*.deb; do
    dpkg-deb -x "$package" "$SCRATCH/unpacked/$(dpkg-deb -f "$package" Package)"
  done
}

hardened() {
  "$HERE/../tools/check_hardening.sh" "$SCRATCH"/unpacked/seaworthyd/usr/sbin/seaworthyd \
    "$SCRATCH"/unpacked/seaworthyctl/usr/bin/seaworthyctl \
    "$SCRATCH"/unpacked/seaworthyd/usr/libexec/seaworthy/seaworthy-mapper \
    "$SCRATCH"/unpacked/seaworthyd/usr/libexec/seaworthy/seaworthy-hardener
}

# A compiler cache hides what differs with the folder of a build; the folder's name shows it.
knows_no_path() {
  local file tree
  tree=$(readlink -f "$HERE/../..")
  while read -r -d '' file; do
    if [[ $file == *.debug ]]; then
      objcopy --decompress-debug-sections "$file" "$SCRATCH/plain.debug"
      file=$SCRATCH/plain.debug
    fi
    if grep -qF "$tree/" "$file"; then
      echo "$file names $tree"
      exit 1
    fi
  done < <(find "$SCRATCH/unpacked" -type f -print0)
}

# Debian as this machine's apt knows it, with the way there; nobody else's packages.
clean_root() {
  # shellcheck disable=SC2016  # apt expands it
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u >"$SCRATCH/debian.list"
  apt-config dump --format '%f "%v";%n' Acquire >"$SCRATCH/acquire.conf"
  mkdir "$SCRATCH/check"
  cp "$FOLDER"/*.deb "$HERE/package_check.cc" "$SCRATCH/check"
  cp "$HERE"/../data/captures/swtpm-ecdsa-p256/{nonce.hex,ak.name} "$SCRATCH/check"
  cp "$HERE/../data/fuzz/verify_quote/swtpm-ecdsa-p256" "$SCRATCH/check/evidence"
  # shellcheck source=/dev/null
  . /etc/os-release
  mmdebstrap --quiet --mode=root --variant=apt --format=null --dpkgopt=force-unsafe-io \
    --aptopt="$SCRATCH/acquire.conf" \
    --customize-hook="$HERE/package_check_root.sh \"\$1\" $SCRATCH/check" \
    "$VERSION_CODENAME" /dev/null "$SCRATCH/debian.list"
}

step 'built under two paths, the packages are the same to the byte' same_bytes
step 'lintian finds no error and no warning' lints
mkdir "$SCRATCH/unpacked"
step 'they unpack' unpack
step 'the programs in them are hardened' hardened
step 'nothing in them names the folder of the build' knows_no_path
step 'installed, used, upgraded, removed, purged in a clean Debian' clean_root
