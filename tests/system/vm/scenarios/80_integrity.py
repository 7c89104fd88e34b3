"""The kernel as the judge of what the integrity module says of it."""

import base64
import io
import pathlib
import tarfile

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot()
POLICIES = pathlib.Path(__file__).resolve().parents[4] / "tests/data/ima_policies"
# Writes a policy rule by rule, each of which the kernel takes or refuses at once, and a last one that
# is none: so it drops them all, and takes a policy again.
TRY = r"""
try() {
  local line taken=0
  exec 3>/sys/kernel/security/ima/policy || return 2
  while IFS= read -r line; do
    [[ -z $line || $line == '#'* ]] && continue
    printf '%s\n' "$line" >&3 || { taken=1; break; }
  done <"$1"
  printf 'none\n' >&3
  exec 3>&-
  return $taken
} 2>/dev/null
"""


def case_policies(node):
    """the kernel takes the IMA policies that check-policy takes, and refuses those it refuses"""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("accepted", "refused"):
            tar.add(POLICIES / name, arcname=name)
    text = base64.b64encode(packed.getvalue()).decode()
    node.sh(f"mkdir -p /root/policies; base64 -d <<<{text} | tar -xzC /root/policies")
    node.sh("test -e /sys/kernel/security/ima/policy")
    said = node.sh(TRY + """
cd /root/policies
for file in accepted/*; do try $file && kernel=0 || kernel=$?; echo "$file $kernel"; done
for file in refused/*; do try $file && kernel=0 || kernel=$?; echo "$file $kernel"; done
""", timeout=180)
    answers = dict(line.split() for line in said.splitlines())
    assert len(answers) == len(list(POLICIES.glob("accepted/*")) + list(POLICIES.glob("refused/*")))
    for file, kernel in answers.items():
        assert kernel == ("0" if file.startswith("accepted/") else "1"), (file, kernel)
        code = 0 if file.startswith("accepted/") else 1
        node.outside.ctl("integrity", "check-policy", POLICIES / file, code=code)


def case_signed_files(node):
    """files are signed by a key in the TPM, as evmctl takes them; a changed one is told"""
    node.sh("seaworthyctl key create ima && cp /usr/sbin/runc /bin/true /root/")
    csr = node.sh("seaworthyctl key csr ima --subject CN=files")
    node.write("/root/ima.pem", Ca().sign(csr))
    node.sh("seaworthyctl key install ima --chain /root/ima.pem; "
            "openssl x509 -in /root/ima.pem -outform der -out /root/ima.der")
    node.sh("seaworthyctl integrity sign --key ima --evm /root/runc /root/true")
    node.sh("seaworthyctl integrity check --certificate /root/ima.pem --evm /root/runc /root/true\n"
            "evmctl ima_verify --key /root/ima.der /root/runc\n"
            "evmctl verify --key /root/ima.der /root/runc")
    node.sh("chmod 700 /root/true; echo >>/root/runc")
    said = node.fails("seaworthyctl integrity check --certificate /root/ima.pem --evm "
                      "/root/runc /root/true", "root/runc", "root/true", code=1)
    assert "IMA_SIGNATURE_INVALID" in said, said
