"""SELinux enforcing: the daemon works in its own domain, and is denied what it has no business in."""

import re

from rig.backend import REMOTE, Backend
from rig.node import Boot
from rig.outside import Ca

BOOT = Boot(selinux=True)
CONFIG = "/etc/seaworthy/seaworthyd.toml"
AUDIT = "/var/log/seaworthy/audit.jsonl"
# A shell that enters the daemon's domain as the daemon does: by the label of its file. It works
# with the shell's own commands alone, for the domain may start no program.
PROBE = "/root/probe"


def denials(node):
    """What SELinux denied in this boot and has to do with us."""
    _, journal = node.run("journalctl -b --no-pager -o cat | grep -E 'avc: +denied' | grep seaworthy")
    return journal


def case_domain(node):
    """process and files have the labels of the package's policy, as installed and after a reboot"""
    def check():
        processes = node.sh("ps -eo label,args | grep '[/]usr/sbin/seaworthyd'")
        assert "system_u:system_r:seaworthyd_t:" in processes, processes
        assert re.search("selinux +yes: enforcing", node.sh("seaworthyctl status"))
        for path, label in (("/usr/sbin/seaworthyd", "exec"), ("/etc/seaworthy", "etc"),
                            (CONFIG, "etc"), ("/var/lib/seaworthy", "var_lib"),
                            ("/var/lib/seaworthy/lock", "var_lib"), (AUDIT, "log"),
                            ("/lib/systemd/system/seaworthyd.service", "unit"),
                            ("/run/seaworthy/read/seaworthyd.sock", "runtime"),
                            ("/run/seaworthy/admin/seaworthyd.sock", "admin_runtime")):
            found = node.sh(f"stat -c %C {path}")
            assert f":seaworthyd_{label}_t:" in found, f"{path}: {found}"

    check()
    assert not denials(node), denials(node)
    node.reboot()
    node.until("systemctl is-active seaworthyd")
    check()


def case_local_work(node):
    """keys, certificates, quotes, reload, restart, rotated audit file: all works, none is denied"""
    node.until("seaworthyctl health")
    node.sh("seaworthyctl key create web && seaworthyctl key public web --out /root/web.pem")
    node.sh("seaworthyctl key sign web --file /etc/hostname --out /root/signature")
    node.sh("openssl dgst -sha256 -verify /root/web.pem -signature /root/signature /etc/hostname")
    ca = Ca()
    node.write("/root/chain.pem", ca.sign(node.sh("seaworthyctl key csr web --subject CN=web")))
    node.until("seaworthyctl key install web --chain /root/chain.pem")
    node.write("/root/next.pem", ca.sign(node.sh("seaworthyctl key rotate web --subject CN=web")))
    node.until("seaworthyctl key install web --chain /root/next.pem")
    node.sh("seaworthyctl key delete web --yes")
    nonce = "44" * 32
    node.sh("seaworthyctl ak --out /root/ak.pem")
    node.sh(f"seaworthyctl quote --nonce {nonce} --out /root/evidence")
    node.sh(f"seaworthyctl verify --evidence /root/evidence --nonce {nonce} --ak /root/ak.pem")
    assert ".platform" in node.sh("seaworthyctl integrity state")
    # The logs that the kernel keeps.
    node.sh(f"seaworthyctl attest --nonce {nonce} --export-dir /root/logs\n"
            "cmp /root/logs/binary_bios_measurements "
            "/sys/kernel/security/tpm0/binary_bios_measurements\n"
            "test -s /root/logs/binary_runtime_measurements")
    node.sh(f"mv {AUDIT} {AUDIT}.1 && systemctl reload seaworthyd")
    node.until(f"test -e {AUDIT}")
    # The directories of the sockets went with the service; it makes them anew.
    node.sh("systemctl restart seaworthyd")
    node.until("seaworthyctl health")
    node.sh("stat -c %C /run/seaworthy/admin | grep -q :seaworthyd_admin_runtime_t:")
    node.sh("usermod -aG seaworthy member")
    assert "READER" in node.sh("seaworthyctl status", user="member")
    assert not denials(node), denials(node)


def case_remote_work(node):
    """the remote API answers on 8443, and no other port may be listened on"""
    node.sh(f"cp {CONFIG} /root/shipped.toml")
    backend = Backend(node)
    status = node.outside.ask(*backend.remote, "status")
    assert status["caller_role"] == "ATTESTER", status
    assert not denials(node), denials(node)
    node.write(CONFIG, REMOTE.replace("8443", "9999"))
    node.sh("systemctl restart seaworthyd")
    node.until("seaworthyctl status | grep -E 'remote +.*Permission denied'")
    assert "{ name_bind }" in denials(node), denials(node)
    node.sh(f"cp /root/shipped.toml {CONFIG} && systemctl restart seaworthyd")


def case_denied(node):
    """in the daemon's domain root reads no secrets, changes no configuration, starts nothing"""
    node.sh(f"cp /bin/bash {PROBE} && chcon -t seaworthyd_exec_t {PROBE}")

    def probe(script):
        return f"{PROBE} -c '{script}'"

    # That the probe works, and where: what follows is denied by the domain and not by a mistake.
    inside = node.sh(probe("read -r label </proc/self/attr/current; echo $label; id() { "
                           "read -r x <$1 && echo had $1; }; id /etc/passwd; id " + CONFIG))
    assert "seaworthyd_t" in inside and f"had {CONFIG}" in inside, inside
    node.sh(probe(f"echo -n >>{AUDIT}"))
    node.sh("echo secret >/home/stranger/secret; echo secret >/root/secret")
    for script in ("read -r x </etc/shadow", "read -r x </home/stranger/secret",
                   "read -r x </root/secret", "read -r x </dev/vda", f"echo >>{CONFIG}",
                   f"echo -n >{AUDIT}", "echo >/etc/here", "echo >/tmp/here", "/bin/true",
                   "exec 3<>/dev/tcp/127.0.0.1/9"):
        # The same is done outside of the domain; there is only nobody on that port.
        if "/dev/tcp" in script:
            node.fails(f"bash -c '{script}'", "Connection refused")
        elif AUDIT not in script and CONFIG not in script:
            node.sh(f"bash -c '{script}'")
        node.fails(probe(script), "Permission denied")
    assert "shadow_t" in denials(node), denials(node)
    # What it may: end itself, as a failed check in a library does.
    node.fails(probe("kill -ABRT $$"), code=134)
    node.sh(f"rm {PROBE}")
