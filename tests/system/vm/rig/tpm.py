"""A node's TPM: swtpm with an endorsement key, its certificate and the CA of its maker."""

import os
import pathlib
import shutil
import subprocess
import time

from rig.kit import WITH_US, run

LISTEN_SECONDS = 30


class Tpm:
    """The state stays in `folder` between boots, as a chip's does; swtpm itself runs with QEMU."""

    def __init__(self, folder):
        self.folder = folder
        self.control = folder / "control"
        self.ca = folder / "ca"
        self.process = None
        (folder / "state").mkdir(parents=True)
        self.ca.mkdir()
        self._make()

    def _make(self):
        options = self.folder / "ca.options"
        options.write_text("")
        ca = self.folder / "ca.conf"
        ca.write_text(f"statedir = {self.ca}\nsigningkey = {self.ca}/signkey.pem\n"
                      f"issuercert = {self.ca}/issuercert.pem\ncertserial = {self.ca}/serial\n")
        setup = self.folder / "setup.conf"
        setup.write_text(f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
                         f"create_certs_tool_config = {ca}\n"
                         f"create_certs_tool_options = {options}\n")
        # As root it would become the user tss, who may not write here.
        as_root = ["--runas", "root"] if os.getuid() == 0 else []
        run("swtpm_setup", "--tpm2", "--tpmstate", self.folder / "state", "--create-ek-cert",
            "--pcr-banks", "sha1,sha256,sha384", "--not-overwrite", "--config", setup, *as_root)

    def start(self):
        self.stop()
        self.control.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*WITH_US, "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder / 'state'}",
                 "--ctrl", f"type=unixio,path={self.control}", "--terminate"],
                stdout=log, stderr=log)
        # QEMU connects once, when it starts, and ends where nobody listens.
        end = time.monotonic() + LISTEN_SECONDS
        while not self.control.exists():
            assert self.process.poll() is None and time.monotonic() < end, "swtpm does not listen"
            time.sleep(0.02)

    def stop(self):
        """QEMU's end ends it too; this waits for that, and ends one that QEMU never met."""
        if self.process is None:
            return
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ca_pem(self):
        """The certificates that the endorsement key's chains to."""
        return "".join(path.read_text() for path in sorted(pathlib.Path(self.ca).glob("*cert.pem")))
