"""The power goes in the middle of making and rotating keys: the next boot is whole."""

import json
import re
import time

from rig.node import Boot

BOOT = Boot()
# Seconds after the work begins; one round of it takes about one.
MOMENTS = (0.4, 1.3)
# What it has been told is done, it tells over the console: that outlives the cut.
WORK = """
nohup bash -c 'for i in $(seq 1000); do
  seaworthyctl key create cut$1-$i && echo "DONE create cut$1-$i" >/dev/ttyS0
  seaworthyctl key rotate cut$1-$i && echo "DONE rotate cut$1-$i" >/dev/ttyS0
  seaworthyctl key delete cut$1-$((i - 2)) --yes && echo "DONE delete cut$1-$((i - 2))" >/dev/ttyS0
done' work %d >/dev/null 2>&1 &
"""


def check_promises(number, console, names):
    """What was told as done before the cut is so after it. Returns how much that was."""
    done = {kind: [int(found) for found in re.findall(rf"DONE {kind} cut{number}-(\d+)\b", console)]
            for kind in ("create", "rotate", "delete")}
    # What follows a key's making, its rotation and the deletion of another, may not have been told.
    maybe_deleted = {made - 2 for made in done["create"]}
    for made in done["create"]:
        name = f"cut{number}-{made}"
        assert name in names or made in maybe_deleted, f"{name} was made, and is not in {names}"
    for deleted in done["delete"]:
        name = f"cut{number}-{deleted}"
        assert name not in names, f"{name} was deleted, and is in {names}"
    return len(done["create"])


def case_power_cuts(node):
    """after each of two cuts what was told as done is so, every key signs, none is damaged"""
    node.sh("seaworthyctl key create first; sync")
    promised = 0
    for number, moment in enumerate(MOMENTS):
        node.sh(WORK % number)
        node.console_says(f"DONE create cut{number}-3", timeout=60)
        time.sleep(moment)
        node.cut()
        console = node.console(whole=True)
        node.start(BOOT)
        node.until("systemctl is-active seaworthyd")
        node.until("seaworthyctl health")
        keys = json.loads(node.sh("seaworthyctl --output json key list"))["keys"]
        names = [key["name"] for key in keys]
        assert "first" in names, names
        assert all(not key.get("problem") for key in keys), keys
        promised += check_promises(number, console, names)
        for name in names:
            node.sh(f"seaworthyctl key sign {name} --file /etc/hostname")
        node.sh("".join(f"seaworthyctl key delete {name} --yes;" for name in names
                        if name.startswith("cut")) or "true")
    assert promised > 0, "nothing was told as done"
    audit = node.read("/var/log/seaworthy/audit.jsonl").split(b"\n")
    broken = [line for line in audit if line and not line.startswith(b"{")]
    assert len(broken) <= len(MOMENTS), broken
