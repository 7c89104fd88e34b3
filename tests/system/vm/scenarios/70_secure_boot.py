"""UEFI with Secure Boot: a signed kernel boots and measures, an unsigned one does not boot."""

import re

from rig.node import Boot

BOOT = Boot(firmware="secureboot", disks=(64,),
            early=(("/etc/ima/ima-policy", "measure func=BPRM_CHECK mask=MAY_EXEC\n"),))


def case_signed_kernel(node):
    """the signed kernel boots, the status tells of Secure Boot, keys bound to PCR 7 sign"""
    assert "on in the firmware" in node.sh("seaworthyctl status")
    node.sh("seaworthyctl key create bound --pcrs sha256:7")
    # Its public key on a disk of its own, for a judge who does not ask the daemon.
    node.sh("mkfs.ext4 -q /dev/disk/by-id/virtio-disk0; mount /dev/disk/by-id/virtio-disk0 /mnt; "
            "seaworthyctl key public bound --out /mnt/bound.pem")
    node.reboot()
    node.until("seaworthyctl key sign bound --file /etc/hostname --out /root/signature")
    node.sh("mount -r /dev/disk/by-id/virtio-disk0 /mnt; openssl dgst -sha256 "
            "-verify /mnt/bound.pem -signature /root/signature /etc/hostname")


def case_measured(node):
    """a policy that lies there before systemd makes the kernel measure what runs; the status tells"""
    assert re.search("ima +yes: the kernel has measured [0-9]+ files",
                     node.sh("seaworthyctl status"))
    # Not in the policy that the kernel itself has under Secure Boot.
    node.sh("cp /bin/true /root/run; /root/run; grep -q ' /root/run' "
            "/sys/kernel/security/ima/ascii_runtime_measurements")


def case_unsigned_kernel(node):
    """the firmware refuses an unsigned kernel"""
    node.off()
    node.start(Boot(firmware="secureboot", signed=False), agent=False)
    node.console_says("Access Denied", timeout=60)
    node.cut()
