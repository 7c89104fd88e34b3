#!/usr/bin/python3
"""The daemon judged by programs that are not ours, all sharing one TPM through tpm2-abrmd:
python3-grpcio (client code made from our .proto), openssl, tpm2-openssl, tpm2-pkcs11, tpm2-tools.

Usage: interop_test.py BIN_DIR   (where seaworthyd and seaworthyctl are)
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None
TCTI = "tabrmd:bus_type=session"
DEADLINE_SECONDS = 30
BOOT_LOG = SOURCE / "tests/data/captures/ovmf-secureboot-uki/binary_bios_measurements"


def until(condition, what):
    """Waits until condition() is true; readiness is seen, never slept for."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"not in time: {what}")


class Node:
    """swtpm, a private D-Bus with tpm2-abrmd on it, and seaworthyd, in a folder of their own."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="seaworthy-interop-"))
        self.processes = []
        self.env = dict(os.environ, TSS2_LOG="all+NONE")

    def path(self, name):
        return str(self.root / name)

    def spawn(self, *command, **options):
        log = open(self.path(pathlib.Path(command[0]).name + ".log"), "ab")
        process = subprocess.Popen(command, stdout=options.pop("stdout", log), stderr=log,
                                   env=self.env, **options)
        log.close()
        self.processes.append(process)
        return process

    def run(self, *command, ok=True, stdin=None):
        done = subprocess.run(command, env=self.env, cwd=self.root, input=stdin,
                              capture_output=True, timeout=60)
        if ok and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n"
                                 f"{done.stdout.decode(errors='replace')}\n"
                                 f"{done.stderr.decode(errors='replace')}")
        return done

    def ctl(self, *arguments, ok=True):
        return self.run(str(BIN / "seaworthyctl"), "--socket", self.path("admin/s"), *arguments,
                        ok=ok)

    def start(self):
        self.make_tpm()
        self.spawn("swtpm", "socket", "--tpm2", "--server",
                   f"type=unixio,path={self.path('swtpm')}", "--ctrl",
                   f"type=unixio,path={self.path('swtpm.ctrl')}", "--tpmstate",
                   f"dir={self.path('tpm')}", "--flags", "not-need-init,startup-clear")
        until(lambda: (self.root / "swtpm").exists(), "swtpm's socket")
        bus = self.spawn("dbus-daemon", "--session", "--nofork", "--print-address=1",
                         stdout=subprocess.PIPE)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()
        bus.stdout.close()
        self.spawn("tpm2-abrmd", "--session", "--allow-root",
                   f"--tcti=swtpm:path={self.path('swtpm')}")
        self.env.update(TPM2TOOLS_TCTI=TCTI, TPM2OPENSSL_TCTI=TCTI, TPM2_PKCS11_TCTI=TCTI,
                        TPM2_PKCS11_STORE=self.path("pkcs11"))
        until(lambda: self.run("tpm2_getcap", "properties-fixed", ok=False).returncode == 0,
              "tpm2-abrmd")
        self.make_ca("ca")
        self.make_ca("foreign")
        self.make_client("ca", "backend", "URI:spiffe://example/backend")
        self.make_client("ca", "watcher", "DNS:watcher.example")
        self.make_client("ca", "stranger", "DNS:stranger.example")
        self.make_client("foreign", "impostor", "URI:spiffe://example/backend")
        self.port = self.free_port()
        self.write_config()
        self.spawn(str(BIN / "seaworthyd"), "--config", self.path("seaworthyd.toml"))
        until(lambda: self.ctl("status", ok=False).returncode == 0, "seaworthyd")

    def make_tpm(self):
        """A TPM with an endorsement key that its maker's CA has certified."""
        for name in ("tpm", "vendor"):
            (self.root / name).mkdir()
        (self.root / "vendor.options").write_text("")
        (self.root / "vendor.conf").write_text(
            f"statedir = {self.path('vendor')}\nsigningkey = {self.path('vendor/signkey.pem')}\n"
            f"issuercert = {self.path('vendor/issuercert.pem')}\n"
            f"certserial = {self.path('vendor/serial')}\n")
        (self.root / "setup.conf").write_text(
            f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
            f"create_certs_tool_config = {self.path('vendor.conf')}\n"
            f"create_certs_tool_options = {self.path('vendor.options')}\n")
        # As root it would become the user tss, who may not write here.
        as_root = ["--runas", "root"] if os.getuid() == 0 else []
        self.run("swtpm_setup", "--tpm2", "--tpmstate", self.path("tpm"), "--create-ek-cert",
                 "--config", self.path("setup.conf"), *as_root)

    def measure(self, *arguments):
        """What firmware and kernel would do."""
        self.run(sys.executable, str(SOURCE / "tests/system/measuring.py"), *arguments)

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def write_config(self):
        (self.root / "seaworthyd.toml").write_text(f"""
[node]
state_dir = "{self.path('state')}"
[tpm]
tcti = "{TCTI}"
[local]
admin_socket = "{self.path('admin/s')}"
read_socket = "{self.path('read/s')}"
read_group = ""
[attestation]
boot_log = "{BOOT_LOG}"
ima_list = "{self.path('ima_list')}"
[audit]
file = "{self.path('audit.jsonl')}"
[remote]
listen = "127.0.0.1:{self.port}"
server_names = ["localhost"]
client_ca = "{self.path('ca.pem')}"
[[remote.role]]
san = "URI:spiffe://example/backend"
role = "OPERATOR"
[[remote.role]]
san = "DNS:watcher.example"
role = "READER"
""")

    def make_ca(self, name):
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key", "-out",
                 f"{name}.pem", "-subj", f"/CN=Test {name}", "-days", "30")

    def make_client(self, ca, name, san):
        self.run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                 f"/CN={name}")
        self.sign(ca, f"{name}.csr", f"{name}.pem", f"subjectAltName={san}")

    def sign(self, ca, csr, out, extensions):
        (self.root / "extensions.cnf").write_text(extensions + "\n")
        self.run("openssl", "x509", "-req", "-in", csr, "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
                 "-CAcreateserial", "-days", "10", "-out", out, "-extfile", "extensions.cnf")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node()
        cls.addClassCleanup(cls.node.stop)
        cls.node.start()
        cls.make_client_code()

    @classmethod
    def make_client_code(cls):
        out = cls.node.root / "python"
        out.mkdir()
        protos = [str(p) for p in sorted((SOURCE / "proto/seaworthy/v1").glob("*.proto"))]
        cls.node.run(sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCE / 'proto'}",
                     f"--python_out={out}", f"--grpc_python_out={out}", *protos)
        sys.path.insert(0, str(out))
        # pylint: disable=import-error,import-outside-toplevel
        import grpc
        from seaworthy.v1 import (attestation_pb2, attestation_pb2_grpc, common_pb2, key_pb2,
                                  key_pb2_grpc, node_pb2, node_pb2_grpc)
        cls.grpc = grpc
        cls.attestation = (attestation_pb2, attestation_pb2_grpc)
        cls.common = common_pb2
        cls.key = (key_pb2, key_pb2_grpc)
        cls.nodes = (node_pb2, node_pb2_grpc)

    def channel(self, socket_name):
        channel = self.grpc.insecure_channel(f"unix:{self.node.path(socket_name)}")
        self.addCleanup(channel.close)
        return channel

    def remote(self, client=None):
        read = lambda name: (self.node.root / name).read_bytes()
        server_certificate = self.node.run(
            "sh", "-c", f"openssl s_client -connect 127.0.0.1:{self.node.port} -cert backend.pem "
            "-key backend.key </dev/null 2>/dev/null | openssl x509").stdout
        credentials = self.grpc.ssl_channel_credentials(
            server_certificate, *((read(f"{client}.key"), read(f"{client}.pem")) if client
                                  else (None, None)))
        channel = self.grpc.secure_channel(f"localhost:{self.node.port}", credentials)
        self.addCleanup(channel.close)
        return channel

    def get_status(self, channel):
        messages, stubs = self.nodes
        return stubs.NodeServiceStub(channel).GetStatus(messages.GetStatusRequest(), timeout=10)

    def refused(self, call):
        with self.assertRaises(self.grpc.RpcError) as caught:
            call()
        error = caught.exception
        reason = dict(error.trailing_metadata() or ()).get("seaworthy-reason")
        return error.code(), reason

    def test_python_client_on_both_sockets(self):
        messages, stubs = self.key
        admin = self.get_status(self.channel("admin/s"))
        self.assertTrue(admin.tpm.available, admin.tpm.problem)
        self.assertEqual(admin.caller_role, self.common.ADMIN)
        self.assertEqual(self.get_status(self.channel("read/s")).caller_role, self.common.READER)
        request = messages.CreateKeyRequest(name="python")
        code, reason = self.refused(
            lambda: stubs.KeyServiceStub(self.channel("read/s")).CreateKey(request, timeout=10))
        self.assertEqual((code, reason), (self.grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW"))
        keys = stubs.KeyServiceStub(self.channel("admin/s"))
        made = keys.CreateKey(request, timeout=30)
        self.assertIn("fixedTPM", made.attributes)
        digest = hashlib.sha256(b"from python").digest()
        signed = keys.Sign(messages.SignRequest(name="python", hash=self.common.SHA256,
                                                digest=digest), timeout=10)
        (self.node.root / "python.pub").write_text(made.public_key_pem)
        (self.node.root / "python.sig").write_bytes(signed.signature)
        self.node.run("openssl", "dgst", "-sha256", "-verify", "python.pub", "-signature",
                      "python.sig", stdin=b"from python")
        wrong = self.node.run("openssl", "dgst", "-sha256", "-verify", "python.pub", "-signature",
                              "python.sig", stdin=b"from pythoN", ok=False)
        self.assertNotEqual(wrong.returncode, 0)

    def test_python_client_over_mutual_tls(self):
        messages, stubs = self.key
        self.assertEqual(self.get_status(self.remote("backend")).caller_role,
                         self.common.OPERATOR)
        watcher = self.remote("watcher")
        self.assertEqual(self.get_status(watcher).caller_role, self.common.READER)
        request = messages.SignRequest(name="x", hash=self.common.SHA256, digest=bytes(32))
        self.assertEqual(
            self.refused(lambda: stubs.KeyServiceStub(watcher).Sign(request, timeout=10)),
            (self.grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW"))
        self.assertEqual(self.refused(lambda: self.get_status(self.remote("stranger"))),
                         (self.grpc.StatusCode.PERMISSION_DENIED, "UNKNOWN_CLIENT"))
        for client in (None, "impostor"):
            code, _ = self.refused(lambda c=client: self.get_status(self.remote(c)))
            self.assertEqual(code, self.grpc.StatusCode.UNAVAILABLE, client)
        # A refused handshake is recorded after its client was told.
        for reason in ("ROLE_TOO_LOW", "UNKNOWN_CLIENT", "NO_CLIENT_CERTIFICATE", "UNKNOWN_CA"):
            until(lambda wanted=reason: wanted in self.refusals(), f"{reason} in the audit")

    def refusals(self):
        """The reasons in the audit so far."""
        lines = (self.node.root / "audit.jsonl").read_text().split("\n")[:-1]
        return [record["reason"] for record in map(json.loads, lines)
                if record["outcome"] == "refused"]

    def test_backend_of_the_documentation(self):
        node, nonce = self.node, "66" * 32
        node.measure("boot", str(BOOT_LOG), node.path("ima_list"))
        (node.root / "runc").write_text("a container runtime")
        node.measure("use", node.path("ima_list"), "/usr/bin/runc", node.path("runc"))
        node.ctl("attest", "--nonce", nonce, "--out", node.path("good"))
        node.ctl("policy", "learn", "--evidence", node.path("good"), "--out",
                 node.path("policy.json"))
        # What it trusts: for the node's listener, for the TPM; and its own certificate.
        for name in ("tls", "known"):
            (node.root / name).mkdir()
        node.run("sh", "-c", f"openssl s_client -connect 127.0.0.1:{node.port} -cert backend.pem "
                 "-key backend.key </dev/null 2>/dev/null | openssl x509 >tls/ca.pem\n"
                 "cp backend.pem tls/client.pem; cp backend.key tls/client.key\n"
                 "cat vendor/*cert.pem >vendors.pem")

        def backend():
            return node.run(str(BIN / "backend_example"), f"localhost:{node.port}", "tls",
                            "vendors.pem", "policy.json", "known", ok=False)

        first = backend()
        self.assertEqual((first.returncode, first.stdout), (0, b"trusted\n"), first.stderr)
        self.assertEqual(json.loads((node.root / "known/state").read_text())["ima_entries"], 2)
        self.assertEqual(backend().returncode, 0)
        (node.root / "runc").write_text("another")
        node.measure("use", node.path("ima_list"), "/usr/bin/runc", node.path("runc"))
        changed = backend()
        self.assertEqual(changed.returncode, 1)
        self.assertIn(b"IMA_FILE_CHANGED /usr/bin/runc", changed.stdout)
        # Another TPM's maker.
        shutil.rmtree(node.root / "known")
        (node.root / "known").mkdir()
        shutil.copy(node.root / "ca.pem", node.root / "vendors.pem")
        stranger = backend()
        self.assertEqual(stranger.returncode, 1)
        self.assertIn(b"EK_ROOT_UNKNOWN", stranger.stdout)

    def test_openssl_s_client_speaks_tls_1_3_only(self):
        connect = ("openssl", "s_client", "-connect", f"127.0.0.1:{self.node.port}", "-cert",
                   "backend.pem", "-key", "backend.key", "-alpn", "h2")
        done = self.node.run(*connect, stdin=b"")
        self.assertIn(b"TLSv1.3", done.stdout)
        self.assertIn(b"ALPN protocol: h2", done.stdout)
        old = self.node.run(*connect, "-tls1_2", stdin=b"", ok=False)
        self.assertNotEqual(old.returncode, 0)
        self.assertIn(b"protocol version", old.stderr)

    def make(self, name, algorithm):
        self.node.ctl("key", "create", name, "--algorithm", algorithm)
        pem = self.node.ctl("key", "pem", name).stdout
        (self.node.root / f"{name}.tss2.pem").write_bytes(pem)
        (self.node.root / f"{name}.pub").write_bytes(self.node.ctl("key", "public", name).stdout)
        (self.node.root / "message").write_bytes(b"signed by another program")

    def test_exported_pem_signs_through_tpm2_openssl(self):
        for algorithm in ("ec-p256", "ec-p384", "rsa-2048"):
            with self.subTest(algorithm=algorithm):
                name = f"openssl-{algorithm}"
                self.make(name, algorithm)
                self.node.run("openssl", "dgst", "-provider", "tpm2", "-provider", "default",
                              "-propquery", "?provider=tpm2", "-sha256", "-sign",
                              f"{name}.tss2.pem", "-out", f"{name}.sig", "message")
                self.node.run("openssl", "dgst", "-sha256", "-verify", f"{name}.pub",
                              "-signature", f"{name}.sig", "message")

    def test_exported_pem_links_into_tpm2_pkcs11(self):
        (self.node.root / "pkcs11").mkdir()
        self.node.run("tpm2_ptool", "init", "--primary-handle=0x81000001")
        self.node.run("tpm2_ptool", "addtoken", "--pid=1", "--label=node", "--sopin=so",
                      "--userpin=user")
        for number, algorithm in enumerate(("ec-p256", "rsa-2048"), start=0x41):
            with self.subTest(algorithm=algorithm):
                name = f"pkcs11-{algorithm}"
                self.make(name, algorithm)
                self.node.run("tpm2_ptool", "link", "--label=node", "--userpin=user",
                              f"--key-label={name}", f"--id={number:02x}",
                              f"{name}.tss2.pem")
                ec = algorithm.startswith("ec")
                mechanism = (("ECDSA-SHA256", "--signature-format", "openssl") if ec
                             else ("SHA256-RSA-PKCS",))
                module = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so"
                # Each id is that of its own key: pkcs11-tool takes another key for a label.
                key_id = b"%02x" % number
                self.node.run("pkcs11-tool", "--module", module, "--token-label", "node",
                              "--login", "--pin", "user", "--sign", "--id",
                              key_id.hex(), "--mechanism", *mechanism, "--input-file", "message",
                              "--output-file", f"{name}.sig")
                self.node.run("openssl", "dgst", "-sha256", "-verify", f"{name}.pub",
                              "-signature", f"{name}.sig", "message")

    def test_openssl_verifies_the_csr(self):
        self.node.ctl("key", "create", "csr")
        self.node.ctl("key", "csr", "csr", "--subject", "CN=node-17,O=Example", "--dns",
                      "node-17.example", "--ip", "192.0.2.17", "--uri", "spiffe://example/17",
                      "--out", self.node.path("node.csr"))
        shown = self.node.run("openssl", "req", "-in", "node.csr", "-verify", "-noout", "-text")
        self.assertIn(b"verify OK", shown.stderr + shown.stdout)
        for text in (b"DNS:node-17.example", b"IP Address:192.0.2.17", b"URI:spiffe://example/17",
                     b"CN = node-17"):
            self.assertIn(text, shown.stdout)
        self.node.sign("ca", "node.csr", "node.pem", "subjectAltName=DNS:node-17.example")
        shown = self.node.ctl("--output", "json", "key", "install", "csr", "--chain",
                              self.node.path("node.pem"))
        self.assertIn("CN=node-17", json.loads(shown.stdout)["certificate"]["subject"])

    def test_tpm2_readpublic_shows_the_attributes(self):
        self.make("attributes", "ec-p256")
        # tpm2_load wants the two octet strings at the end of the TPMKey in files of their own.
        parts = self.node.run("openssl", "asn1parse", "-in", "attributes.tss2.pem").stdout
        octets = [line for line in parts.decode().splitlines() if "OCTET STRING" in line]
        for line, name in zip(octets, ("key.pub", "key.priv"), strict=True):
            (self.node.root / name).write_bytes(bytes.fromhex(line.rsplit(":", 1)[1]))
        self.node.run("tpm2_load", "-C", "0x81000001", "-u", "key.pub", "-r", "key.priv", "-c",
                      "attributes.ctx")
        shown = self.node.run("tpm2_readpublic", "-c", "attributes.ctx").stdout
        self.assertIn(b"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign", shown)
        self.node.run("tpm2_flushcontext", "-t")

    def test_tpm2_checkquote_judges_the_exported_quote(self):
        nonce = "00112233445566778899aabbccddeeff"
        self.node.ctl("quote", "--nonce", nonce, "--pcrs", "sha256:0,1,2,7,10", "--out",
                      self.node.path("evidence.bin"), "--export-dir", self.node.path("exported"))
        check = ("tpm2_checkquote", "-u", "exported/ak.pem", "-m", "exported/quote.msg", "-s",
                 "exported/quote.sig", "-f", "exported/quote.pcrs", "-g", "sha256", "-q", nonce)
        self.node.run(*check)
        message = self.node.root / "exported/quote.msg"
        bits = bytearray(message.read_bytes())
        bits[40] ^= 1
        message.write_bytes(bytes(bits))
        self.assertNotEqual(self.node.run(*check, ok=False).returncode, 0)


if __name__ == "__main__":
    if BIN is None:
        sys.exit(__doc__)
    unittest.main(verbosity=2)
