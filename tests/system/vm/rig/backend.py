"""A backend's side of attestation: mutual TLS to one node, its enrolled key, rounds of evidence."""

import json
import secrets

from rig.outside import Ca

NAME = "URI:spiffe://rig/backend"
REMOTE = f"""
[remote]
listen = "0.0.0.0:8443"
client_ca = "/etc/seaworthy/clients.pem"
server_names = ["node"]
[[remote.role]]
san = "{NAME}"
role = "ATTESTER"
"""


class Backend:
    """Sets up the node's listener for itself; `remote` are seaworthyctl's arguments for a call."""

    def __init__(self, node):
        self.node = node
        self.outside = node.outside
        self.ca = Ca()
        # Early: the node's clock may be a moment behind ours.
        certificate, key = self.ca.client(NAME)
        node.write("/etc/seaworthy/clients.pem", self.ca.pem())
        node.write("/etc/seaworthy/seaworthyd.toml", REMOTE)
        node.sh("seaworthyd --check\nsystemctl restart seaworthyd")
        node.until("seaworthyctl health")
        csr = node.until("seaworthyctl key csr remote-api --subject CN=node --dns node")
        node.write("/root/chain.pem", self.ca.sign(csr))
        node.until("seaworthyctl key install remote-api --chain /root/chain.pem")
        # Taken up by the thread that tends the listener, not by the call.
        node.until("ss -ltn | grep -q ':8443 ' && seaworthyctl --timeout 2 events --recent | "
                   "grep -q remote.credentials")
        self.remote = ("--address", f"127.0.0.1:{node.port}", "--server-name", "node", "--ca",
                       self.ca.certificate, "--cert", certificate, "--key", key)
        self.ak = self.outside.file("ak.pem")
        self.state = self.outside.file("state")
        self.evidence = self.outside.file("evidence")
        self.policy = self.outside.file("policy.json")
        self.state.unlink(missing_ok=True)

    def ctl(self, *arguments, code=0):
        return self.outside.ctl(*self.remote, *arguments, code=code)

    def enrol(self):
        """All of it over the network: the node runs nothing for it."""
        offer, challenge, pending, answer = (self.outside.file(name) for name in
                                             ("offer", "challenge", "pending", "answer"))
        roots = self.outside.folder / "roots"
        roots.mkdir(exist_ok=True)
        (roots / "vendor.pem").write_text(self.node.tpm.ca_pem())
        self.ctl("enrol", "offer", "--out", offer)
        self.outside.ctl("enrol", "challenge", "--offer", offer, "--roots", roots, "--out",
                         challenge, "--pending", pending)
        self.ctl("enrol", "answer", "--challenge", challenge, "--out", answer)
        self.outside.ctl("enrol", "finish", "--pending", pending, "--answer", answer, "--out",
                         self.ak)

    def learn(self, pcrs):
        """A policy from the node as it is now."""
        self.policy.unlink(missing_ok=True)
        self._attest()
        self.outside.ctl("policy", "learn", "--evidence", self.evidence, "--pcrs", pcrs, "--out",
                         self.policy)

    def edit(self, change):
        """Has `change` change the policy, a dict."""
        policy = json.loads(self.policy.read_text())
        change(policy)
        self.policy.write_text(json.dumps(policy))

    def round(self):
        """(trusted, findings) of one round, incremental where there was one before."""
        nonce = self._attest("--state", self.state)
        judge = ("--output", "json", "verify", "--evidence", self.evidence, "--nonce", nonce,
                 "--ak", self.ak, "--policy", self.policy, "--state", self.state)
        said, _ = self.outside.ctl(*judge, code=None)
        verdict = json.loads(said)
        return verdict["trusted"], verdict["findings"]

    def trusts(self):
        trusted, findings = self.round()
        assert trusted, failures(findings)
        return findings

    def distrusts(self, *expected):
        """Each (code, words) must be among what failed, and no other code."""
        trusted, findings = self.round()
        failed = failures(findings)
        assert not trusted
        for code, words in expected:
            assert any(finding["code"] == code and words in json.dumps(finding)
                       for finding in failed), (code, words, failed)
        strange = {finding["code"] for finding in failed} - {code for code, _ in expected}
        assert not strange, failed
        return failed

    def _attest(self, *more):
        nonce = secrets.token_hex(32)
        self.ctl("attest", "--nonce", nonce, "--out", self.evidence, *more)
        return nonce


def failures(findings):
    return [finding for finding in findings if finding["severity"] == "FAILURE"]
