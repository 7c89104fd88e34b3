"""With SELinux, policies go by types: configuration is measured, too, and logs are not."""

from rig.node import Boot

BOOT = Boot(selinux=True)
ALONE = True
POLICY = "/root/docker.policy"
CONFIG = "/etc/docker/daemon.json"
LIST = "/sys/kernel/security/ima/ascii_runtime_measurements"


def case_types(node):
    """a type that only Docker's configuration has becomes a rule, which the kernel follows"""
    node.write(CONFIG, "{}\n")
    node.sh("restorecon -R /etc/docker")
    make = f"seaworthyctl integrity make-policy measure --out {POLICY}"
    said = node.sh(make)
    assert f"not measured: {CONFIG[1:]}" in said, said
    text = node.read(POLICY).decode()
    assert "obj_type" not in text, text
    # Debian's policy has no types for Docker: one that this node has no other file of stands in.
    node.sh(f"chcon -t httpd_sys_content_t {CONFIG}")
    said = node.sh(make)
    assert f"not measured: {CONFIG[1:]}" not in said, said
    said = node.sh(f"seaworthyctl integrity simulate-policy {POLICY} {CONFIG} /var/log")
    assert f"{CONFIG[1:]}: measured (read)" in said and ": 1 measured" in said, said
    node.sh(f"seaworthyctl integrity install-policy --now {POLICY}")
    node.sh(f"cat {CONFIG} /var/log/dpkg.log >/dev/null; runc --version")
    found = node.sh(f"cat {LIST}")
    assert f" {CONFIG}" in found and " /usr/sbin/runc" in found, found
    assert " /var/log" not in found, found
