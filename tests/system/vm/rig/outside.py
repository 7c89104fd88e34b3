"""The world outside the node: an operator's machine with seaworthyctl, and a CA."""

import json
import subprocess
import tempfile

from rig.kit import run

SECONDS = 60


class Outside:
    """A folder on this machine, with the command line out of the package under test in it."""

    def __init__(self, folder, debs):
        self.folder = folder
        folder.mkdir()
        for deb in debs:
            run("dpkg-deb", "-x", deb, folder)

    def ctl(self, *arguments, code=0):
        """seaworthyctl's (standard output, standard error); it must exit with `code`, if given."""
        done = subprocess.run([self.folder / "usr/bin/seaworthyctl", *map(str, arguments)],
                              text=True, capture_output=True, timeout=SECONDS)
        assert code in (None, done.returncode), (f"exit {done.returncode}, not {code}, of seaworthyctl "
                                         f"{arguments}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def ask(self, *arguments):
        """The answer as JSON."""
        return json.loads(self.ctl("--output", "json", *arguments)[0])

    def file(self, name, content=None):
        """The path of a file in the folder; `content`, text or bytes, is written to it."""
        path = self.folder / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class Ca:
    """A certificate authority of OpenSSL's."""

    def __init__(self):
        # Gone with the object.
        self._folder = tempfile.TemporaryDirectory(prefix="seaworthy-ca-")
        self.key = f"{self._folder.name}/ca.key"
        self.certificate = f"{self._folder.name}/ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=rig CA",
            "-days", "3650")

    def pem(self):
        with open(self.certificate, encoding="ascii") as file:
            return file.read()

    def sign(self, csr, days=365, extensions="basicConstraints=CA:FALSE"):
        """The certificate, PEM, for a request in PEM."""
        folder = self._folder.name
        with open(f"{folder}/extensions", "w", encoding="ascii") as file:
            file.write(extensions + "\n")
        return run("openssl", "x509", "-req", "-CA", self.certificate, "-CAkey", self.key,
                   "-CAcreateserial", "-days", str(days), "-extfile", f"{folder}/extensions",
                   "-copy_extensions", "copy", input=csr)

    def client(self, name):
        """(certificate, key) files of a new client with the SAN `name`."""
        folder = self._folder.name
        key = f"{folder}/client.key"
        csr = run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", "/CN=client",
                  "-addext", f"subjectAltName={name}")
        certificate = f"{folder}/client.pem"
        with open(certificate, "w", encoding="ascii") as file:
            file.write(self.sign(csr))
        return certificate, key
