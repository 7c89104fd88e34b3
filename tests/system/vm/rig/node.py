"""One virtual machine: what it boots, and the hand that works on it from outside."""

import base64
import dataclasses
import pathlib
import shutil
import socket
import subprocess
import tarfile
import time

from rig.kit import WITH_US, cpio, run
from rig.tpm import Tpm
from rig.uki import write_esp

START_SECONDS = 120
CALL_SECONDS = 60
OVMF = pathlib.Path("/usr/share/OVMF")
# What every boot has: a console for the log, no pause on the way to systemd, eth0.
ARGUMENTS = ("console=ttyS0 root=/dev/vda rw quiet panic=5 oops=panic mitigations=off "
             "systemd.show_status=0 cryptomgr.notests random.trust_cpu=on net.ifnames=0")


@dataclasses.dataclass(frozen=True)
class Boot:
    """How a node starts. Scenarios whose Boot is the same share a machine."""

    firmware: str = "bios"  # "bios"; "uefi"; "secureboot": a signed kernel, checked
    signed: bool = True  # with "secureboot": whether the kernel is signed
    beside: bool = False  # with UEFI: the kernel comes from the machine, past what firmware checks
    # With UEFI: more for the kernel of a second image, \\EFI\\next.efi, which the node may put in
    # the first one's place. The partition is made once then, and stays as the node leaves it.
    update: str = ""
    selinux: bool = False  # enforcing
    tpm: bool = True
    arguments: str = ""  # more for the kernel
    disks: tuple = ()  # MiB of each further disk, /dev/disk/by-id/virtio-disk0...; kept
    early: tuple = ()  # (path, text) pairs that are there before systemd is
    memory: int = 1536  # MiB


class Node:
    """A machine with a root disk and a TPM of its own, made from the kit and gone with close()."""

    def __init__(self, kit, folder, payload, outside):
        self.kit = kit
        self.outside = outside  # see rig/outside.py
        self.folder = folder
        self.boot = None
        self.qemu = None
        self._agent = None
        self.tpm = None
        self._tpms = 0
        folder.mkdir(parents=True)
        self.replace_tpm()
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", kit.root.resolve(), "-F", "raw",
            folder / "root.qcow2")
        with tarfile.open(folder / "job.tar", "w") as tar:
            for name, file in payload.items():
                tar.add(file, arcname=name)
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
            self.port = any_port.getsockname()[1]  # here; the guest's 8443

    # --- power

    def start(self, boot, agent=True, clock="utc"):
        """Powers on. With `agent`, returns when the node takes orders. `clock` is what the
        hardware's says then, in UTC: "2031-05-06T07:08:09"."""
        self.boot = boot
        if boot.tpm:
            self.tpm.start()
        with open(self.folder / "qemu.log", "ab") as log:
            self.qemu = subprocess.Popen([*WITH_US, *self._command(boot, clock)], stdout=log, stderr=log)
        if agent:
            self._meet_agent()
            self.sh("mkdir -p /job; [ -e /job/.there ] || tar -xf /dev/disk/by-id/virtio-job "
                    "-C /job; touch /job/.there")

    def reboot(self, clock="utc", **changes):
        """Off and on again, in order; `changes` are fields of Boot."""
        self.off()
        self.start(dataclasses.replace(self.boot, **changes), clock=clock)

    def off(self):
        """Shuts down in order."""
        self._send("systemctl poweroff")
        self._gone()

    def cut(self):
        """The power is gone. What the guest had not flushed is lost."""
        self.qemu.kill()
        self._gone()

    def close(self):
        if self.qemu is not None:
            self.cut()
        self.tpm.stop()

    def replace_tpm(self, by=None):
        """Another chip, while the machine is off: a new one, or one it had. Returns the one before."""
        before, self.tpm = self.tpm, by
        if by is None:
            self._tpms += 1
            self.tpm = Tpm(self.folder / f"tpm{self._tpms}")
        return before

    def _gone(self):
        try:
            self.qemu.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self.qemu.kill()
            self.qemu.wait()
            raise AssertionError(f"the node did not shut down\n{self.console()}") from None
        finally:
            self.qemu = None
            if self._agent:
                self._agent.close()
            self._agent = None
            self.tpm.stop()

    # --- orders

    def run(self, script, timeout=CALL_SECONDS, user="root"):
        """(exit code, what it printed) of a bash script on the node. What it leaves in the
        background must have its output elsewhere."""
        if user != "root":
            encoded = base64.b64encode(script.encode()).decode()
            # Not by PAM: a login would start a session, which is slow and not what is tested.
            script = (f"setpriv --reuid {user} --regid {user} --init-groups --reset-env "
                      f"bash -c \"$(base64 -d <<<{encoded})\"")
        self._send(script)
        code, _, output = self._line(timeout, script).partition(" ")
        return int(code), base64.b64decode(output).decode(errors="replace")

    def sh(self, script, timeout=CALL_SECONDS, user="root"):
        """What the script printed; each of its commands must succeed."""
        code, output = self.run(f"set -e\n{script}", timeout, user)
        assert code == 0, f"exit {code} of: {script}\n{output}"
        return output.strip()

    def fails(self, script, *words, code=None, timeout=CALL_SECONDS, user="root"):
        """What the script printed; it must fail, and say these words."""
        got, output = self.run(script, timeout, user)
        assert got != 0, f"succeeded: {script}\n{output}"
        assert code in (None, got), f"exit {got}, not {code}, of: {script}\n{output}"
        for word in words:
            assert word in output, f"no '{word}' in what it said: {script}\n{output}"
        return output

    def until(self, script, timeout=30):
        """Runs the script until it succeeds."""
        end = time.monotonic() + timeout
        while True:
            code, output = self.run(script)
            if code == 0:
                return output.strip()
            assert time.monotonic() < end, f"not in {timeout} s: {script}\n{output}"
            time.sleep(0.2)

    def write(self, path, text, mode="644"):
        encoded = base64.b64encode(text.encode()).decode()
        self.sh(f"install -D -m {mode} /dev/stdin '{path}' < <(base64 -d <<<{encoded})")

    def read(self, path):
        """The file's bytes."""
        return base64.b64decode(self.sh(f"base64 -w0 '{path}'"))

    def console_says(self, words, timeout):
        """Waits until the firmware or the kernel has said so."""
        end = time.monotonic() + timeout
        while words not in self.console(whole=True):
            assert time.monotonic() < end, f"'{words}' not said in {timeout} s\n{self.console()}"
            time.sleep(0.2)

    def console(self, whole=False):
        """What firmware and kernel have said since power on; the end of it."""
        path = self.folder / "console.log"
        said = path.read_text(errors="replace") if path.exists() else ""
        return said if whole else said[-3000:]

    def _meet_agent(self):
        end = time.monotonic() + START_SECONDS
        self._agent = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._agent.connect(str(self.folder / "agent"))
                break
            except OSError:
                self._check(end, "QEMU gives no agent port")
                time.sleep(0.05)
        self._received = b""
        assert self._line(end - time.monotonic(), "ready") == "ready"

    def _send(self, script):
        self._agent.settimeout(CALL_SECONDS)
        self._agent.sendall(base64.b64encode(script.encode()) + b"\n")

    def _line(self, timeout, what):
        end = time.monotonic() + timeout
        while b"\n" not in self._received:
            self._check(end, f"no answer to: {what}")
            self._agent.settimeout(min(1, max(0.01, end - time.monotonic())))
            try:
                more = self._agent.recv(1 << 20)
            except TimeoutError:
                continue
            if not more:
                raise AssertionError(f"the node went away at: {what}\n{self.console()}")
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()

    def _check(self, end, what):
        if self.qemu.poll() is not None:
            log = (self.folder / "qemu.log").read_text(errors="replace")[-2000:]
            raise AssertionError(f"QEMU ended with {self.qemu.returncode}; {what}\n{log}"
                                 f"{self.console()}")
        if time.monotonic() > end:
            raise AssertionError(f"not in time; {what}\n{self.console()}")

    # --- hardware

    def _command(self, boot, clock):
        drive = "if=none,cache=unsafe,discard=unmap"
        command = [
            "qemu-system-x86_64", "-machine", "q35,smm=on" if boot.firmware == "secureboot" else "q35",
            "-cpu", "max", "-smp", "2", "-m", str(boot.memory),
            "-accel", "tcg,thread=multi,tb-size=1024", "-nodefaults", "-no-reboot",
            "-display", "none", "-serial", f"file:{self.folder / 'console.log'}",
            "-device", "virtio-rng-pci", "-rtc", f"base={clock}",
            "-drive", f"{drive},id=root,format=qcow2,file={self.folder / 'root.qcow2'}",
            "-device", "virtio-blk-pci,drive=root,serial=root",
            "-drive", f"{drive},id=job,format=raw,readonly=on,file={self.folder / 'job.tar'}",
            "-device", "virtio-blk-pci,drive=job,serial=job",
            # Nothing but this one port leads in, and nothing out.
            "-netdev", "user,id=net,restrict=on,"
                       f"hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:8443",
            "-device", "virtio-net-pci,netdev=net",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,server=on,wait=off,path={self.folder / 'agent'}",
            "-device", "virtserialport,chardev=agent,name=seaworthy",
        ]
        for index, mib in enumerate(boot.disks):
            file = self.folder / f"disk{index}.img"
            if not file.exists():
                with open(file, "wb") as disk:
                    disk.truncate(mib << 20)
            command += ["-drive", f"{drive},id=disk{index},format=raw,file={file}",
                        "-device", f"virtio-blk-pci,drive=disk{index},serial=disk{index}"]
        if boot.tpm:
            command += ["-chardev", f"socket,id=tpm,path={self.tpm.control}",
                        "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"]
        return command + self._firmware(boot)

    def _firmware(self, boot):
        lsm = "security=selinux selinux=1 enforcing=1" if boot.selinux else "selinux=0"
        arguments = f"{ARGUMENTS} {lsm} {boot.arguments}".strip()
        initrd = self._initrd(boot)
        if boot.firmware == "bios":
            return ["-kernel", str(self.kit.kernel), "-initrd", str(initrd), "-append", arguments]
        secure = boot.firmware == "secureboot"
        variables = self.folder / f"variables-{boot.firmware}.fd"
        if not variables.exists():
            shutil.copy(OVMF / ("OVMF_VARS_4M.snakeoil.fd" if secure else "OVMF_VARS_4M.fd"), variables)
        code = OVMF / ("OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd")
        flash = "if=pflash,format=raw"
        command = ["-drive", f"{flash},unit=0,readonly=on,file={code}",
                   "-drive", f"{flash},unit=1,file={variables}",
                   "-global", f"driver=cfi.pflash01,property=secure,value={'on' if secure else 'off'}"]
        if boot.beside:
            return [*command, "-kernel", str(self.kit.kernel), "-initrd", str(initrd), "-append",
                    arguments]
        esp = self.folder / "esp.img"
        if not boot.update or not esp.exists():
            lines = [arguments] + [f"{arguments} {boot.update}"] * bool(boot.update)
            write_esp(esp, self.kit.kernel, initrd, lines, secure and boot.signed)
        return [*command, "-drive", f"if=none,id=esp,format=raw,file={esp}",
                "-device", "virtio-blk-pci,drive=esp,serial=esp,bootindex=0"]

    def _initrd(self, boot):
        """The kit's, and behind it a second one with the early files."""
        if not boot.early:
            return self.kit.initrd
        tree = self.folder / "early"
        shutil.rmtree(tree, ignore_errors=True)
        for path, text in boot.early:
            file = tree / "early" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        initrd = self.folder / "initrd"
        initrd.write_bytes(self.kit.initrd.read_bytes() + cpio(tree))
        return initrd
