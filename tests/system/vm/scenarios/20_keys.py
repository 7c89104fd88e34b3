"""Keys outlive reboots, quotes convince a verifier outside."""

from rig.node import Boot

BOOT = Boot()


def case_keys_sign_after_a_reboot(node):
    """a key made before a reboot signs after it, and OpenSSL agrees"""
    node.sh("seaworthyctl key create kept; seaworthyctl key public kept --out /root/kept.pem")
    node.reboot()
    node.until("systemctl is-active seaworthyd")
    node.sh("seaworthyctl key sign kept --file /etc/hostname --out /root/signature")
    node.sh("openssl dgst -sha256 -verify /root/kept.pem -signature /root/signature /etc/hostname")
    node.fails("openssl dgst -sha256 -verify /root/kept.pem -signature /root/signature /etc/hosts")


def case_quote_verified_outside(node):
    """a quote made on the node is trusted outside; another nonce or another node's key is not"""
    outside = node.outside
    nonce, other = "11" * 32, "22" * 32
    node.sh("seaworthyctl ak --out /root/ak.pem")
    node.sh(f"seaworthyctl quote --nonce {nonce} --out /root/evidence")
    evidence = outside.file("evidence", node.read("/root/evidence"))
    ak = outside.file("ak.pem", node.read("/root/ak.pem"))
    judge = ("verify", "--evidence", evidence, "--ak", ak)
    outside.ctl(*judge, "--nonce", nonce)
    said, _ = outside.ctl(*judge, "--nonce", other, code=1)
    assert "NOT trusted" in said, said
    # PCR 16 is for debugging: anybody may extend it, and the next quote shows it.
    zero = "sha256:16=" + "00" * 32
    outside.ctl(*judge, "--nonce", nonce, "--expect-pcr", zero)
    node.sh("tpm2_pcrextend 16:sha256=" + "ab" * 32)
    node.sh(f"seaworthyctl quote --nonce {other} --out /root/evidence")
    outside.file("evidence", node.read("/root/evidence"))
    outside.ctl(*judge, "--nonce", other)
    outside.ctl(*judge, "--nonce", other, "--expect-pcr", zero, code=1)
