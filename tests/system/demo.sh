#!/usr/bin/env bash
# A guided tour on a software TPM: demo.sh BUILD_DIR (./dev demo builds first). Every step is
# checked; any that is not as it should be ends the tour with an exit code other than 0. Nothing
# is left running and no file stays.
set -euo pipefail

readonly BUILD=${1:?usage: demo.sh BUILD_DIR}
readonly DAEMON=$BUILD/bin/seaworthyd CTL=$BUILD/bin/seaworthyctl
TESTS=$(cd "$(dirname "$0")/.." && pwd)
readonly TESTS
# Of a virtual machine that booted a signed kernel under Secure Boot.
readonly BOOT_LOG=$TESTS/data/captures/ovmf-secureboot-uki/binary_bios_measurements
for program in "$DAEMON" "$CTL"; do
  [[ -x $program ]] || { echo "demo: $program is not built" >&2; exit 1; }
done

ROOT=$(mktemp -d /tmp/seaworthy-demo.XXXXXX)
readonly ROOT
PIDS=()  # newest first
PORT=
STEP=0
START=$SECONDS

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' FAINT=$'\e[2m' PLAIN=$'\e[0m'
else
  BOLD='' GREEN='' RED='' FAINT='' PLAIN=''
fi

finish() {
  local code=$?
  local pid
  [[ -z ${ENGINE:-} ]] || stop_engine
  for pid in "${PIDS[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if ((code != 0)); then
    printf '\n%sthe demo failed in step %d%s\n' "$RED" "$STEP" "$PLAIN" >&2
    [[ -s $ROOT/daemon.log ]] && tail -n 20 "$ROOT/daemon.log" | sed 's/^/  seaworthyd: /' >&2
  fi
  rm -rf "$ROOT"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
  STEP=$((STEP + 1))
  printf '\n%s%2d. %s%s\n' "$BOLD" "$STEP" "$*" "$PLAIN"
}
say() { printf '    %s\n' "$*"; }
good() { printf '    %s✓%s %s\n' "$GREEN" "$PLAIN" "$*"; }
fail() {
  printf '    %s✗ %s%s\n' "$RED" "$*" "$PLAIN" >&2
  exit 1
}
indent() { sed "s|$ROOT/||g; s/^/      /"; }

# show COMMAND...: prints the command as one would type it, runs it, prints what it says.
show() {
  local line='' word
  for word in "${@/#$ROOT\//}"; do
    [[ $word =~ ^[A-Za-z0-9_./:=,@-]+$ ]] || word=${word@Q}
    line+=" $word"
  done
  line=${line//"$BUILD/bin/"/}
  line=${line/# ctl/ seaworthyctl}
  line=${line/# remote_ctl backend/ seaworthyctl --address node.example:$PORT --ca ... --cert ... --key ...}
  printf '    %s$%s%s\n' "$FAINT" "$line" "$PLAIN"
  "$@" 2>&1 | indent
}

# refused WHY PATTERN COMMAND...: the command must fail and say PATTERN.
refused() {
  local why=$1 pattern=$2 text
  shift 2
  if text=$("$@" 2>&1); then fail "this should have been refused: $*"; fi
  grep -Eq -- "$pattern" <<<"$text" || fail "refused, but not as it should be: $text"
  good "$why"
}

# untrusted CODES ARGUMENTS...: verify must answer "no" (exit code 1) and name the checks; what held is
# not shown again.
untrusted() {
  local code=$1 answer=0
  shift
  "$CTL" verify --ak "$ROOT/ak.pem" "$@" >"$ROOT/verdict" || answer=$?
  grep -v '^  ok ' "$ROOT/verdict" | indent
  [[ $answer == 1 ]] || fail "verify ended with $answer, not with 1"
  grep -q "^NOT trusted: $code\$" "$ROOT/verdict" || fail "the verdict does not say $code alone"
  good "NOT trusted, and the check that fails is named: $code"
}

# until_ready WHAT COMMAND...: tries until it works, at most ten seconds.
until_ready() {
  local what=$1 deadline=$((SECONDS + 10))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "$what did not come up"
    read -rt 0.05 <> <(:) || true
  done
}

ctl() { "$CTL" --socket "$ROOT/admin/s" "$@"; }

# A dockerd of its own that leaves the machine's network alone. False where none can run here, as in
# a container without the privilege.
start_engine() {
  printf '%s\n' "$1" >"$ROOT/daemon.json"
  dockerd --data-root "$ROOT/docker" --exec-root "$ROOT/docker-exec" -H "unix://$ROOT/docker.sock" \
    --pidfile "$ROOT/docker.pid" --config-file "$ROOT/daemon.json" --bridge=none --iptables=false \
    >"$ROOT/dockerd.log" 2>&1 &
  ENGINE=$!
  PIDS=("$ENGINE" "${PIDS[@]}")
  local i
  for ((i = 0; i < 300; i++)); do
    [[ ! -S $ROOT/docker.sock ]] || ! grep -q 'API listen' "$ROOT/dockerd.log" || return 0
    kill -0 "$ENGINE" 2>/dev/null || break
    sleep 0.1
  done
  say "(no engine runs here: $(tail -n 1 "$ROOT/dockerd.log" | cut -c -160))"
  return 1
}

# Also one that has taken the first one's place.
stop_engine() {
  kill "$ENGINE" 2>/dev/null || true
  wait "$ENGINE" 2>/dev/null || true
  local pid
  pid=$(cat "$ROOT/docker.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  tail --pid "$pid" -f /dev/null
}

start_swtpm() {
  mkdir "$ROOT/tpm" "$ROOT/ca"
  cat >"$ROOT/localca.conf" <<END
statedir = $ROOT/ca
signingkey = $ROOT/ca/signkey.pem
issuercert = $ROOT/ca/issuercert.pem
certserial = $ROOT/ca/certserial
END
  : >"$ROOT/localca.options"
  cat >"$ROOT/setup.conf" <<END
create_certs_tool = $(command -v swtpm_localca)
create_certs_tool_config = $ROOT/localca.conf
create_certs_tool_options = $ROOT/localca.options
END
  # As root it would become the user tss, who may not write here.
  local as_root=()
  [[ $(id -u) != 0 ]] || as_root=(--runas root)
  swtpm_setup --tpm2 --tpmstate "$ROOT/tpm" --create-ek-cert --ecc --pcr-banks sha256 --not-overwrite \
    "${as_root[@]}" --config "$ROOT/setup.conf" --logfile "$ROOT/setup.log" >/dev/null ||
    { cat "$ROOT/setup.log" >&2; fail "swtpm_setup failed"; }
  swtpm socket --tpm2 --tpmstate "dir=$ROOT/tpm" --server "type=unixio,path=$ROOT/swtpm.sock" \
    --ctrl "type=unixio,path=$ROOT/swtpm.sock.ctrl" \
    --flags not-need-init,startup-clear 2>"$ROOT/swtpm.log" &
  PIDS=($! "${PIDS[@]}")
  until_ready swtpm test -S "$ROOT/swtpm.sock"
}

# swtpm serves one connection at a time. On a node the kernel's resource manager lets several
# programs use the TPM; here tpm2-abrmd does, on a D-Bus of its own.
start_resource_manager() {
  export DBUS_SESSION_BUS_ADDRESS=unix:path=$ROOT/bus
  dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" 2>"$ROOT/bus.log" &
  PIDS=($! "${PIDS[@]}")
  until_ready dbus-daemon test -S "$ROOT/bus"
  local allow=()
  [[ $(id -u) != 0 ]] || allow=(--allow-root)
  tpm2-abrmd --session --tcti="swtpm:path=$ROOT/swtpm.sock" "${allow[@]}" 2>"$ROOT/abrmd.log" &
  PIDS=($! "${PIDS[@]}")
  export TPM2TOOLS_TCTI=tabrmd:bus_type=session
  until_ready tpm2-abrmd tpm2_getcap properties-fixed
}

write_config() {
  cat >"$ROOT/seaworthyd.toml" <<END
[node]
state_dir = "$ROOT/state"
[tpm]
tcti = "tabrmd:bus_type=session"
[local]
admin_socket = "$ROOT/admin/s"
read_socket = "$ROOT/read/s"
read_group = ""
[attestation]
boot_log = "$BOOT_LOG"
ima_list = "$ROOT/ima_list"
[audit]
file = "$ROOT/audit/audit.jsonl"
$*
END
}

start_daemon() {
  "$DAEMON" --config "$ROOT/seaworthyd.toml" >>"$ROOT/daemon.log" 2>&1 &
  DAEMON_PID=$!
  PIDS=("$DAEMON_PID" "${PIDS[@]}")
  until_ready seaworthyd ctl status
}

stop_daemon() {
  kill "$DAEMON_PID"
  wait "$DAEMON_PID" || fail "seaworthyd did not end well"
  PIDS=("${PIDS[@]:1}")
}

# make_ca: a throwaway CA. issue NAME EXTENSION REQUEST: a certificate by it.
make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=Throwaway CA" \
    -keyout "$ROOT/ca.key" -out "$ROOT/ca.pem" 2>/dev/null
}
issue() {
  openssl x509 -req -in "$3" -CA "$ROOT/ca.pem" -CAkey "$ROOT/ca.key" -CAcreateserial -days 90 \
    -extfile <(printf '%s\n' "$2") -out "$ROOT/$1" 2>/dev/null
}

# measuring ARGUMENTS: what firmware and kernel would do.
measuring() { /usr/bin/python3 "$TESTS/system/measuring.py" "$@"; }

free_port() {
  local port
  for ((port = 20000 + RANDOM % 20000; ; port++)); do
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# s_client NAME: a TLS client that is not ours, with the certificate NAME.
s_client() {
  openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$ROOT/ca.pem" -verify_return_error \
    -verify_hostname node.example -alpn h2 -cert "$ROOT/$1.pem" -key "$ROOT/$1.key" </dev/null 2>&1
}

remote_ctl() {
  "$CTL" --address "127.0.0.1:$PORT" --server-name node.example --ca "$ROOT/ca.pem" \
    --cert "$ROOT/$1.pem" --key "$ROOT/$1.key" "${@:2}"
}

# ---------------------------------------------------------------------------------------------

step "A software TPM with an EK certificate stands in for the hardware"
start_swtpm
start_resource_manager
tpm2_nvread -Q 0x01c00002 -o "$ROOT/ek-rsa.der" 2>/dev/null || tpm2_nvread -Q 0x01c00016 -o "$ROOT/ek-rsa.der"
openssl x509 -inform der -in "$ROOT/ek-rsa.der" -out "$ROOT/ek.pem" 2>/dev/null
cat "$ROOT"/ca/*cert.pem >"$ROOT/tpm-ca.pem"
openssl verify -ignore_critical -CAfile "$ROOT/tpm-ca.pem" "$ROOT/ek.pem" >/dev/null ||
  fail "the EK certificate does not chain to its CA"
good "the TPM's endorsement key has a certificate that chains to its maker's CA"
measuring boot "$BOOT_LOG" "$ROOT/ima_list"
mkdir -p "$ROOT/usr/bin"
echo "a container runtime" >"$ROOT/usr/bin/runc"
measuring use "$ROOT/ima_list" /usr/bin/runc "$ROOT/usr/bin/runc"
good "its PCRs are those of a machine under Secure Boot, whose boot log was recorded; a kernel measures what is used"

step "seaworthyd takes the TPM"
write_config
"$DAEMON" --config "$ROOT/seaworthyd.toml" --check >/dev/null || fail "the configuration is not good"
start_daemon
show ctl status
ctl health >"$ROOT/health" || { indent <"$ROOT/health"; fail "the daemon is not healthy"; }

step "A TLS key is made in the TPM"
show ctl key create tls
ctl key pem tls --out "$ROOT/tls.tss2.pem" >/dev/null
ctl key public tls --out "$ROOT/tls.public.pem" >/dev/null

step "It cannot leave the TPM"
# It takes the PEM for a handle first, and says so on standard error.
tpm2_load -Q -r "$ROOT/tls.tss2.pem" -c "$ROOT/tls.ctx" 2>"$ROOT/load.log" ||
  { indent <"$ROOT/load.log"; fail "tpm2_load does not take the key"; }
ATTRIBUTES=$(tpm2_readpublic -c "$ROOT/tls.ctx" | sed -n '/^attributes:/{n;s/ *value: //p}')
say "tpm2_readpublic says: $ATTRIBUTES"
for attribute in fixedtpm fixedparent sensitivedataorigin; do
  [[ "|$ATTRIBUTES|" == *"|$attribute|"* ]] || fail "the key lacks $attribute"
done
good "fixed to this TPM and to its parent, and its secret was made inside"
refused "the file on disk has no private key that openssl could read" "Could not read" \
  openssl pkey -in "$ROOT/tls.tss2.pem" -noout
tpm2_createprimary -Q -C o -g sha256 -G ecc -c "$ROOT/parent.ctx"
tpm2_startauthsession -Q --policy-session -S "$ROOT/session.ctx"
tpm2_policycommandcode -Q -S "$ROOT/session.ctx" TPM2_CC_Duplicate
refused "TPM2_Duplicate is refused by the TPM itself" "Esys_Duplicate\\(0x" \
  tpm2_duplicate -C "$ROOT/parent.ctx" -c "$ROOT/tls.ctx" -G null -p "session:$ROOT/session.ctx" \
  -r "$ROOT/stolen" -s "$ROOT/seed"
tpm2_flushcontext -Q "$ROOT/session.ctx"

step "A backend enrols the node: its attestation key is in a TPM of a known maker"
mkdir "$ROOT/vendors"
cp "$ROOT"/ca/*cert.pem "$ROOT/vendors"
show ctl enrol offer --out "$ROOT/offer"
show "$CTL" enrol challenge --offer "$ROOT/offer" --roots "$ROOT/vendors" --out "$ROOT/challenge" \
  --pending "$ROOT/pending"
show ctl enrol answer --challenge "$ROOT/challenge" --out "$ROOT/answer"
show "$CTL" enrol finish --pending "$ROOT/pending" --answer "$ROOT/answer" --out "$ROOT/ak.pem"
[[ $(head -1 "$ROOT/ak.pem") == $(ctl ak | head -1) ]] || fail "the enrolled key is not the node's"
good "from here on the backend knows the node by this key alone"
openssl rand -hex 32 >"$ROOT/wrong"
refused "an answer that only the right TPM could give is needed" "SECRET_MISMATCH" \
  "$CTL" enrol finish --pending "$ROOT/pending" --answer "$ROOT/wrong" --out "$ROOT/no.pem"

step "A throwaway CA certifies it"
show ctl key csr tls --subject "CN=node.example,O=Demo" --dns node.example --out "$ROOT/tls.csr"
openssl req -in "$ROOT/tls.csr" -verify -noout 2>&1 | grep -q "verify OK" ||
  fail "openssl does not accept the request's signature"
good "openssl accepts the request: it is signed by the key in the TPM"
NONCE=$(openssl rand -hex 32)
ctl key certify tls --nonce "$NONCE" --out "$ROOT/tls.cert.bin" >/dev/null
say "before it signs, the CA asks for proof that the key lives in the TPM it knows:"
show "$CTL" verify-key --certification "$ROOT/tls.cert.bin" --nonce "$NONCE" --ak "$ROOT/ak.pem" \
  --csr "$ROOT/tls.csr"
make_ca
issue tls.pem "subjectAltName=DNS:node.example" "$ROOT/tls.csr"
show ctl key install tls --chain "$ROOT/tls.pem"

step "The control API is served over mutual TLS with the key in the TPM"
PORT=$(free_port)
write_config "[remote]
listen = \"127.0.0.1:$PORT\"
key = \"tls\"
client_ca = \"$ROOT/ca.pem\"
[[remote.role]]
san = \"URI:spiffe://demo/backend\"
role = \"ATTESTER\""
stop_daemon
start_daemon
for name in backend stranger; do
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$ROOT/$name.key" -out "$ROOT/$name.csr" 2>/dev/null
  issue "$name.pem" "subjectAltName=URI:spiffe://demo/$name" "$ROOT/$name.csr"
done
until_ready "the remote listener" remote_ctl backend status
s_client backend >"$ROOT/s_client" || { indent <"$ROOT/s_client"; fail "openssl s_client failed"; }
grep -E "^(New, TLSv1.3|Verify return code: 0)|^ *0 s:" "$ROOT/s_client" | indent
grep -q "^New, TLSv1.3" "$ROOT/s_client" || fail "not TLS 1.3"
grep -q "Verify return code: 0 (ok)" "$ROOT/s_client" || fail "the certificate was not verified"
good "openssl s_client: TLS 1.3, the certificate verified by the CA"
show remote_ctl backend health
remote_ctl backend status --output json >"$ROOT/remote.txt"
grep -q '"caller_role": "ATTESTER"' "$ROOT/remote.txt" || fail "the role is not the configured one"
good "the backend's certificate gives it the role ATTESTER"
refused "which is too low to make a key" "ROLE_TOO_LOW" remote_ctl backend key create x
refused "a certificate that no role is given to may do nothing" "UNKNOWN_CLIENT" \
  remote_ctl stranger status

step "The backend asks the node to prove its state, over mutual TLS"
# ask NAME [OPTION...]: evidence over a nonce of its own, into NAME.
ask() {
  NONCE=$(openssl rand -hex 32)
  JUDGE=(--nonce "$NONCE" --policy "$ROOT/edge.json" --state "$ROOT/node.state")
  remote_ctl backend attest --nonce "$NONCE" --out "$ROOT/$1" "${@:2}" >/dev/null
}
ask good.bin --export-dir "$ROOT/export"
say "the node is known to be good now; a policy is made of what it shows:"
show "$CTL" policy learn --evidence "$ROOT/good.bin" --out "$ROOT/edge.json"
show "$CTL" verify --evidence "$ROOT/good.bin" --ak "$ROOT/ak.pem" "${JUDGE[@]}"
checkquote() {
  tpm2_checkquote -u "$ROOT/export/ak.pem" -m "$ROOT/export/quote.msg" -s "$ROOT/export/quote.sig" \
    -f "$ROOT/export/quote.pcrs" -g sha256 -q "$1"
}
checkquote "$NONCE" >/dev/null || fail "tpm2_checkquote does not accept the quote"
tpm2_eventlog "$ROOT/export/binary_bios_measurements" >"$ROOT/eventlog" 2>&1 ||
  fail "tpm2_eventlog does not read the boot log"
good "tpm2_checkquote and tpm2_eventlog, which are not ours, take the same evidence as files"
refused "and a quote is refused for another nonce" "." checkquote "$(openssl rand -hex 32)"

step "Old evidence is shown again, to a new nonce"
NONCE=$(openssl rand -hex 32)
untrusted NONCE_MISMATCH --evidence "$ROOT/good.bin" --nonce "$NONCE"

step "A file changes, and is used"
ask next.bin --state "$ROOT/node.state"
"$CTL" verify --evidence "$ROOT/next.bin" --ak "$ROOT/ak.pem" "${JUDGE[@]}" >/dev/null ||
  fail "the second round is not trusted"
good "a second round before that has nothing new, and is trusted"
echo "and a back door" >>"$ROOT/usr/bin/runc"
measuring use "$ROOT/ima_list" /usr/bin/runc "$ROOT/usr/bin/runc"
say "the daemon follows the list, against the TPM's PCR 10:"
show ctl --timeout 2 integrity watch
WATCHED=$(ctl --output json integrity watch --count 1)
grep -q '"problem_reason":""' <<<"$WATCHED" || fail "the list is not what PCR 10 says: $WATCHED"
ask changed.bin --state "$ROOT/node.state"
untrusted IMA_FILE_CHANGED --evidence "$ROOT/changed.bin" "${JUDGE[@]}"
grep -q "/usr/bin/runc" "$ROOT/verdict" || fail "the verdict does not name the file"

step "The node lies: it leaves the entry out of the list that it sends"
/usr/bin/python3 - "$ROOT/changed.bin" "$ROOT/lie.bin" <<'END'
import pathlib, sys
evidence, lie = map(pathlib.Path, sys.argv[1:])
content = evidence.read_bytes()
# The field ima_list (17, bytes) of the message, and all that is in it: one entry.
at = content.rindex(b"ima-ng") - 28
assert content[at - 3:at - 1] == b"\x8a\x01", content[at - 3:at]
size = content[at - 1]
lie.write_bytes(content[:at - 3] + content[at + size:])
END
untrusted IMA_LIST_MISMATCH --evidence "$ROOT/lie.bin" "${JUDGE[@]}"

step "A boot value changes: something else was started"
tpm2_pcrextend "4:sha256=$(printf 'another boot loader' | openssl dgst -sha256 -r | cut -c -64)"
cp "$ROOT/edge.json" "$ROOT/allowing.json"
"$CTL" policy update "$ROOT/allowing.json" --dir "$ROOT" >/dev/null
say "(the changed file is allowed by now, as after a package update)"
ask boot.bin --state "$ROOT/node.state"
untrusted "PCR_UNEXPECTED, BOOT_LOG_MISMATCH" --evidence "$ROOT/boot.bin" --nonce "$NONCE" \
  --policy "$ROOT/allowing.json" --state "$ROOT/node.state"

step "An encrypted volume, sealed to the platform's state"
truncate -s 24M "$ROOT/data.img"
show ctl volumes format data "$ROOT/data.img" --yes --recovery-file "$ROOT/recovery.key"
show ctl volumes test data || fail "the volume does not open"
tpm2_pcrextend "7:sha256=$(printf 'Secure Boot off' | openssl dgst -sha256 -r | cut -c -64)"
say "(PCR 7 is another one, as after Secure Boot was switched off)"
if ctl volumes test data >"$ROOT/refused"; then fail "the volume opens in another state"; fi
indent <"$ROOT/refused"
grep -q "PCR_POLICY_UNMET" "$ROOT/refused" || fail "the reason is not told"
grep -q "PCR 7" "$ROOT/refused" || fail "the PCR is not named"
show ctl volumes test data --recovery-key --secret-file "$ROOT/recovery.key" ||
  fail "the recovery key does not open it"
good "shut in another state, with the reason; the recovery key opens it"

if [[ $(id -u) == 0 ]] && start_engine '{"icc": true, "live-restore": false, "insecure-registries": ["10.0.0.0/8"]}'; then
  step "Docker's engine, held against the CIS benchmark and hardened"
  docker_here() { "$CTL" docker "$@" --engine "$ROOT/docker.sock"; }
  cat >"$ROOT/profile.json" <<'END'
{"name": "demo", "description": "What the demo approves.", "canary": true, "settings": [
  {"key": "no-new-privileges", "value": true, "why": "Setuid programs give nothing to a container."},
  {"key": "live-restore", "value": true, "why": "Containers outlive the engine's restart."},
  {"key": "insecure-registries", "value": [], "why": "No registry without TLS."}]}
END
  sed 's/"settings": \[/&{"key": "dns", "value": ["nowhere"], "why": "It is wrong."},/' "$ROOT/profile.json" >"$ROOT/wrong.json"
  if docker_here audit --output json >"$ROOT/before.json"; then fail "an engine without bounds passes"; fi
  { docker_here audit || true; } | grep -A3 -E ' (2\.5|2\.15) ' | indent || fail "the audit does not name what is wrong"
  { show "$CTL" docker plan --engine "$ROOT/docker.sock" --profile "$ROOT/profile.json" || true; } | cut -c -150
  show "$CTL" docker apply --engine "$ROOT/docker.sock" --profile "$ROOT/profile.json" --state "$ROOT/hardening" --yes || fail "it is not applied"
  show "$CTL" docker audit --engine "$ROOT/docker.sock" --compare "$ROOT/before.json" || fail "something fails that did not before"
  docker_here audit --output json >"$ROOT/after.json" || true
  for check in 2.5 2.14 2.15; do
    /usr/bin/python3 - "$ROOT/before.json" "$ROOT/after.json" "$check" <<'END' || fail "$check is not better"
import json, sys
before, after = ({f["outcome"] for f in json.load(open(path))["findings"] if f["check"] == sys.argv[3]} for path in sys.argv[1:3])
sys.exit(before != {"fail"} or after != {"pass"})
END
  done
  say "(a baseline that no engine starts with)"
  if show "$CTL" docker apply --engine "$ROOT/docker.sock" --profile "$ROOT/wrong.json" --state "$ROOT/hardening" --yes; then
    fail "a broken baseline is applied"
  fi
  [[ $(docker_here plan --profile "$ROOT/profile.json" --output json) == *'"files":[]'* ]] || fail "the engine does not stand as before"
  show "$CTL" docker history --state "$ROOT/hardening"
  stop_engine
  good "better than before; the broken baseline was undone by itself, and the engine runs"
fi

step "The audit trail has it all"
stop_daemon
for method in KeyService CreateKey InstallCertificate Attest FormatVolume ROLE_TOO_LOW; do
  grep -q "$method" "$ROOT/audit/audit.jsonl" || fail "the audit trail lacks $method"
done
good "$(wc -l <"$ROOT/audit/audit.jsonl") records, each refusal too"

printf '\n%sAll %d steps were as they should be, in %d s.%s\n' "$GREEN" "$STEP" "$((SECONDS - START))" "$PLAIN"
