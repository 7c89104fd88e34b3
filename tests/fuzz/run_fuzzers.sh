#!/usr/bin/env bash
# run_fuzzers.sh SECONDS BUILD_DIR [NAME...]: runs each fuzzer that BUILD_DIR has (or the named
# ones) for SECONDS, from its seeds and from what earlier runs found. Inputs that fail are kept in
# BUILD_DIR/fuzz/NAME/findings. Exits with 1 when any fuzzer found something.
set -eu
if test $# -lt 2; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
seconds=$1
build=$(cd "$2" && pwd)
shift 2
root=$(cd "$(dirname "$0")/../.." && pwd)
seeds=$root/tests/data/fuzz
if test $# -eq 0; then
  for fuzzer in "$build"/bin/*_fuzz; do
    test -x "$fuzzer" && set -- "$@" "$(basename "$fuzzer" _fuzz)"
  done
fi
test $# -gt 0 || { echo "no fuzzer in $build/bin" >&2; exit 1; }

# tss2's libraries write a line for each malformed structure otherwise.
export TSS2_LOG=all+none
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
fuzz() {
  local name=$1 work corpora runs cover
  work=$build/fuzz/$name
  mkdir -p "$work/corpus" "$work/findings"
  corpora=("$work/corpus")
  if test -d "$seeds/$name"; then corpora+=("$seeds/$name"); fi
  # What we ship is the best seed there is.
  if test "$name" = app_config; then corpora+=("$root/policies"); fi
  if test "$name" = integrity_ima_policy; then corpora+=("$root/tests/data/ima_policies"); fi
  if "$build/bin/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$work/findings/" -print_final_stats=1 "${corpora[@]}" >"$work/log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
    cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -1)
    echo "$name: $runs inputs, coverage $cover"
  else
    echo "$name: FAILED, see $work/log and $work/findings" >&2
    tail -40 "$work/log" >&2
    return 1
  fi
}
export -f fuzz
export build root seconds seeds
# As many at once as there are cores; each is one thread.
# shellcheck disable=SC2016  # the other shell's $1
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz "$1"' fuzz '{}'
