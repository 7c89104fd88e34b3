"""The power goes in the middle of making and rotating keys: the next boot is whole."""

import json
import time

from rig.node import Boot

BOOT = Boot()
# Seconds after the work begins; one round of it takes about one.
MOMENTS = (0.4, 1.3)
WORK = """
nohup bash -c 'for i in $(seq 1000); do
  seaworthyctl key create cut$1-$i; seaworthyctl key rotate cut$1-$i
  seaworthyctl key delete cut$1-$((i - 1)) --yes
done' work %d >/dev/null 2>&1 &
"""


def case_power_cuts(node):
    """after each of two cuts every key there is signs, none is damaged, and the work goes on"""
    node.sh("seaworthyctl key create first; sync")
    seen = 0
    for number, moment in enumerate(MOMENTS):
        node.sh(WORK % number)
        node.until(f"seaworthyctl key list --names | grep -q cut{number}-1")
        time.sleep(moment)
        node.cut()
        node.start(BOOT)
        node.until("systemctl is-active seaworthyd")
        node.until("seaworthyctl health")
        keys = json.loads(node.sh("seaworthyctl --output json key list"))["keys"]
        names = [key["name"] for key in keys]
        assert "first" in names, names
        assert all(not key.get("problem") for key in keys), keys
        for name in names:
            node.sh(f"seaworthyctl key sign {name} --file /etc/hostname")
        seen += len(names) - 1
        node.sh("".join(f"seaworthyctl key delete {name} --yes;" for name in names
                        if name != "first") or "true")
    assert seen > 0, "no cut came in the middle of work"
    audit = node.read("/var/log/seaworthy/audit.jsonl").split(b"\n")
    broken = [line for line in audit if line and not line.startswith(b"{")]
    assert len(broken) <= len(MOMENTS), broken
