"""Docker's data on a volume that the daemon opens: at boot, refused in another state, cut off, moved away."""

import time

from rig.node import Boot

BOOT = Boot(disks=(256,))
ALONE = True
DISK = "/dev/disk/by-id/virtio-disk0"
KEY = "/root/recovery.key"
RECOVERY = f"--recovery-key --secret-file {KEY}"
IMPORT = "mkdir -p /root/layer; cp /bin/true /root/layer; tar -C /root/layer -c . | docker import - kept"


def opens(node):
    return "opens by keyslot" in node.sh("seaworthyctl volumes test docker || true")


def case_format(node):
    """formats and opens a disk by the daemon as it is installed; a device in use is refused"""
    node.until("seaworthyctl health || seaworthyctl status | grep -q volumes")
    node.fails("seaworthyctl volumes format root /dev/disk/by-label/root --yes --destroy "
               "--recovery-file /root/none", "DEVICE_IN_USE")
    node.sh(f"seaworthyctl volumes format docker {DISK} --yes --recovery-file {KEY}")
    assert opens(node)
    node.fails(f"seaworthyctl volumes format again {DISK} --yes --destroy --recovery-file /root/none",
               "DEVICE_ENROLLED")
    node.sh("seaworthyctl volumes open docker; mkfs.ext4 -q /dev/mapper/docker")
    assert "open" in node.sh("seaworthyctl volumes show docker")
    node.fails(f"seaworthyctl volumes erase docker --yes --uuid $(cryptsetup luksUUID {DISK})",
               "VOLUME_OPEN")
    node.sh("seaworthyctl volumes close docker")
    node.fails("test -e /dev/mapper/docker")
    node.sh(f"cryptsetup luksDump {DISK} | grep -q systemd-tpm2")


def case_docker_at_boot(node):
    """Docker's folder is the volume, mounted before dockerd at this boot and at the next"""
    node.sh("systemctl stop docker.socket docker.service containerd.service; "
            "seaworthyctl volumes units docker --mount /var/lib/docker --docker --out /etc/systemd/system; "
            "systemctl daemon-reload; systemctl enable -q var-lib-docker.mount; mkdir -p /var/lib/docker")
    node.sh("systemctl start docker.service", timeout=120)
    assert node.sh("findmnt -no SOURCE /var/lib/docker") == "/dev/mapper/docker"
    node.sh(IMPORT, timeout=120)
    node.reboot()
    node.until("systemctl is-active var-lib-docker.mount", timeout=60)
    node.sh("systemctl start docker.service", timeout=120)
    assert "kept" in node.sh("docker images", timeout=60)


def case_other_state(node):
    """in another state Docker is not started and the reason is told; the recovery key and a refresh help"""
    node.sh("systemctl stop docker.socket docker.service containerd.service var-lib-docker.mount "
            "seaworthy-volume@docker.service", timeout=120)
    node.fails("test -e /dev/mapper/docker")
    node.sh(f"tpm2_pcrextend 7:sha256={'1' * 64}")
    node.fails("systemctl start docker.service", timeout=120)
    node.fails("mountpoint -q /var/lib/docker")
    said = node.sh("seaworthyctl volumes test docker || true")
    assert "PCR_POLICY_UNMET" in said and "PCR 7" in said, said
    node.fails(f"seaworthyctl volumes refresh docker {RECOVERY}", "CHANGE_NOT_EXPLAINED")
    node.sh(f"seaworthyctl volumes open docker {RECOVERY}; systemctl start docker.service", timeout=120)
    assert "kept" in node.sh("docker images", timeout=60)
    node.sh(f"seaworthyctl volumes refresh docker {RECOVERY} --unexplained")
    assert opens(node)
    # The state before comes back with the next boot, and is another one by now.
    node.reboot()
    assert not opens(node)
    node.sh(f"seaworthyctl volumes refresh docker {RECOVERY} --unexplained")
    assert opens(node)


def case_tampered(node):
    """a header that somebody changed on the disk is refused and named, until an operator believes it"""
    node.sh(f"cryptsetup token remove --token-id 1 {DISK}")
    said = node.sh("seaworthyctl volumes test docker || true")
    assert "HEADER_TAMPERED" in said and "token 1" in said, said
    node.fails("seaworthyctl volumes open docker", "HEADER_TAMPERED")
    node.sh(f"seaworthyctl volumes accept-header docker {RECOVERY}")
    assert opens(node)


def case_power_cut(node):
    """cut off in the midst of rotations the volume opens by the TPM and by the recovery key"""
    for moment in (0.3, 0.8):
        node.sh("nohup sh -c 'while :; do seaworthyctl volumes rotate docker && "
                "echo ROTATED >/dev/ttyS0; done' >/dev/null 2>&1 &")
        node.console_says("ROTATED", timeout=60)
        time.sleep(moment)
        node.cut()
        node.start(BOOT)
        node.until("systemctl is-active seaworthyd")
        node.until("seaworthyctl status | grep -q volumes")
        assert opens(node)
        node.sh(f"seaworthyctl volumes test docker {RECOVERY}")


def case_another_tpm(node):
    """the disk in another machine: shut"""
    node.off()
    node.replace_tpm()
    node.start(BOOT)
    node.until("systemctl is-active seaworthyd")
    node.sh("systemctl stop seaworthyd; rm -f /var/lib/seaworthy/srk.name; systemctl start seaworthyd")
    node.until("seaworthyctl status | grep -q volumes")
    assert not opens(node)
    said = node.sh("seaworthyctl volumes test docker || true")
    assert "SRK_MISMATCH" in said or "SEALED_OBJECT_FOREIGN" in said or "storage root key" in said, said
