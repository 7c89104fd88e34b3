"""A volume that the daemon formatted is opened at boot by stock systemd, from crypttab."""

from rig.node import Boot

BOOT = Boot(disks=(48,))
ALONE = True
DISK = "/dev/disk/by-id/virtio-disk0"


def case_crypttab(node):
    """stock systemd opens what was sealed under its parent key, and not in another state; we see it open"""
    node.until("seaworthyctl status | grep -q volumes")
    node.sh(f"seaworthyctl volumes format data {DISK} --yes --legacy-parent --recovery-file /root/key")
    node.write("/etc/crypttab", f"data {DISK} none tpm2-device=auto,nofail\n")
    node.reboot()
    node.until("test -b /dev/mapper/data")
    node.until("seaworthyctl status | grep -q volumes")
    shown = node.sh("seaworthyctl volumes show data")
    assert "/dev/mapper/data" in shown, shown
    node.sh("mkfs.ext4 -q /dev/mapper/data; systemctl stop systemd-cryptsetup@data")
    node.sh(f"tpm2_pcrextend 7:sha256={'1' * 64}")
    node.fails(f"/lib/systemd/systemd-cryptsetup attach data {DISK} - tpm2-device=auto,headless=1")
    node.fails("seaworthyctl volumes open data", "PCR_POLICY_UNMET")
