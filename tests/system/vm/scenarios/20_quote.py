"""A quote made on the node convinces a verifier outside, and tells it of a changed PCR."""

from rig.node import Boot

BOOT = Boot()


def case_quote_verified_outside(node):
    """trusted outside over its nonce; not over another one, nor with a PCR extended since"""
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
