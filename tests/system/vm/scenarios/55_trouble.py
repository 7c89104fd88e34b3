"""A full disk, a wrong clock, a hung daemon, a flood: told or borne, and over when they are."""

import socket
import ssl
import threading
import time

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot()
PER_SOURCE = 64  # remote.limits.connections_per_source


def case_disk_full(node):
    """no room: a clear error, keys as they were; with room again calls work by themselves"""
    node.sh("seaworthyctl key create kept")
    before = node.sh("cd /var/lib/seaworthy && find . -type f -exec sha256sum {} + | sort")
    # ext4 keeps some blocks to itself, so it is full when it says so.
    node.sh("fallocate -l $(($(stat -f -c '%a*%S' /) - (64 << 20))) /filler\n"
            "cat /dev/zero >/filler2 2>/dev/null || sync")
    node.fails("cat /etc/passwd >/filler3", "No space left")
    said = node.fails("seaworthyctl key create more", code=4)
    assert "DISK_FULL" in said or "AUDIT_FAILED" in said, said
    assert "No space left" in said, said
    node.sh("seaworthyctl key show kept")
    node.sh("rm /filler*")
    assert node.sh("cd /var/lib/seaworthy && find . -type f -exec sha256sum {} + | sort") == before
    node.until("seaworthyctl key create more")
    node.until("seaworthyctl health")


def case_wrong_clock(node):
    """years ahead at boot, then years behind: the daemon runs, keys sign, certificates show it"""
    node.sh("seaworthyctl key create dated")
    certificate = Ca().sign(node.sh("seaworthyctl key csr dated --subject CN=dated"))
    node.write("/root/dated.pem", certificate)
    # Until: the node's clock may be a moment behind ours.
    node.until("seaworthyctl key install dated --chain /root/dated.pem")

    def tells(word, health):
        node.until("seaworthyctl key sign dated --file /etc/hostname")
        assert word in node.sh("seaworthyctl key show dated")
        # The module tells, too: degraded, not failed.
        assert health in node.sh("seaworthyctl status")

    node.reboot(clock="2035-05-06T07:08:09")
    node.until("systemctl is-active seaworthyd")
    tells("EXPIRED", "expired certificates: dated")
    # Decades back under the running daemon: no deadline of its may go by this clock.
    node.sh("date -s '2001-02-03 04:05:06'")
    tells("NOT YET VALID", "is the clock right: dated")
    node.sh(f"date -s @{time.time():.0f}")
    node.until("seaworthyctl key sign dated --file /etc/hostname")
    shown = node.sh("seaworthyctl key show dated")
    assert "EXPIRED" not in shown and "NOT YET VALID" not in shown, shown


def case_watchdog(node):
    """a daemon that hangs is ended by the watchdog and comes back"""
    # As in the unit, but for the time it takes.
    node.write("/run/systemd/system/seaworthyd.service.d/rig.conf",
               "[Service]\nWatchdogSec=5\nTimeoutStopSec=5\n")
    node.sh("systemctl daemon-reload; systemctl restart seaworthyd")
    pid = node.sh("systemctl show -p MainPID --value seaworthyd")
    node.sh(f"kill -STOP {pid}")
    node.until("systemctl show -p NRestarts --value seaworthyd | grep -qv '^0$'", timeout=60)
    node.until("seaworthyctl health")
    assert "watchdog" in node.sh("journalctl -b -u seaworthyd --no-pager").lower()
    assert node.sh("systemctl show -p MainPID --value seaworthyd") != pid
    node.sh("rm -r /run/systemd/system/seaworthyd.service.d; systemctl daemon-reload; "
            "systemctl restart seaworthyd; systemctl reset-failed seaworthyd")


def flood(port, stop):
    """Connections that say nothing, and handshakes without a certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    idle = []
    while not stop.is_set():
        try:
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=2))
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                with context.wrap_socket(connection) as tls:
                    tls.send(b"PRI * HTTP/2.0\r\n")
        except OSError:
            pass
        if len(idle) > 100:
            idle.pop(0).close()
    for connection in idle:
        connection.close()


def case_flood(node):
    """under a flood of handshakes and local calls all limits hold, local calls are answered"""
    node.write("/etc/seaworthy/clients.pem", Ca().pem())
    node.sh("cp /etc/seaworthy/seaworthyd.toml /root/shipped.toml")
    node.write("/etc/seaworthy/seaworthyd.toml",
               '[remote]\nlisten = "0.0.0.0:8443"\nclient_ca = "/etc/seaworthy/clients.pem"\n')
    node.sh("systemctl restart seaworthyd")
    node.until("seaworthyctl events --recent --count 1 >/dev/null; "
               "ss -ltn | grep -q :8443")
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(node.port, stop)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        node.sh("for i in $(seq 20); do (seaworthyctl key sign kept --file /etc/hostname "
                ">/dev/null 2>&1 &) ; done")
        node.until("seaworthyctl --timeout 20 key sign kept --file /etc/hostname")
        most = max(int(node.sh("ss -Htn state established 'sport = :8443' | wc -l; sleep 0.5"))
                   for _ in range(6))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # remote.limits: of one source, give or take what the kernel holds for the daemon to close.
    assert 0 < most <= PER_SOURCE + 8, most
    group = "/sys/fs/cgroup" + node.sh("systemctl show -p ControlGroup --value seaworthyd")
    assert node.sh("systemctl show -p NRestarts --value seaworthyd") == "0"
    assert "oom_kill 0" in node.sh(f"cat {group}/memory.events")
    peak, cap = (int(node.sh(f"cat {group}/memory.{name}")) for name in ("peak", "max"))
    assert peak < cap, (peak, cap)
    node.until("seaworthyctl health")
    refused = node.sh("grep -c '\"outcome\":\"refused\"' /var/log/seaworthy/audit.jsonl")
    assert int(refused) > 0
    node.sh("cp /root/shipped.toml /etc/seaworthy/seaworthyd.toml\nsystemctl restart seaworthyd")
