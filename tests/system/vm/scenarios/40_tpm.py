"""A TPM that is away, cleared or another one: told, with what to do, and nothing overwritten."""

from rig.node import Boot

BOOT = Boot()
STATE = "cd /var/lib/seaworthy && find . -type f ! -name lock -exec sha256sum {} + | sort"
SRK = "0x81000001"


def replaced(node, state):
    """The status says that the TPM is another one and what to do; the state is as it was."""
    node.sh("systemctl is-active seaworthyd")
    node.until("seaworthyctl status | grep TPM_REPLACED")
    node.fails("seaworthyctl health", code=1)
    node.fails("seaworthyctl key sign owned --file /etc/hostname", "TPM_REPLACED", "srk.name", code=4)
    node.fails("seaworthyctl key create another", "TPM_REPLACED", code=4)
    # The node can neither be enrolled nor speak for the one whose disk it has.
    node.fails("seaworthyctl enrol offer --out /root/offer", "TPM_REPLACED", code=4)
    node.fails(f"seaworthyctl attest --nonce {'55' * 32} --out /root/evidence", "TPM_REPLACED", code=4)
    assert node.sh(STATE) == state


def case_no_tpm(node):
    """without a TPM the service runs, says so and keeps its state"""
    node.sh("seaworthyctl key create owned; seaworthyctl ak")
    state = node.sh(STATE)
    node.reboot(tpm=False)
    node.until("systemctl is-active seaworthyd")
    node.until("seaworthyctl status | grep TPM_NOT_FOUND")
    node.fails("seaworthyctl key sign owned --file /etc/hostname", "TPM_NOT_FOUND", code=4)
    node.sh("journalctl -b -u seaworthyd | grep -q 'the TPM is not available: no TPM found'")
    assert "owned" in node.sh("seaworthyctl key list")
    assert node.sh("systemctl show -p NRestarts --value seaworthyd") == "0"
    assert node.sh(STATE) == state


def case_replaced(node):
    """another TPM is told as replaced, nothing is overwritten: with the first one back keys sign"""
    state = node.sh(STATE)
    node.off()
    first = node.replace_tpm()
    node.start(BOOT)
    node.until("systemctl is-active seaworthyd")
    replaced(node, state)
    assert SRK not in node.sh("tpm2_getcap handles-persistent")
    node.off()
    node.replace_tpm(first)
    node.start(BOOT)
    node.until("seaworthyctl key sign owned --file /etc/hostname")


def case_cleared(node):
    """cleared under the running daemon is told as replaced; starting anew, as the text says, works"""
    state = node.sh(STATE)
    node.sh("tpm2_clear -c l")
    replaced(node, state)
    node.sh("systemctl restart seaworthyd")
    replaced(node, state)
    assert SRK not in node.sh("tpm2_getcap handles-persistent")
    node.sh("systemctl stop seaworthyd; mv /var/lib/seaworthy /root/old-state; "
            "systemctl start seaworthyd; seaworthyctl key create anew")
    node.sh("seaworthyctl key sign anew --file /etc/hostname")
