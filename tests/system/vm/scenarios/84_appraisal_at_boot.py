"""Appraisal from the boot on: trying it out, a node that locks itself out, and the way back."""

import re

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot()
ALONE = True
# Every program of root's, and nothing on this node is signed.
POLICY = "appraise func=BPRM_CHECK fowner=0 appraise_type=imasig\n"
UNIT = "seaworthy-appraisal.service"


def case_nothing_by_itself(node):
    """the unit is installed and not enabled, and is sandboxed"""
    assert node.run(f"systemctl is-enabled {UNIT}")[1].strip() == "disabled"
    rating = node.sh(f"systemd-analyze security {UNIT} | tail -1")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", rating)
    assert exposure and float(exposure[1]) <= 3.0, rating


def case_log(node):
    """with ima_appraise=log all runs, and the journal tells what would not"""
    csr = node.sh("seaworthyctl key create ima --algorithm rsa-2048; "
                  "seaworthyctl key csr ima --subject CN=ima")
    node.write("/etc/keys/ima/node.pem", Ca().sign(
        csr, extensions="subjectKeyIdentifier=hash\nkeyUsage=critical,digitalSignature"))
    node.sh("seaworthyctl key install ima --chain /etc/keys/ima/node.pem; "
            "seaworthyctl integrity sign --key ima /usr/bin/dd")
    node.write("/etc/seaworthy/ima-policy", POLICY)
    node.sh(f"systemctl enable {UNIT}")
    node.reboot(arguments="ima_appraise=log")
    node.sh(f"systemctl is-active {UNIT}")
    said = node.sh("dd --version >/dev/null; printenv --version >/dev/null; "
                   "journalctl -b --no-pager _AUDIT_TYPE_NAME=INTEGRITY_DATA")
    assert re.search('cause=IMA-signature-required .*name="/usr/bin/', said), said
    assert 'name="/usr/bin/dd"' not in said, said


def case_way_back(node):
    """a node that refuses its own programs comes back with systemd.mask= on the command line"""
    node.off()
    node.start(Boot(arguments="loglevel=6"), agent=False)
    node.console_says("IMA-signature-required", 90)
    node.cut()
    node.start(Boot(arguments=f"systemd.mask={UNIT}"))
    node.sh("! systemctl is-active seaworthy-appraisal.service; "
            "test -e /sys/kernel/security/ima/policy")
    # A masked unit does not let itself be disabled; it does nothing without its policy.
    node.sh("seaworthyctl integrity remove-policy; test ! -e /etc/seaworthy/ima-policy")
    node.reboot(arguments="")
    node.until("systemctl is-active seaworthyd")


def case_enforced(node):
    """the unit has the kernel refuse what is not signed, and services run that are"""
    node.write("/etc/seaworthy/ima-policy",
               "appraise func=BPRM_CHECK fowner=1001 appraise_type=imasig\n")
    node.sh("cp /bin/true /usr/local/bin/good; cp /bin/true /usr/local/bin/bad; "
            "chown 1001 /usr/local/bin/good /usr/local/bin/bad; "
            "seaworthyctl integrity sign --key ima --evm /usr/local/bin/good; "
            f"mkdir -p /etc/systemd/system/{UNIT}.d")
    node.write(f"/etc/systemd/system/{UNIT}.d/evm.conf",
               "[Service]\nEnvironment=SEAWORTHY_APPRAISAL=--evm\n")
    node.reboot()
    node.sh("systemd-run -q --wait good; good")
    node.fails("systemd-run -q --wait bad")
    node.fails("bad", "Permission denied", code=126)
    assert node.sh("cat /sys/kernel/security/evm") == "2"
