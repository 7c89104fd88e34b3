"""Docker's own unit is hardened, drifts, is rolled back, and loses its power meanwhile: it always works."""

import json
import time

from rig.node import Boot

BOOT = Boot()
ALONE = True
CONFIG = "/etc/docker/daemon.json"
IMPORT = ("mkdir -p /root/layer/bin; cp /bin/busybox /root/layer/bin; "
          "ln -s busybox /root/layer/bin/sleep; tar -C /root/layer -c . | docker import - box")
# The steps at which the power goes, as the command tells them.
STEPS = ("reload", "write", "restart", "check", "canary")
ADMIN = "--socket /run/seaworthy/admin/seaworthyd.sock"
SITE = "/etc/seaworthy/docker-profiles/site.json"


def ctl(node, command, code=0):
    """The JSON that it answers."""
    got, said = node.run(f"seaworthyctl --output json docker {command} 2>/tmp/said", timeout=240)
    assert got == code, f"{got}: {said}\n{node.sh('cat /tmp/said')}"
    return json.loads(said)


def fails(report):
    return {finding["check"] for finding in report["findings"] if finding["outcome"] == "fail"}


def pid_of(node, container):
    return node.sh(f"docker inspect -f '{{{{.State.Pid}}}}' {container}")


def works(node):
    """The engine starts a container."""
    node.until("docker info >/dev/null", timeout=120)
    assert node.sh("docker run --rm --network none box /bin/busybox echo well", timeout=120) == "well"


def case_apply(node):
    """audit, plan, apply of the standard profile on docker.service: a container keeps its process, fewer
    checks fail, the second plan has nothing to do"""
    node.sh("systemctl start docker.service", timeout=120)
    node.sh(IMPORT, timeout=120)
    node.sh("docker run -d --name kept --network none box /bin/busybox sleep 100000", timeout=120)
    before, pid = fails(ctl(node, "audit", code=1)), pid_of(node, "kept")
    plan = ctl(node, "plan", code=1)
    assert plan["effect"] == "restart" and not plan["consents"], plan
    done = ctl(node, f"apply --yes --digest {plan['digest']}")
    assert done["result"] == "applied", done
    assert pid_of(node, "kept") == pid
    assert node.sh("systemctl show -P NRestarts -P ActiveState docker.service").split()[-1] == "active"
    after = fails(ctl(node, "audit", code=1))
    # Now that there is a daemon.json the benchmark asks for an audit rule for it, too.
    assert not after - before - {"1.1.11"}, after - before
    assert {"2.14", "2.15"} <= before - after, before - after
    assert not ctl(node, "plan")["files"]
    works(node)
    # With a container on it the bridge stays as it was, as the plan said; without, it does not.
    assert any("icc" in warning for warning in plan["warnings"]), plan["warnings"]
    bridge = "docker network inspect -f '{{index .Options \"com.docker.network.bridge.enable_icc\"}}' bridge"
    assert node.sh(bridge) == "true"


def case_rollback(node):
    """a profile that this engine does not start with is undone, and what was applied is rolled back"""
    pid, text = pid_of(node, "kept"), node.sh(f"cat {CONFIG}")
    node.sh("mkdir -p -m 755 /etc/seaworthy/docker-profiles")
    node.write(SITE, json.dumps({
        "name": "site", "description": "What no engine starts with.",
        "settings": [{"key": "dns", "value": ["nowhere"], "why": "It is wrong."}]}))
    undone = ctl(node, "apply --yes --profile site", code=1)
    assert undone["result"] == "restored", undone
    assert node.sh(f"cat {CONFIG}") == text
    assert pid_of(node, "kept") == pid
    works(node)
    back = ctl(node, "rollback --yes")
    assert back["result"] == "applied", back
    node.fails(f"test -e {CONFIG}")
    assert pid_of(node, "kept") == pid
    results = [entry["result"] for entry in ctl(node, "history")["transactions"]]
    assert results == ["applied", "restored", "applied"], results
    works(node)


def case_flag(node):
    """what stands on the unit's command line goes by a drop-in, and comes back by the rollback"""
    node.sh("mkdir -p /etc/systemd/system/docker.service.d; printf '[Service]\\nExecStart=\\n"
            "ExecStart=/usr/sbin/dockerd -H fd:// --icc=true --log-level info\\n' "
            ">/etc/systemd/system/docker.service.d/10-site.conf; systemctl daemon-reload; "
            "systemctl restart docker.service", timeout=120)
    node.sh("docker start kept", timeout=60)
    plan = ctl(node, "plan", code=1)
    paths = [file["path"] for file in plan["files"]]
    assert "/etc/systemd/system/docker.service.d/50-seaworthy.conf" in paths, plan
    done = ctl(node, "apply --yes")
    assert done["result"] == "applied", done
    command = node.sh("tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline")
    assert "--icc" not in command and "--log-level info" in command, command
    works(node)
    assert ctl(node, "rollback --yes")["result"] == "applied"
    assert "--icc=true" in node.sh("tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline")
    node.fails("test -e /etc/systemd/system/docker.service.d/50-seaworthy.conf")
    node.sh("rm /etc/systemd/system/docker.service.d/10-site.conf; systemctl daemon-reload; "
            "systemctl restart docker.service", timeout=120)
    works(node)


def case_api(node):
    """over the API the hardener does it, in its unit's sandbox; its watch tells what somebody edits, and undoes it"""
    pid = pid_of(node, "kept")
    here, there = (fails(ctl(node, f"audit {where}", code=1)) for where in ("", ADMIN))
    assert here == there, here ^ there
    plan = ctl(node, f"plan {ADMIN}", code=1)
    done = ctl(node, f"apply --yes --digest {plan['digest']} {ADMIN}")
    assert done["result"] == "applied", done
    assert pid_of(node, "kept") == pid
    assert [entry["id"] for entry in ctl(node, f"history {ADMIN}")["transactions"]][0] == done["id"]
    assert ctl(node, f"rollback --yes {ADMIN}")["result"] == "applied"
    node.write(SITE, json.dumps({
        "name": "site", "description": "What is kept.", "reapply": True,
        "settings": [{"key": "max-concurrent-downloads", "value": 2, "why": "The line is slow."}]}))
    node.sh("seaworthyctl docker apply --yes --profile site; systemctl start seaworthy-hardener-watch",
            timeout=120)
    node.until("journalctl -u seaworthy-hardener-watch | grep -q audit", timeout=60)
    node.sh(f"echo '{{\"max-concurrent-downloads\": 9}}' >{CONFIG}")
    node.until("journalctl -u seaworthy-hardener-watch | grep -q reapplied", timeout=120)
    assert json.loads(node.sh(f"cat {CONFIG}")) == {"max-concurrent-downloads": 2}
    node.sh(f"systemctl stop seaworthy-hardener-watch; rm {CONFIG}; systemctl restart docker.service",
            timeout=120)
    works(node)


def case_power(node):
    """cut off at each step of an apply, the next boot has a working engine with the old file or the new"""
    node.sh("systemctl enable -q docker.service; sync")
    for step in STEPS:
        # Slowed down at that step, so that the power goes within it.
        node.sh("nohup bash -c 'seaworthyctl docker apply --yes 2>&1 | while read line; do "
                "echo \"STEP $line\" >/dev/ttyS0; done' >/dev/null 2>&1 &")
        node.console_says(f"STEP {step}", timeout=180)
        time.sleep(0.05)
        node.cut()
        node.start(BOOT)
        works(node)
        plan = node.run("seaworthyctl --output json docker plan")[1]
        wanted = json.loads(plan)
        whole = not wanted["files"]
        assert whole or not json.loads(node.sh(f"cat {CONFIG} 2>/dev/null || echo '{{}}'")), plan
        assert node.run("test -e /var/lib/seaworthy-hardener/current.json")[0] != 0
        if whole:
            ctl(node, "rollback --yes")
