#!/usr/bin/env bash
# check_hardening.sh accepts a hardened program and names what each other one lacks.
set -euo pipefail
check=$(dirname "$(readlink -f "$0")")/check_hardening.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Functions enough to be worth protecting, with a buffer on the stack and a call to fortify.
{
  echo '#include <stdio.h>'
  for i in {1..120}; do echo "void f$i(const char *s) { char b[32]; snprintf(b, sizeof b * ($i + 1) / ($i + 1), \"%s\", s); puts(b); }"; done
  echo 'char *names[2]; int main(int c, char **v) { char b[64]; if (fgets(b, c * 8, stdin)) f1(b); return v == 0; }'
} >"$folder/program.c"

hardened=(-O2 -w -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection -fPIE
  -pie -z relro -z now)
build() { cc "${hardened[@]}" "$@" "$folder/program.c" -o "$folder/program"; }

build
"$check" "$folder/program"

# refuses WHAT OPTION...: with these options added, the check fails and says this.
refuses() {
  local what=$1 said
  shift
  build "$@"
  if said=$("$check" "$folder/program"); then
    echo "accepted without: $what"
    exit 1
  fi
  grep -qF "$what" <<<"$said" || {
    echo "said '$said', not: $what"
    exit 1
  }
}
refuses 'no position-independent code' -no-pie
refuses 'no read-only relocations' -z norelro
refuses 'no immediate binding' -z lazy
refuses 'no non-executable stack' -z execstack
refuses 'no stack protector' -fno-stack-protector
refuses 'no fortified calls' -U_FORTIFY_SOURCE
refuses 'a library search path' -Wl,-rpath,/opt
[[ $(uname -m) != x86_64 ]] || refuses 'no branch protection' -fcf-protection=none

if "$check" "$folder/absent"; then
  echo 'accepted an absent program'
  exit 1
fi
