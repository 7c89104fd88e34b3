"""The remote API over the node's network, with its server key in the TPM."""

from rig.backend import NAME, Backend
from rig.node import Boot
from rig.outside import Ca

BOOT = Boot()


def case_mutual_tls(node):
    """a client outside attests the node over mutual TLS; the role bounds what it may do"""
    node.sh("cp /etc/seaworthy/seaworthyd.toml /root/shipped.toml")
    backend = Backend(node)
    status = node.outside.ask(*backend.remote, "status")
    assert status["caller_role"] == "ATTESTER", status
    nonce = "33" * 32
    evidence, ak = node.outside.file("remote.evidence"), node.outside.file("remote-ak.pem")
    backend.ctl("ak", "--out", ak)
    backend.ctl("quote", "--nonce", nonce, "--out", evidence)
    node.outside.ctl("verify", "--evidence", evidence, "--nonce", nonce, "--ak", ak)
    _, error = backend.ctl("key", "create", "foreign", code=4)
    assert "ROLE_TOO_LOW" in error, error
    other_ca = Ca()
    foreign, foreign_key = other_ca.client(NAME)
    node.outside.ctl("--address", f"127.0.0.1:{node.port}", "--server-name", "node", "--ca",
                     backend.ca.certificate, "--cert", foreign, "--key", foreign_key, "status", code=3)
    node.until("grep -q UNKNOWN_CA /var/log/seaworthy/audit.jsonl")
    node.sh("cp /root/shipped.toml /etc/seaworthy/seaworthyd.toml; systemctl restart seaworthyd")
