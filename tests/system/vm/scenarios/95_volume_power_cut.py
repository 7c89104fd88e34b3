"""The power goes in the middle of changes of a volume's header: nothing is lost."""

import base64
import re
import time

from rig.node import Boot

BOOT = Boot(disks=(160,))
ALONE = True
DISK = "/dev/disk/by-id/virtio-disk0"
KEY = "/root/recovery.key"
# What goes on and on when the power goes, and how many seconds after it told of a round.
ROTATE = "seaworthyctl volumes rotate data"
ADD_AND_REMOVE = ("slot=$(seaworthyctl volumes add data | sed -n 's/^added keyslot //p') && "
                  "seaworthyctl volumes remove data $slot")
CUTS = ((ROTATE, 0.8), (ADD_AND_REMOVE, 0.3), (ADD_AND_REMOVE, 0.8))

content = ""


def by_key(key):
    return f"--recovery-key --secret-file {key}"


def opens(node, key):
    """By the TPM and by the recovery key."""
    for way in ("", by_key(key)):
        assert "opens by keyslot" in node.sh(f"seaworthyctl volumes test data {way}")


def is_whole(node):
    assert node.sh("findmnt -no SOURCE /srv/data") == "/dev/mapper/data"
    assert node.sh("sha256sum </srv/data/file").split()[0] == content


def ways_by_tpm(node):
    return re.findall(r"^ +(\d+) +TPM ", node.sh("seaworthyctl volumes show data"), re.MULTILINE)


def cut(node):
    node.cut()
    node.start(BOOT)
    node.until("seaworthyctl status | grep -q volumes", timeout=90)


def case_header(node):
    """cut off in the midst of rotations and of ways in that come and go, it opens by itself, TPM and key"""
    global content
    node.until("seaworthyctl status | grep -q volumes")
    node.sh(f"seaworthyctl volumes format data {DISK} --yes --recovery-file {KEY}; "
            "seaworthyctl volumes open data; mkfs.ext4 -q /dev/mapper/data; mkdir /srv/data; "
            "seaworthyctl volumes units data --mount /srv/data --out /etc/systemd/system; "
            "systemctl daemon-reload; systemctl enable -q srv-data.mount; "
            "systemctl start srv-data.mount; head -c 8M /dev/urandom >/srv/data/file; sync",
            timeout=120)
    content = node.sh("sha256sum </srv/data/file").split()[0]
    for step, moment in CUTS:
        node.sh(f"nohup bash -c \"$(base64 -d <<<{encoded(step)})\" >/dev/null 2>&1 &")
        node.console_says("ROUND", timeout=60)
        time.sleep(moment)
        cut(node)
        node.until("systemctl is-active srv-data.mount", timeout=60)
        is_whole(node)
        opens(node, KEY)
        ways = ways_by_tpm(node)
        assert 1 <= len(ways) <= 2, (step, ways)
        for slot in ways[1:]:
            node.sh(f"seaworthyctl volumes remove data {slot}")
        opens(node, KEY)


def encoded(step):
    script = f"while {step}; do echo ROUND >/dev/ttyS0; done"
    return base64.b64encode(script.encode()).decode()
