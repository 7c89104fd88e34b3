"""The files of Docker as Debian packages them, and the operator's baseline of them."""

import json

from rig.node import Boot

BOOT = Boot()
HASHING = 180  # 260 MB are hashed, in emulation
COMPARE = "seaworthyctl integrity compare-baseline /root/docker.baseline --certificate /root/baseline.pem"


def case_drift(node):
    """an exchanged runc, a drop-in and a new mode are told by file, until they are put back"""
    node.sh("seaworthyctl key create baseline && seaworthyctl key public baseline >/root/baseline.pem")
    node.sh("seaworthyctl integrity record-baseline --key baseline --out /root/docker.baseline", timeout=HASHING)
    recorded = json.loads(node.sh("sed '$d' /root/docker.baseline"))
    for path in ("usr/bin/docker", "usr/sbin/dockerd", "usr/bin/containerd", "usr/sbin/runc",
                 "usr/lib/systemd/system/docker.service", "etc/default/docker"):
        assert path in recorded["files"], (path, sorted(recorded["files"]))
    assert recorded["files"]["usr/sbin/runc"]["package"] == "runc"
    assert not any(path.startswith(("lib/", "bin/", "sbin/")) for path in recorded["files"])
    node.sh("tail -n 1 /root/docker.baseline | cut -d'\"' -f4 | tr a-f A-F | basenc -d --base16 >/root/signature\n"
            "sed '$d' /root/docker.baseline | openssl dgst -sha256 -verify /root/baseline.pem -signature /root/signature")
    node.sh(COMPARE, timeout=HASHING)
    node.sh("cp -a /usr/sbin/runc /root/runc.good && cp /bin/true /usr/sbin/runc && chmod 666 /etc/default/docker\n"
            "mkdir /run/systemd/system/docker.service.d && echo [Service] >/run/systemd/system/docker.service.d/x.conf\n"
            "setfattr -n security.ima -v 0x0404 /usr/bin/containerd")
    node.fails(COMPARE, "changed  usr/sbin/runc  (program of runc)", "mode: 0644 -> 0666",
               "added  run/systemd/system/docker.service.d/x.conf  (unit)", "xattr:security.ima: none -> 0404",
               "4 drifted, 0 of them explained", code=1, timeout=HASHING)
    node.sh("cp -a /root/runc.good /usr/sbin/runc && chmod 644 /etc/default/docker\n"
            "rm -r /run/systemd/system/docker.service.d && setfattr -x security.ima /usr/bin/containerd")
    node.sh("seaworthyctl integrity compare-baseline /root/docker.baseline --key baseline", timeout=HASHING)


def case_edited(node):
    """a baseline that was edited on the disk is refused"""
    node.sh("sed -i 's/\"0755\"/\"0777\"/' /root/docker.baseline")
    node.fails(COMPARE, "BASELINE_SIGNATURE_INVALID", code=1)
