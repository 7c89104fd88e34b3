"""Docker's data on a volume: moved there, opened at boot, refused in another state, moved back."""

import pathlib
import re

from rig.node import Boot

BOOT = Boot(disks=(256,))
ALONE = True
DISK = "/dev/disk/by-id/virtio-disk0"
KEY = "/root/recovery.key"
RECOVERY = f"--recovery-key --secret-file {KEY}"
IMPORT = ("mkdir -p /root/layer/bin; cp /bin/busybox /root/layer/bin; for name in sh cat; do "
          "ln -s busybox /root/layer/bin/$name; done; tar -C /root/layer -c . | docker import - kept")
PAGE = pathlib.Path(__file__).parents[4] / "docs/docker-on-a-volume.md"
STOP = ("systemctl stop docker.socket docker.service containerd.service var-lib-docker.mount "
        "seaworthy-volume@docker.service")
# What the page leaves to who sits there.
ON_THE_PAGE = {
    "/dev/sdb": DISK,
    "volumes format docker": f"volumes format docker --yes --recovery-file {KEY}",
    "--recovery-key": RECOVERY,
}


def opens(node):
    return "opens by keyslot" in node.sh("seaworthyctl volumes test docker || true")


def case_format(node):
    """formats and opens a disk by the daemon as it is installed; a device in use is refused"""
    node.until("seaworthyctl health || seaworthyctl status | grep -q volumes")
    node.fails("seaworthyctl volumes format root /dev/disk/by-label/root --yes --destroy "
               "--recovery-file /root/none", "DEVICE_IN_USE")
    node.sh(f"seaworthyctl volumes format first {DISK} --yes --recovery-file /root/first.key; "
            "seaworthyctl volumes test first")
    node.fails(f"seaworthyctl volumes format again {DISK} --yes --destroy --recovery-file /root/none",
               "DEVICE_ENROLLED")
    node.sh("seaworthyctl volumes open first; mkfs.ext4 -q /dev/mapper/first")
    assert "open" in node.sh("seaworthyctl volumes show first")
    erase = f"seaworthyctl volumes erase first --yes --uuid $(cryptsetup luksUUID {DISK})"
    node.fails(erase, "VOLUME_OPEN")
    node.sh("seaworthyctl volumes close first")
    node.fails("test -e /dev/mapper/first")
    node.sh(f"cryptsetup luksDump {DISK} | grep -q systemd-tpm2; {erase}")
    node.fails(f"cryptsetup isLuks {DISK}")


def page(node, step):
    """Runs what the page says in this step of it, line by line; what each line printed."""
    text = PAGE.read_text().split(step)[1]
    text = re.split(r"^(?:\*\*\d|## )", text, flags=re.MULTILINE)[0]
    printed = {}
    for line in "".join(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)).splitlines():
        command = re.sub(r"\s{2,}#.*", "", line)
        for said, done in ON_THE_PAGE.items():
            command = command.replace(said, done)
        printed[line] = node.sh(f"cd /root; {command}", timeout=240)
    assert printed, step
    return printed


def kept(node):
    """What a container reads out of Docker's volume."""
    return node.sh("docker run --rm --network none -v kept:/kept kept cat /kept/file", timeout=120)


def case_moved(node):
    """Docker's folder, with what a container wrote, is moved onto a volume as the page says it"""
    node.sh("systemctl start docker.service", timeout=120)
    node.sh(IMPORT, timeout=120)
    node.sh("docker run --name writer --network none -v kept:/kept kept sh -c "
            "'echo word >>/kept/file'", timeout=120)
    node.sh("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=it -keyout /root/it.key -out /root/it.pem "
            "2>/dev/null", timeout=120)
    printed = page(node, "**1. Make the volume.**")
    assert all("opens by keyslot" in said for line, said in printed.items() if "volumes test" in line)
    page(node, "**2. Stop Docker.**")
    printed = page(node, "**3. Copy.**")
    assert [said for line, said in printed.items() if "rsync" in line] == [""], printed
    page(node, "**4. Keep what was there**")
    page(node, "**5. Have systemd open and mount it.**")
    printed = "".join(page(node, "**6. Start, and look.**").values())
    for word in ("/dev/mapper/docker", "writer", "kept", "fits"):
        assert word in printed, (word, printed)
    assert kept(node) == "word"


def case_docker_at_boot(node):
    """mounted before dockerd at the next boot; a container reads what another one wrote, and writes on"""
    node.reboot()
    node.until("systemctl is-active var-lib-docker.mount", timeout=180)
    node.sh("systemctl start docker.service", timeout=120)
    assert node.sh("findmnt -no SOURCE /var/lib/docker") == "/dev/mapper/docker"
    assert kept(node) == "word"
    node.sh("rm -rf /var/lib/docker.before; docker start -a writer", timeout=120)
    assert kept(node) == "word\nword"


def case_other_state(node):
    """in another state Docker is not started and the reason is told; the recovery key and a refresh help"""
    node.sh(STOP, timeout=120)
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
    # The boot's own attempt may have come through since the refresh.
    node.sh(STOP, timeout=120)
    node.fails("test -e /dev/mapper/docker")
    node.sh(f"cryptsetup token remove --token-id 1 {DISK}")
    said = node.sh("seaworthyctl volumes test docker || true")
    assert "HEADER_TAMPERED" in said and "token 1" in said, said
    node.fails("seaworthyctl volumes open docker", "HEADER_TAMPERED")
    node.sh(f"seaworthyctl volumes accept-header docker {RECOVERY}")
    assert opens(node)


def case_way_back(node):
    """moved back as the page says it, all is there, and Docker starts without the volume"""
    node.sh("seaworthyctl volumes open docker; systemctl start docker.service", timeout=120)
    page(node, "## The way back")
    node.fails("test -e /dev/mapper/docker")
    node.fails("mountpoint -q /var/lib/docker")
    assert kept(node) == "word\nword"
    node.sh("systemctl stop docker.socket docker.service containerd.service", timeout=120)


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
