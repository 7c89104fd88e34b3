#!/bin/sh
# Signs the files of the packages in /etc/seaworthy/sign-packages, which has options of
# `seaworthyctl integrity sign`, one a line. dpkg runs this after each of its runs, for apt between
# unpacking and configuring: so what a package starts when it is configured is signed by then.
CONFIG=${1:-/etc/seaworthy/sign-packages}

case ${DPKG_HOOK_ACTION:-unpack} in
  unpack | install | configure | triggers-only) ;;
  *) exit 0 ;;
esac
[ -e "$CONFIG" ] || exit 0

said=$(sed -e 's/#.*//' "$CONFIG" | xargs seaworthyctl integrity sign 2>&1)
code=$?
[ "$code" != 0 ] || exit 0
message="files of packages are not signed, and where the kernel appraises them they do not run: $said
Sign them with $0, then finish with: dpkg --configure -a"
printf 'seaworthy: %s\n' "$message" >&2
logger -p daemon.err -t seaworthy-sign-packages -- "$message" || true
exit "$code"
