"""IMA policies are made for the node's Docker, tried, installed, and loaded by systemd or at once."""

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot(disks=(32,))
ALONE = True
POLICY = "/root/docker.policy"
LIST = "/sys/kernel/security/ima/ascii_runtime_measurements"
DISK = "/dev/disk/by-id/virtio-disk0"


def listed(node):
    """The paths in the kernel's list."""
    return {line.split(" ", 4)[4].rsplit(" sha", 1)[0].split()[0]
            for line in node.sh(f"cat {LIST}").splitlines()}


def custom_policy(node):
    return "custom policy   loaded" in node.until("seaworthyctl integrity state")


def case_at_boot(node):
    """made of what the node has, installed, loaded at boot by systemd: Docker's files are in the list"""
    node.sh(f"seaworthyctl integrity make-policy measure --out {POLICY}")
    text = node.read(POLICY).decode()
    uuid = node.sh("blkid -s UUID -o value $(findmnt -no SOURCE /)")
    assert f"measure func=BPRM_CHECK mask=MAY_EXEC fsuuid={uuid}\n" in text, text
    assert "@" not in "".join(line for line in text.splitlines() if not line.startswith("#")), text
    said = node.sh(f"seaworthyctl integrity check-policy {POLICY}")
    assert "warn" not in said, said
    said = node.sh(f"seaworthyctl integrity simulate-policy {POLICY}")
    assert "usr/sbin/dockerd: measured (run, map)" in said and " 0 denied" in said, said
    said = node.sh(f"seaworthyctl integrity install-policy {POLICY}")
    assert "next boot" in said, said
    assert not custom_policy(node)
    node.reboot()
    assert custom_policy(node)


def case_docker(node):
    """Docker runs a container: its programs are in the list, and no log, layer or database"""
    node.sh("systemctl start docker", timeout=120)
    node.sh("mkdir /root/layer; cp /bin/true /root/layer/in-the-layer\n"
            "cp --parents $(ldd /bin/true | grep -o '/[^ ]*') /root/layer/\n"
            "tar -C /root/layer -c . | docker import - layer\n"
            "docker run --network none layer /in-the-layer", timeout=120)
    node.sh("journalctl --sync; cat /var/log/dpkg.log >/dev/null; ls /var/lib/docker >/dev/null")
    found = listed(node)
    for path in ("/usr/sbin/dockerd", "/usr/bin/containerd", "/usr/sbin/runc"):
        assert path in found, (path, found)
    assert any("libc.so" in path for path in found), found
    # But for a program that the engine itself writes and runs at its start.
    for path in found - {path for path in found if path.startswith("/var/lib/docker/tmp/qemu-check")}:
        assert not path.startswith("/var/") and "in-the-layer" not in path, path
    node.sh("systemctl stop docker docker.socket containerd")


def case_hostile(node):
    """a policy of 100,000 rules is judged in time and not installed; nor is what is none"""
    node.sh("yes 'audit uid=1' | head -n 87000 >/root/many; yes audit | head -n 100000 >/root/more; "
            "yes audit | head -n 100001 >/root/most; head -c 100000 /dev/urandom >/root/noise")
    before = node.read("/etc/ima/ima-policy")
    for name, reason in (("many", "IMA_POLICY_SLOW"), ("more", "IMA_POLICY_SLOW"),
                         ("most", "IMA_POLICY_MALFORMED"), ("noise", "IMA_POLICY_MALFORMED")):
        said = node.fails(f"seaworthyctl integrity install-policy /root/{name}", reason, code=1)
        assert len(said) < 10000, said
    assert node.read("/etc/ima/ima-policy") == before


def case_now(node):
    """removed, the next boot has none; one that the kernel refuses at once is not installed"""
    node.sh("seaworthyctl integrity remove-policy")
    node.reboot()
    assert not custom_policy(node)
    # Without SELinux the kernel refuses it.
    node.write("/root/selinux", "measure func=BPRM_CHECK obj_type=bin_t\n")
    node.fails("seaworthyctl integrity install-policy /root/selinux", "SELINUX_ABSENT", code=1)
    node.fails("seaworthyctl integrity install-policy --now --force /root/selinux",
               "IMA_POLICY_REFUSED")
    assert node.sh("ls /etc/ima") == "ima-policy.removed"
    assert not custom_policy(node)


def case_appraise(node):
    """loaded behind its keys, the kernel denies what the simulation said, and a signed program runs"""
    node.fails("seaworthyctl integrity make-policy appraise", "NOTHING_TO_APPRAISE", code=1)
    node.sh(f"mkfs.ext4 -q {DISK}; mkdir -p /opt/runtime; mount {DISK} /opt/runtime\n"
            "cp /bin/true /opt/runtime/signed; cp /bin/true /opt/runtime/unsigned\n"
            # Debian's kernel has no ECDSA.
            "seaworthyctl key create ima --algorithm rsa-2048")
    node.write("/root/ima.pem", Ca().sign(node.sh("seaworthyctl key csr ima --subject CN=files")))
    # The guest's clock may be a little behind.
    node.until("seaworthyctl key install ima --chain /root/ima.pem")
    node.sh("seaworthyctl integrity sign --key ima --other-file-systems /opt/runtime/signed\n"
            f"seaworthyctl integrity make-policy appraise --add /opt/runtime --out {POLICY}")
    appraised = [line for line in node.read(POLICY).decode().splitlines()
                 if line.startswith("appraise ")]
    uuid = node.sh(f"blkid -s UUID -o value {DISK}")
    assert len(appraised) == 2 and all(f"fsuuid={uuid}" in line for line in appraised), appraised
    simulate = (f"seaworthyctl integrity simulate-policy {POLICY} --certificate /root/ima.pem "
                "--other-file-systems /opt/runtime")
    said = node.fails(simulate, "opt/runtime/unsigned: measured (run, map); denied (run, map)", code=1)
    assert " 1 denied" in said, said
    install = f"seaworthyctl integrity install-policy --certificate /root/ima.pem {POLICY}"
    node.fails(install, "opt/runtime/unsigned", "IMA_POLICY_DENIES", code=1)
    node.sh("rm /opt/runtime/unsigned")
    said = node.sh(install)
    assert "seaworthy-appraisal.service" in said, said
    node.sh("install -D -m 644 /root/ima.pem /etc/keys/ima/ima.pem\n"
            "seaworthyctl integrity load-keys --policy /etc/seaworthy/ima-policy")
    assert custom_policy(node)
    node.sh("cp /bin/true /opt/runtime/unsigned; /opt/runtime/signed")
    node.fails("/opt/runtime/unsigned", "Permission denied")
    node.fails(install, "IMA_POLICY_DENIES", code=1)
