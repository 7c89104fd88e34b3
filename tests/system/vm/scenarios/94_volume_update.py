"""Volumes when the node is updated: sealed ahead of it, shut in any other state, taken up after a change."""

import hashlib
import re

from rig.node import Boot

BOOT = Boot(firmware="secureboot", disks=(32, 32), update="another=1")
ALONE = True
KEY = "/root/{}.key"
# "kernel" is bound to what is booted and to what it gets as initrd; "firmware" to Secure Boot.
VOLUMES = {"kernel": "sha256:4,9", "firmware": "sha256:7"}
PCRS = (0, 2, 3, 4, 7, 9, 11, 12)
IMAGE = "/efi/EFI/BOOT/BOOTX64.EFI"
AHEAD = f"'\\EFI\\BOOT\\BOOTX64.EFI={IMAGE}:/efi/EFI/next.efi'"
# What systemd-pcrphase extends into PCR 11 here; it does so while units open volumes.
PHASES = "--ahead-phase sysinit --ahead-phase ready"

content = {}
predicted = {}


def by_key(name):
    return f"--recovery-key --secret-file {KEY.format(name)}"


def pcrs(node):
    """PCRs as the kernel has them, when the boot is over."""
    node.until("systemctl is-active systemd-pcrphase.service")
    return {pcr: node.sh(f"cat /sys/class/tpm/tpm0/pcr-sha256/{pcr}").lower() for pcr in PCRS}


def is_whole(node, name):
    assert node.sh(f"findmnt -no SOURCE /srv/{name}") == f"/dev/mapper/{name}"
    assert node.sh(f"sha256sum </srv/{name}/file").split()[0] == content[name]


def opened_at_boot(node, name):
    """By its unit, before anybody asked for it."""
    node.until(f"systemctl is-active srv-{name}.mount", timeout=180)
    is_whole(node, name)


def shut_at_boot(node, name):
    """What its unit said."""
    node.until(f"systemctl is-failed seaworthy-volume@{name}.service", timeout=180)
    node.fails(f"test -e /dev/mapper/{name}")
    node.fails(f"mountpoint -q /srv/{name}")
    said = node.sh(f"journalctl -b --no-pager -o cat -u seaworthy-volume@{name}.service")
    assert "PCR_POLICY_UNMET" in said, said
    return said


def opened_by_key(node, name):
    node.sh(f"seaworthyctl volumes open {name} {by_key(name)}; systemctl start srv-{name}.mount")
    is_whole(node, name)


def fits(node, name):
    """Keyslots of the ways in by the TPM: those that fit now, and those that do not."""
    shown = node.sh(f"seaworthyctl volumes show {name}")
    rows = re.findall(r"^ +(\d+) +TPM .* (fits|does not fit)$", shown, re.MULTILINE)
    return ([slot for slot, fit in rows if fit == "fits"],
            [slot for slot, fit in rows if fit != "fits"])


def boot_image(node, file):
    """Puts the file in the place of what the firmware boots."""
    node.sh(f"mv {file} {IMAGE}.new; mv {IMAGE}.new {IMAGE}; umount /efi")


def mount_esp(node):
    node.sh("mkdir -p /efi; mount /dev/disk/by-id/virtio-esp /efi")


def case_opens_at_boot(node):
    """volumes that are bound to the kernel and to Secure Boot open by their units at the next boot"""
    node.until("seaworthyctl status | grep -q volumes")
    for disk, (name, bound) in enumerate(VOLUMES.items()):
        node.sh(f"seaworthyctl volumes format {name} /dev/disk/by-id/virtio-disk{disk} --pcrs {bound} "
                f"--yes --recovery-file {KEY.format(name)}; seaworthyctl volumes open {name}; "
                f"mkfs.ext4 -q /dev/mapper/{name}; seaworthyctl volumes units {name} "
                f"--mount /srv/{name} --out /etc/systemd/system; mkdir /srv/{name}; "
                f"systemctl daemon-reload; systemctl enable -q srv-{name}.mount; "
                f"systemctl start srv-{name}.mount; "
                f"head -c 1M /dev/urandom >/srv/{name}/file", timeout=120)
        content[name] = hashlib.sha256(node.read(f"/srv/{name}/file")).hexdigest()
    node.reboot()
    for name in VOLUMES:
        opened_at_boot(node, name)


def case_ahead(node):
    """sealed ahead of another kernel image, it opens by itself when that is booted: PCRs are as predicted"""
    before = pcrs(node)
    mount_esp(node)
    said = node.sh(f"seaworthyctl volumes predict --pcrs sha256:{','.join(map(str, PCRS))} "
                   f"--ahead-file {AHEAD} {PHASES}")
    predicted.update((int(pcr), value.lower()) for pcr, value in
                     re.findall(r"sha256:(\d+)=([0-9a-fA-F]+)", said))
    changed = {pcr for pcr in PCRS if predicted[pcr] != before[pcr]}
    assert {4, 11} <= changed, (changed, before, predicted)
    node.sh(f"seaworthyctl volumes add kernel --pcrs {VOLUMES['kernel']} --ahead-file {AHEAD}")
    fit, ahead = fits(node, "kernel")
    assert len(fit) == 1 and len(ahead) == 1, (fit, ahead)
    node.sh(f"cp {IMAGE} /root/before.efi")
    boot_image(node, "/efi/EFI/next.efi")
    node.reboot()
    assert "another=1" in node.sh("cat /proc/cmdline")
    opened_at_boot(node, "kernel")
    opened_at_boot(node, "firmware")
    assert pcrs(node) == predicted, (pcrs(node), predicted, before)
    assert fits(node, "kernel") == (ahead, fit)


def case_old_state(node):
    """after a refresh the kernel from before leaves it shut and the reason is told; the recovery key opens it"""
    _, old = fits(node, "kernel")
    said = node.sh("seaworthyctl volumes refresh kernel")
    assert f"took away keyslot {old[0]}" in said and "added" not in said, said
    assert fits(node, "kernel")[1] == [], said
    mount_esp(node)
    boot_image(node, "/root/before.efi")
    node.reboot()
    assert "another=1" not in node.sh("cat /proc/cmdline")
    opened_at_boot(node, "firmware")
    said = shut_at_boot(node, "kernel")
    assert re.search(r"Event \d+ in PCR 4", said), said
    node.fails("seaworthyctl volumes test kernel", "PCR_POLICY_UNMET", "in PCR 4")
    opened_by_key(node, "kernel")
    said = node.sh(f"seaworthyctl volumes refresh kernel {by_key('kernel')}")
    assert "PCR 4" in said, said


def case_secure_boot_off(node):
    """with Secure Boot off what is bound to it stays shut and tells so; refreshed, it opens at the next boot"""
    node.reboot(firmware="uefi")
    said = shut_at_boot(node, "firmware")
    assert re.search(r"Event \d+ in PCR 7: Secure Boot was on and is off", said), said
    # With Secure Boot on, systemd's stub starts the kernel past the firmware, which does not measure it.
    said = shut_at_boot(node, "kernel")
    assert re.search(r"Event \d+ in PCR 4 is new: The firmware loaded the EFI application", said), said
    node.fails("seaworthyctl volumes test firmware", "PCR_POLICY_UNMET", "Secure Boot was on and is off")
    for name in VOLUMES:
        opened_by_key(node, name)
        said = node.sh(f"seaworthyctl volumes refresh {name} {by_key(name)}")
        assert "what differed:" in said and "took away keyslot" in said, said
    node.reboot()
    for name in VOLUMES:
        opened_at_boot(node, name)
