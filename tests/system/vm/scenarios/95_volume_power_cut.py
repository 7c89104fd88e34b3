"""The power goes while a volume's header is changed, and while it is re-encrypted: nothing is lost."""

import base64
import re
import time

from rig.node import Boot

BOOT = Boot(disks=(160,))
ALONE = True
DISK = "/dev/disk/by-id/virtio-disk0"
KEY, NEW_KEY = "/root/recovery.key", "/root/new.key"
# What goes on and on when the power goes, and how many seconds after it told of a round.
ROTATE = "seaworthyctl volumes rotate data"
ADD_AND_REMOVE = ("slot=$(seaworthyctl volumes add data | sed -n 's/^added keyslot //p') && "
                  "seaworthyctl volumes remove data $slot")
CUTS = ((ROTATE, 0.8), (ADD_AND_REMOVE, 0.3), (ADD_AND_REMOVE, 0.8))
REENCRYPT = ("setsid seaworthyctl --output json volumes reencrypt data {} >/dev/ttyS0 "
             "2>/root/reencrypt.said &")

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
        node.console_says("ROUND", timeout=180)
        time.sleep(moment)
        cut(node)
        node.until("systemctl is-active srv-data.mount", timeout=180)
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


def done_bytes(node):
    """What a re-encryption has told of its progress since power on."""
    return [int(done) for done in re.findall(r'"done_bytes": *"(\d+)"', node.console(whole=True))]


def wait_until_beyond(node, bytes_):
    end = time.monotonic() + 120
    while max(done_bytes(node), default=0) <= bytes_:
        assert time.monotonic() < end, node.console() + node.sh("cat /root/reencrypt.said")
        time.sleep(0.05)


def case_reencryption(node):
    """cut off twice in the midst of its re-encryption, it goes on where it was; all data is there at the end"""
    old = node.sh(f"cryptsetup luksDump {DISK} | sed -n '/^Digests/,$p'")
    node.sh("systemctl stop srv-data.mount seaworthy-volume@data.service; "
            + REENCRYPT.format(f"--recovery-file {NEW_KEY}"))
    reached = 0
    for step in (8 << 20, 24 << 20):
        wait_until_beyond(node, reached + step)
        reached = max(done_bytes(node))
        cut(node)
        assert "re-encryption is to be gone on with" in node.sh("seaworthyctl volumes show data")
        node.until("systemctl is-failed seaworthy-volume@data.service", timeout=180)
        said = node.sh("journalctl -b --no-pager -o cat -u seaworthy-volume@data.service")
        assert "being re-encrypted" in said, said
        opens(node, NEW_KEY)
        node.fails(f"seaworthyctl volumes test data {by_key(KEY)}")
        node.sh(REENCRYPT.format(""))
        node.console_says('"done_bytes"', timeout=180)
        assert done_bytes(node)[0] >= reached, (done_bytes(node), reached)
    node.until("! pidof seaworthyctl", timeout=180)
    node.sh("systemctl start srv-data.mount")
    is_whole(node)
    opens(node, NEW_KEY)
    assert node.sh(f"cryptsetup luksDump {DISK} | sed -n '/^Digests/,$p'") != old
    node.reboot()
    node.until("systemctl is-active srv-data.mount", timeout=180)
    is_whole(node)
    node.sh("umount /srv/data; e2fsck -fn /dev/mapper/data")
