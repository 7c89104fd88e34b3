"""UEFI with Secure Boot: a signed kernel boots and shows in the quote, an unsigned one does not."""

from rig.node import Boot

BOOT = Boot(firmware="secureboot")


def case_signed_kernel(node):
    """the signed kernel boots, the status tells of Secure Boot, keys bound to PCR 7 sign"""
    assert "on in the firmware" in node.sh("seaworthyctl status")
    node.sh("seaworthyctl key create bound --pcrs sha256:7")
    node.sh("seaworthyctl key sign bound --file /etc/hostname")
    node.reboot()
    node.until("seaworthyctl key sign bound --file /etc/hostname")


def case_unsigned_kernel(node):
    """the firmware refuses an unsigned kernel"""
    node.off()
    try:
        node.start(Boot(firmware="secureboot", signed=False), agent=False)
        node.console_says("Access Denied", timeout=60)
    finally:
        node.cut()
    node.start(BOOT)
