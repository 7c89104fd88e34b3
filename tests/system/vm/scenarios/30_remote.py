"""The remote API over the node's network, with its server key in the TPM."""

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot()
BACKEND = "URI:spiffe://rig/backend"
REMOTE = f"""
[remote]
listen = "0.0.0.0:8443"
client_ca = "/etc/seaworthy/clients.pem"
server_names = ["node"]
[[remote.role]]
san = "{BACKEND}"
role = "ATTESTER"
"""


def case_mutual_tls(node):
    """a client outside attests the node over mutual TLS; the role bounds what it may do"""
    ca = Ca()
    # Early: the node's clock may be a moment behind ours.
    certificate, key = ca.client(BACKEND)
    node.write("/etc/seaworthy/clients.pem", ca.pem())
    node.sh("cp /etc/seaworthy/seaworthyd.toml /root/shipped.toml")
    node.write("/etc/seaworthy/seaworthyd.toml", REMOTE)
    node.sh("seaworthyd --check\nsystemctl restart seaworthyd")
    node.until("seaworthyctl health")
    csr = node.until("seaworthyctl key csr remote-api --subject CN=node --dns node")
    node.write("/root/chain.pem", ca.sign(csr))
    node.until("seaworthyctl key install remote-api --chain /root/chain.pem")
    # Taken up by the thread that tends the listener, not by the call.
    node.until("ss -ltn | grep -q ':8443 ' && seaworthyctl --timeout 2 events --recent | "
               "grep -q remote.credentials")
    remote = ("--address", f"127.0.0.1:{node.port}", "--server-name", "node", "--ca",
              ca.certificate, "--cert", certificate, "--key", key)
    status = node.outside.ask(*remote, "status")
    assert status["caller_role"] == "ATTESTER", status
    nonce = "33" * 32
    evidence, ak = node.outside.file("remote.evidence"), node.outside.file("remote-ak.pem")
    node.outside.ctl(*remote, "ak", "--out", ak)
    node.outside.ctl(*remote, "quote", "--nonce", nonce, "--out", evidence)
    node.outside.ctl("verify", "--evidence", evidence, "--nonce", nonce, "--ak", ak)
    _, error = node.outside.ctl(*remote, "key", "create", "foreign", code=4)
    assert "ROLE_TOO_LOW" in error, error
    other_ca = Ca()
    foreign, foreign_key = other_ca.client(BACKEND)
    node.outside.ctl("--address", f"127.0.0.1:{node.port}", "--server-name", "node", "--ca",
                     ca.certificate, "--cert", foreign, "--key", foreign_key, "status", code=3)
    node.until("grep -q UNKNOWN_CA /var/log/seaworthy/audit.jsonl")
    node.sh("cp /root/shipped.toml /etc/seaworthy/seaworthyd.toml; systemctl restart seaworthyd")
