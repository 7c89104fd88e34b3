"""Encrypted volumes on disks: stock systemd opens them at boot, and the mapper maps them."""

import pathlib
import re

from rig.node import Boot

BOOT = Boot(disks=(64, 64))
ALONE = True
STOCK = "/dev/disk/by-id/virtio-disk0"
OURS = "/dev/disk/by-id/virtio-disk1"
FORMAT = "cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /root/word"
KEY = "/root/volume-key"
CLIENT = "/root/mapper_client.py"
READ_ONLY, DISCARDS = 1, 2


def case_stock(node):
    """what systemd-cryptenroll sealed to PCR 7 stock systemd opens at the next boot, from crypttab"""
    node.sh(f"printf word >/root/word; {FORMAT} {STOCK}; "
            f"PASSWORD=word systemd-cryptenroll --tpm2-device=auto --tpm2-pcrs=7 {STOCK}; "
            f"cryptsetup open --key-file /root/word {STOCK} stock; mkfs.ext4 -q /dev/mapper/stock; "
            "mount /dev/mapper/stock /mnt; echo kept >/mnt/file; umount /mnt; cryptsetup close stock")
    node.write("/etc/crypttab", f"stock {STOCK} none tpm2-device=auto,nofail\n")
    node.reboot()
    node.until("test -b /dev/mapper/stock")
    assert node.sh("mount /dev/mapper/stock /mnt; cat /mnt/file") == "kept"
    assert "LUKS2" in node.sh("cryptsetup status stock")
    # In another state of the platform it stays shut, and nobody is there to type a word.
    node.sh("umount /mnt; systemctl stop systemd-cryptsetup@stock; tpm2_pcrextend "
            f"7:sha256={'1' * 64}")
    node.fails(f"/lib/systemd/systemd-cryptsetup attach stock {STOCK} - tpm2-device=auto,headless=1")
    node.fails("test -e /dev/mapper/stock")
    node.reboot()
    node.until("test -b /dev/mapper/stock")


def mapper(*arguments):
    return f"python3 {CLIENT} {' '.join(map(str, arguments))}"


def to_open(name="ours", device=OURS, key=KEY, header=None, flags=0):
    return mapper("open", name, device, key, header or device, flags)


def mapping(node, name):
    """What makes the mapping: table, UUID, node, and what cryptsetup says of it."""
    # The numbers of the device may be others the next time.
    status = [line for line in node.sh(f"cryptsetup status {name}").splitlines()
              if not line.strip().startswith("loop")]
    return (node.sh(f"dmsetup table {name}"), node.sh(f"dmsetup info -c --noheadings -o uuid {name}"),
            node.sh(f"readlink /dev/mapper/{name} | tr -d 0-9"), status)


def case_mapper(node):
    """the mapper makes the same mapping as cryptsetup, and each of them ends the other's"""
    node.write(CLIENT, (pathlib.Path(__file__).parents[1] / "rig/mapper_client.py").read_text())
    node.sh(f"head -c64 /dev/urandom >{KEY}; {FORMAT} --key-size 512 --volume-key-file {KEY} {OURS}")
    assert node.sh(to_open()) == "done"
    made = mapping(node, "ours")
    assert "crypt aes-xts-plain64 :64:logon:cryptsetup:" in made[0], made
    node.sh("mkfs.ext4 -q /dev/mapper/ours; mount /dev/mapper/ours /mnt; echo ours >/mnt/file; "
            "umount /mnt; cryptsetup close ours")
    node.fails("test -e /dev/mapper/ours")
    node.sh(f"cryptsetup open --key-file /root/word {OURS} ours")
    assert mapping(node, "ours") == made, (made, mapping(node, "ours"))
    assert node.sh("mount /dev/mapper/ours /mnt; cat /mnt/file; umount /mnt") == "ours"
    node.sh(mapper("close", "ours"))
    node.fails("test -e /dev/mapper/ours")
    node.sh(to_open(flags=READ_ONLY | DISCARDS))
    status = node.sh("cryptsetup status ours")
    assert "readonly" in status and "discards" in status, status
    node.sh(mapper("close", "ours"))


def case_in_use(node):
    """devices in use are not mapped, and told by whom; a volume in use goes when its user does"""
    node.sh(to_open())
    node.fails(to_open("again"), "DEVICE_IN_USE", "dm-")
    node.sh("mount /dev/mapper/ours /mnt")
    node.fails(to_open("inside", "/dev/mapper/ours", header=OURS), "DEVICE_IN_USE", "/mnt")
    node.fails(to_open("root", "/dev/disk/by-label/root", header=OURS), "DEVICE_IN_USE", " /")
    node.fails(mapper("close", "ours"), "DEVICE_IN_USE")
    node.sh(mapper("close", "ours", "deferred") + "; cat /mnt/file; umount /mnt")
    node.until("! test -e /dev/mapper/ours")
    node.fails(mapper("close", "ours"), "VOLUME_NOT_ACTIVE", code=5)


def case_lies(node):
    """a client that lies gets nothing mapped: no cipher, another key, another name, no volume's mapping"""
    node.fails(to_open(header=f"{OURS}+clear"), "HEADER_CIPHER_REFUSED", code=7)
    node.fails(to_open(header="none"), "HEADER_MISSING")
    node.fails(to_open(header="/etc/passwd"), "NOT_LUKS")
    node.fails(to_open(header=STOCK), "VOLUME_KEY_WRONG", code=7)
    node.fails(to_open(name="../vda"), "MAPPING_NAME_INVALID")
    node.fails(to_open(name="stock"), "ALREADY_EXISTS")
    node.fails(to_open(device="/dev/tpmrm0", header=OURS), "NOT_A_DEVICE")
    node.sh(f"dmsetup create foreign --table '0 2048 linear {OURS} 0'")
    node.fails(mapper("close", "foreign"), "MAPPING_FOREIGN")
    node.sh("dmsetup remove foreign")
    assert node.sh("ls /dev/mapper") == "control\nstock"


def case_mapper_sandbox(node):
    """only root reaches the mapper; it has the one capability, no TPM, no swap, and goes when it is done"""
    node.sh(f"chmod 755 /root; chmod 644 {CLIENT}")
    node.fails(mapper("close", "stock"), "PermissionError", user="stranger")
    rating = node.sh("systemd-analyze security seaworthy-mapper@x.service | tail -1")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", rating)
    assert exposure and float(exposure[1]) <= 2.0, rating
    node.sh(f"mkfifo /root/held; {mapper('hold')} </root/held >/dev/null 2>&1 & exec 3>/root/held; "
            "for i in $(seq 50); do systemctl list-units --no-legend 'seaworthy-mapper@*' | "
            "grep -q running && break; sleep 0.1; done; "
            "unit=$(systemctl list-units --no-legend 'seaworthy-mapper@*' | awk '{print $1}'); "
            "pid=$(systemctl show -p MainPID --value $unit); "
            "grep -E '^Cap(Prm|Eff|Bnd):\\s+0000000000200000$' /proc/$pid/status | wc -l | grep -qx 3; "
            "grep -qE '^NoNewPrivs:\\s+1' /proc/$pid/status; "
            "grep -E 'Max core file size +0 +0' /proc/$pid/limits; "
            "group=$(systemctl show -p ControlGroup --value $unit); "
            "grep -qx 0 /sys/fs/cgroup$group/memory.swap.max; grep -c tss2 /proc/$pid/maps | grep -qx 0")
    node.until("! systemctl list-units --all --no-legend 'seaworthy-mapper@*' | grep .")
