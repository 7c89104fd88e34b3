#!/usr/bin/env bash
# check_hardening.sh PROGRAM...: whether the release flags (CMakePresets.json) reached the programs.
set -euo pipefail

status=0
for program in "$@"; do
  want() {
    local what=$1 pattern=$2
    shift 2
    # No pipe: grep -q leaves early, and readelf's broken pipe would count.
    grep -qE -- "$pattern" <<<"$(readelf -W "$@" "$program")" || {
      echo "$program: no $what"
      status=1
    }
  }
  [[ -x $program ]] || {
    echo "$program: not a program"
    exit 1
  }
  want 'position-independent code' 'Type: +DYN' -h
  want 'read-only relocations' 'GNU_RELRO' -l
  want 'immediate binding' '\(FLAGS_1\).* NOW' -d
  want 'non-executable stack' 'GNU_STACK.* RW  ' -l
  want 'stack protector' '__stack_chk_fail' --dyn-syms
  want 'fortified calls' '__[a-z]+_chk\b' --dyn-syms
  # endbr64 at the entry of functions; Debian's own start-up code brings only a few.
  if [[ $(uname -m) == x86_64 ]] &&
    (($(LC_ALL=C grep -aoP '\xf3\x0f\x1e\xfa' "$program" | wc -l) < 100)); then
    echo "$program: no branch protection"
    status=1
  fi
  if grep -qE '\((RPATH|RUNPATH)\)' <<<"$(readelf -dW "$program")"; then
    echo "$program: a library search path is built in"
    status=1
  fi
done
exit $status
