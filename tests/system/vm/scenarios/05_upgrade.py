"""An upgrade keeps keys and configuration; remove keeps the state, purge takes it."""

from rig.node import Boot

BOOT = Boot()
INSTALLED = False


def case_upgrade(node):
    """from an earlier build to this one: keys sign, an edited configuration stays"""
    node.sh("dpkg -i /job/earlier-seaworthyd.deb /job/earlier-seaworthyctl.deb", timeout=180)
    node.until("systemctl is-active seaworthyd")
    node.sh("seaworthyctl key create kept; seaworthyctl key public kept --out /root/kept.pem")
    node.sh("sed -i 's/^level = .*/level = \"debug\"/' /etc/seaworthy/seaworthyd.toml")
    before = node.sh("systemctl show -p MainPID --value seaworthyd")
    node.sh("dpkg -i /job/seaworthyd.deb /job/seaworthyctl.deb", timeout=180)
    node.until("systemctl is-active seaworthyd")
    assert node.sh("systemctl show -p MainPID --value seaworthyd") != before, "not restarted"
    node.sh("grep -q '^level = \"debug\"' /etc/seaworthy/seaworthyd.toml")
    node.sh("seaworthyctl key sign kept --file /etc/hostname --out /root/signature")
    node.sh("openssl dgst -sha256 -verify /root/kept.pem -signature /root/signature /etc/hostname")


def case_remove_and_purge(node):
    """remove stops the service and keeps the keys; installed again they sign; purge takes all"""
    node.sh("dpkg -r seaworthyd", timeout=120)
    node.fails("systemctl is-active seaworthyd")
    node.sh("test -e /var/lib/seaworthy/keys/kept")
    node.sh("dpkg -i /job/seaworthyd.deb", timeout=180)
    node.until("seaworthyctl key sign kept --file /etc/hostname")
    node.sh("dpkg -P seaworthyctl seaworthyd", timeout=120)
    left = node.sh("ls -d /etc/seaworthy /var/lib/seaworthy /var/log/seaworthy /run/seaworthy "
                   "/usr/share/seaworthy 2>/dev/null || true")
    assert left == "", left
