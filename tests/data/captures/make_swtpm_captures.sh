#!/bin/sh
# Makes the swtpm-* folders beside this file with swtpm and tpm2-tools, for README.md. Run again,
# it makes other keys and quotes of the same kinds.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
swtpm=
trap 'test -z "$swtpm" || kill "$swtpm"; rm -rf "$work"' EXIT
mkdir "$work/state"
swtpm socket --tpm2 --server "type=unixio,path=$work/socket" --tpmstate "dir=$work/state" \
  --ctrl "type=unixio,path=$work/socket.ctrl" --flags not-need-init,startup-clear 2>/dev/null &
swtpm=$!
export TPM2TOOLS_TCTI="swtpm:path=$work/socket"
tries=0
until tpm2_getrandom 1 >/dev/null 2>&1; do
  tries=$((tries + 1))
  test "$tries" -lt 200
done

nonce=$(openssl rand -hex 32)
tpm2_pcrextend "7:sha1=$(printf a | sha1sum | cut -c1-40),sha256=$(printf a | sha256sum | cut -c1-64)"
tpm2_pcrextend "23:sha256=$(printf b | sha256sum | cut -c1-64)"
tpm2_createprimary -Q -C o -G ecc -c "$work/srk.ctx"
tpm2_flushcontext -t

# make NAME KEY SCHEME HASH PCRS: an attestation key, a quote by it, and its word for a key.
make() {
  dir=$out/swtpm-$1
  mkdir -p "$dir"
  tpm2_create -Q -C "$work/srk.ctx" -G "$2:$3-$4:null" -u "$work/ak.pub" -r "$work/ak.priv" \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'
  tpm2_flushcontext -t
  tpm2_load -Q -C "$work/srk.ctx" -u "$work/ak.pub" -r "$work/ak.priv" -c "$work/ak.ctx" \
    -n "$dir/ak.name"
  tpm2_flushcontext -t
  tpm2_readpublic -Q -c "$work/ak.ctx" -f pem -o "$dir/ak.pub.pem"
  tpm2_flushcontext -t
  # TPM2B_PUBLIC without its size: TPMT_PUBLIC.
  tail -c +3 "$work/ak.pub" >"$dir/ak.pub.tpmt"
  printf '%s\n' "$nonce" >"$dir/nonce.hex"
  tpm2_quote -Q -c "$work/ak.ctx" -l "$5" -q "$nonce" --scheme "$3" -g "$4" \
    -m "$dir/quote.msg" -s "$dir/quote.sig" -o "$dir/quote.pcrs"
  tpm2_flushcontext -t
  # tpm2_checkquote 5.4 knows no RSAPSS.
  if test "$3" != rsapss; then
    tpm2_checkquote -Q -u "$dir/ak.pub.pem" -m "$dir/quote.msg" -s "$dir/quote.sig" \
      -f "$dir/quote.pcrs" -g "$4" -q "$nonce"
  fi

  tpm2_create -Q -C "$work/srk.ctx" -G ecc256 -u "$work/key.pub" -r "$work/key.priv" \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'
  tpm2_flushcontext -t
  tpm2_load -Q -C "$work/srk.ctx" -u "$work/key.pub" -r "$work/key.priv" -c "$work/key.ctx"
  tpm2_flushcontext -t
  tpm2_readpublic -Q -c "$work/key.ctx" -f der -o "$dir/key.pub.der"
  tpm2_flushcontext -t
  tail -c +3 "$work/key.pub" >"$dir/key.pub.tpmt"
  tpm2_certify -Q -c "$work/key.ctx" -C "$work/ak.ctx" --scheme "$3" -g "$4" \
    -o "$dir/certify.msg" -s "$dir/certify.sig"
  tpm2_flushcontext -t
}

make ecdsa-p256 ecc256 ecdsa sha256 sha256:all
make ecdsa-p384 ecc384 ecdsa sha384 sha1:0,1,7+sha256:0,7,8,9,10,14,23+sha384:0,23
make rsassa-2048 rsa2048 rsassa sha256 sha256:0,1,2,3,4,5,6,7
make rsapss-2048 rsa2048 rsapss sha256 sha512:7+sha256:7,23
chmod 644 "$out"/swtpm-*/*
