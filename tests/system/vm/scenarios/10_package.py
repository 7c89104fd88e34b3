"""The installed package comes up at boot, sandboxed, and answers each caller by its role."""

import re

from rig.node import Boot

BOOT = Boot()


def case_comes_up_at_boot(node):
    """after a reboot the service is there by itself, healthy, and a key made before it signs"""
    node.sh("systemctl is-enabled seaworthyd")
    node.sh("seaworthyctl key create early; seaworthyctl key public early --out /root/early.pem")
    node.reboot()
    node.until("systemctl is-active seaworthyd")
    node.sh("seaworthyctl health")
    status = node.sh("seaworthyctl status")
    assert "device:/dev/tpmrm0" in status, status
    node.sh("seaworthyctl key sign early --file /etc/hostname --out /root/signature")
    judge = "openssl dgst -sha256 -verify /root/early.pem -signature /root/signature"
    node.sh(f"{judge} /etc/hostname")
    node.fails(f"{judge} /etc/hosts")


def case_tells_what_the_node_lacks(node):
    """the status says that Docker, SELinux and an IMA policy are not there, and nothing failed"""
    status = node.sh("seaworthyctl status")
    for line in (r"docker +no: the engine is installed but does not run",
                 r"selinux +no: the kernel runs without SELinux",
                 r"secure-boot +no: the node was not booted by UEFI",
                 r"ima +yes: the kernel measures nothing yet"):
        assert re.search(line, status), f"{line}\n{status}"
    assert node.sh("systemctl show -p NRestarts --value seaworthyd") == "0"


def case_roles(node):
    """root administrates, a member of the group reads, a stranger is told why not"""
    node.sh("usermod -aG seaworthy member")
    assert "ADMIN" in node.sh("seaworthyctl status")
    node.sh("seaworthyctl key create roles")
    assert "READER" in node.sh("seaworthyctl status", user="member")
    assert "roles" in node.sh("seaworthyctl key list", user="member")
    node.fails("seaworthyctl key sign roles --file /etc/hostname", "ROLE_TOO_LOW", code=4,
               user="member")
    node.fails("seaworthyctl status", "may not", "group seaworthy", code=3, user="stranger")
    node.fails("ls /run/seaworthy/admin", "Permission denied", user="member")
    node.fails("cat /var/lib/seaworthy/srk.name", "Permission denied", user="member")


def case_sandbox(node):
    """systemd rates the unit 3.0 or better; secrets reach neither core files nor swap"""
    rating = node.sh("systemd-analyze security seaworthyd | tail -1")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", rating)
    assert exposure and float(exposure[1]) <= 3.0, rating
    pid = node.sh("systemctl show -p MainPID --value seaworthyd")
    assert re.search(r"Max core file size +0 +0", node.sh(f"cat /proc/{pid}/limits"))
    assert re.search(r"CapBnd:\s+0+$", node.sh(f"cat /proc/{pid}/status"), re.M)
    group = node.sh("systemctl show -p ControlGroup --value seaworthyd")
    assert node.sh(f"cat /sys/fs/cgroup{group}/memory.swap.max") == "0"
    # No device but the TPM's: not even those that every process may open elsewhere.
    node.sh(f"nsenter -t {pid} -m test -c /dev/tpmrm0")
    node.fails(f"nsenter -t {pid} -m touch /etc/here", "Read-only")
