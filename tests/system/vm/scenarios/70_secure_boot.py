"""UEFI with Secure Boot: a signed kernel boots and measures, an unsigned one does not boot."""

import re

from rig.backend import Backend
from rig.node import Boot

BOOT = Boot(firmware="secureboot", disks=(64,),
            early=(("/etc/ima/ima-policy", "measure func=BPRM_CHECK mask=MAY_EXEC\n"),))
# Those that stay over a boot: the firmware notes its boot order in PCR 1.
PCRS = "0,2-4,7"

backend = None


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


def case_judged(node):
    """a backend trusts the node by its boot log: Secure Boot on, and what was started checked by it"""
    global backend
    backend = Backend(node)
    backend.enrol()
    backend.learn(PCRS)

    def by_the_boot_alone(policy):
        assert policy["boot"]["secure_boot"] and policy["boot"]["verified_boot"], policy["boot"]
        policy["ima"]["unlisted"] = "tell"

    backend.edit(by_the_boot_alone)
    backend.trusts()


def case_off(node):
    """Secure Boot off, and another kernel, are named; UEFI without it has a policy of its own"""
    node.reboot(firmware="uefi", beside=True)
    node.until("seaworthyctl health")
    backend.distrusts(
        ("PCR_UNEXPECTED", '"pcr": 7'), ("SECURE_BOOT_OFF", ""), ("VERIFIED_BOOT_OFF", ""),
        ("BOOT_IMAGE_UNEXPECTED", ""), ("BOOT_AUTHORITY_NOT_PROVEN", ""))
    backend.learned = backend.policy.read_text()
    backend.learn(PCRS)
    backend.trusts()


def case_another_command_line(node):
    """another command line of the kernel is named"""
    line = node.sh("cat /proc/cmdline")

    def by_the_command_line_alone(policy):
        policy["pcrs"] = {}
        policy["boot"]["images"] = []
        policy["boot"]["command_lines"] = [line]
        policy["ima"]["unlisted"] = "tell"

    backend.edit(by_the_command_line_alone)
    backend.trusts()
    node.reboot(arguments="another=1")
    node.until("seaworthyctl health")
    backend.distrusts(("BOOT_COMMAND_LINE_UNEXPECTED", ""))


def case_kernel_beside(node):
    """Secure Boot is on, but the kernel came past it: no verified boot"""
    node.reboot(firmware="secureboot", arguments="")
    node.until("seaworthyctl health")
    assert "on in the firmware" in node.sh("seaworthyctl status")
    backend.policy.write_text(backend.learned)
    backend.distrusts(("VERIFIED_BOOT_OFF", "the kernel was loaded beside the firmware"),
                      ("PCR_UNEXPECTED", '"pcr": 4'), ("BOOT_AUTHORITY_NOT_PROVEN", ""))


def case_unsigned_kernel(node):
    """the firmware refuses an unsigned kernel"""
    node.off()
    node.start(Boot(firmware="secureboot", signed=False), agent=False)
    node.console_says("Access Denied", timeout=60)
    node.cut()
