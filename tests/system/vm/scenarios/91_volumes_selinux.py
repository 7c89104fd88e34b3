"""SELinux enforcing: the mapper has a domain of its own, and the daemon disks when it is allowed to."""

import pathlib

from rig.node import Boot

BOOT = Boot(selinux=True, disks=(64,))
DISK = "/dev/disk/by-id/virtio-disk0"
# In the daemon's domain, by the label of its file; it reads what lies among libraries.
PYTHON = "/usr/lib/probe/python"
CLIENT = "/usr/lib/probe/mapper_client.py"
KEY = "/usr/lib/probe/key"


def denials(node, of):
    _, journal = node.run(f"journalctl -b --no-pager -o cat | grep -E 'avc: +denied' | grep {of}")
    return journal


def case_domains(node):
    """out of the daemon's domain nothing is mapped until the boolean is on, and then all of it works"""
    node.write(CLIENT, (pathlib.Path(__file__).parents[1] / "rig/mapper_client.py").read_text())
    node.sh(f"cp $(readlink -f /usr/bin/python3) {PYTHON}; restorecon -R /usr/lib/probe; "
            f"chcon -t seaworthyd_exec_t {PYTHON}; head -c64 /dev/urandom >{KEY}; "
            "printf word | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
            f"--key-size 512 --volume-key-file {KEY} --key-file - {DISK}")
    to_open = f"{PYTHON} {CLIENT} open ours {DISK} {KEY} {DISK}"
    node.fails(to_open, "PermissionError")
    assert "seaworthyd_t" in denials(node, "fixed_disk_device_t")
    node.sh("setsebool seaworthyd_volumes on")
    node.sh(to_open)
    node.sh("mkfs.ext4 -q /dev/mapper/ours; mount /dev/mapper/ours /mnt")
    node.fails(f"{PYTHON} {CLIENT} close ours", "DEVICE_IN_USE")
    node.sh(f"umount /mnt; {PYTHON} {CLIENT} close ours")
    assert not denials(node, "seaworthy_mapper_t"), denials(node, "seaworthy_mapper_t")


def case_mapper_domain(node):
    """the mapper's process and socket have the labels of the package's policy"""
    assert ":seaworthy_mapper_runtime_t:" in node.sh("stat -c %C /run/seaworthy-mapper.sock")
    label = node.sh(f"mkfifo /root/held; {PYTHON} {CLIENT} hold </root/held >/dev/null 2>&1 & "
                    "exec 3>/root/held; for i in $(seq 50); do ps -eo label,args | "
                    "grep '[/]libexec/seaworthy/seaworthy-mapper' && break; sleep 0.1; done")
    assert ":seaworthy_mapper_t:" in label, label
