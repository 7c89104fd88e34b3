"""The guest's image, kernel and initrd, made of Debian packages and kept until what goes into them
changes. Nothing of ours is in it: a machine gets the packages under test when it runs."""

import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
GUEST = HERE.parent / "guest"
ROOT_MIB = 3072
# Before a command that runs beside us: it ends when this process does, however that comes about.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
UDEV = ("block", "misc", "tpm", "tpmrm", "virtio-ports")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(*command, **options):
    """The command's standard output; what it said, when it fails."""
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"rig: {' '.join(map(str, command))}: exit {done.returncode}\n"
                         f"{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def words(name):
    """The words of a file in guest/, without its comments."""
    lines = (GUEST / name).read_text().splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def debian_sources():
    """The apt sources of this machine that are Debian's: the guest comes from where we do."""
    lines = set()
    targets = run("apt-get", "indextargets", "--format",
                  "$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)")
    for target in targets.splitlines():
        kind, origin, uri, release, component = target.split("|")
        if kind == "Packages" and origin == "Debian" and component == "main":
            lines.add(f"deb [signed-by={KEYRING}] {uri} {release} main")
    if not lines:
        raise SystemExit("rig: apt knows no source of Debian's here")
    return sorted(lines)


def kernel_package():
    """linux-image-amd64 depends on the kernel there is."""
    found = re.search(r"Depends: (linux-image-\S+-amd64)",
                      run("apt-cache", "depends", "linux-image-amd64"))
    if not found:
        raise SystemExit("rig: apt knows no kernel here")
    return found.group(1)


def runtime_dependencies(debs):
    """What the packages under test need, so that they install without a network."""
    names = set()
    own = {run("dpkg-deb", "-f", deb, "Package").strip() for deb in debs}
    for deb in debs:
        for field in ("Pre-Depends", "Depends"):
            for entry in run("dpkg-deb", "-f", deb, field).split(","):
                if name := re.match(r"\s*([a-z0-9.+-]+)", entry):
                    names.add(name.group(1))
    return sorted(names - own)


def candidates(packages):
    """Which versions apt would install, whatever this machine itself has installed meanwhile."""
    lines = run("apt-cache", "policy", *packages).splitlines()
    return "\n".join(line for line in lines if re.match(r"\S|  Candidate:", line))


class Kit:
    """kernel, initrd and root image: paths in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.kernel = folder / "vmlinuz"
        self.initrd = folder / "initrd"
        self.root = folder / "root.img"
        self.version = (folder / "kernel-version").read_text() if folder.exists() else ""


def kit(cache, debs):
    """The kit for these packages, from the cache folder or made now."""
    packages = sorted(set(words("packages") + runtime_dependencies(debs)))
    kernel = kernel_package()
    key = hashlib.sha256()
    for source in [pathlib.Path(__file__), *sorted(GUEST.iterdir())]:
        key.update(source.read_bytes())
    key.update(candidates([kernel, *packages]).encode())
    folder = cache / f"kit-{key.hexdigest()[:16]}"
    if not folder.exists():
        for old in cache.glob("kit-*"):
            shutil.rmtree(old)
        began = time.monotonic()
        print(f"rig: making the guest from {len(packages)} Debian packages and what they need",
              flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as work:
            make(pathlib.Path(work), packages, kernel)
            os.chmod(work, 0o755)
            # Whole or not at all: a run that was cut short leaves no half of a kit.
            (pathlib.Path(work) / "kit").rename(folder)
        print(f"rig: made in {time.monotonic() - began:.0f} s", flush=True)
    return Kit(folder)


def make(work, packages, kernel):
    out = work / "kit"
    out.mkdir()
    version = make_kernel(work, kernel, out)
    make_root(work, packages, version)
    make_initrd(work, out)
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", work / "root", out / "root.img",
        f"{ROOT_MIB}M")
    (out / "kernel-version").write_text(version)


def make_kernel(work, package, out):
    """Unpacks the kernel; only the modules the guest wants, and theirs, go on."""
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package, cwd=work)
    tree = work / "kernel"
    run("dpkg-deb", "-x", next(work.glob("linux-image-*.deb")), tree)
    image = next((tree / "boot").glob("vmlinuz-*"))
    version = image.name.removeprefix("vmlinuz-")
    shutil.copy(image, out / "vmlinuz")
    run("depmod", "-b", tree, version)
    modules = tree / "lib/modules" / version
    needs = {}  # in the order in which they must be loaded
    for line in (modules / "modules.dep").read_text().splitlines():
        module, dependencies = line.split(":")
        needs[module] = dependencies.split()[::-1]
    by_name = {pathlib.Path(module).stem.replace("-", "_"): module for module in needs}
    wanted = {}
    for name in words("modules"):
        module = by_name.get(name.replace("-", "_"))
        if module:  # else it is built in
            wanted.update(dict.fromkeys([*needs[module], module]))
    target = work / "modules" / version
    for module in wanted:
        (target / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / module, target / module)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(modules / name, target / name)
    first = {}  # what reaches the root disk and us: udev need not look for it
    for name in ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "virtio_net",
                 "virtio_console"):
        if name in by_name:
            first.update(dict.fromkeys([*needs[by_name[name]], by_name[name]]))
    (work / "initrd/modules").mkdir(parents=True)
    for module in first:
        shutil.copy(modules / module, work / "initrd/modules")
    (work / "initrd/modules/order").write_text(
        "".join(pathlib.Path(module).name + "\n" for module in first))
    return version


def make_root(work, packages, version):
    root = work / "root"
    run("mmdebstrap", "--mode=root", "--variant=apt", "--format=directory", "--quiet",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")),
        f"--include={','.join(packages)}", "bookworm", root, "-",
        input="\n".join(debian_sources()) + "\n")
    shutil.copytree(work / "modules", root / "lib/modules", dirs_exist_ok=True)
    run("depmod", "-b", root, version)
    rig = root / "usr/local/lib/rig"
    rig.mkdir(parents=True)
    shutil.copy(GUEST / "agent", rig / "agent")
    (rig / "agent").chmod(0o755)
    shutil.copy(GUEST / "agent.service", root / "etc/systemd/system/rig-agent.service")
    (root / "etc/hostname").write_text("node\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.0.2.15 node\n")
    (root / "etc/fstab").write_text("LABEL=root / ext4 rw,errors=remount-ro 0 0\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    # apt has nothing to fetch from in there, and no network to do it over.
    for source in [root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").iterdir()]:
        source.unlink(missing_ok=True)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    trim(root)
    for user in ("member", "stranger"):
        run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", user)
    label(root)


def trim(root):
    """Takes from the guest's start what no scenario needs."""
    chroot = ("chroot", root)
    run(*chroot, "systemctl", "--quiet", "enable", "rig-agent.service")
    # They start when a scenario asks for them.
    run(*chroot, "systemctl", "--quiet", "disable", "docker.service", "docker.socket",
        "containerd.service", "apparmor.service")
    for name in words("masked"):
        kind = "system-generators" if name.endswith("-generator") else "system"
        (root / "etc/systemd" / kind).mkdir(exist_ok=True)
        (root / "etc/systemd" / kind / name).symlink_to("/dev/null")
    # The initrd has loaded the drivers; what is left are the links and the groups of these.
    trigger = root / "etc/systemd/system/systemd-udev-trigger.service.d/rig.conf"
    trigger.parent.mkdir(parents=True)
    trigger.write_text("[Service]\nExecStart=\nExecStart=udevadm trigger --action=add "
                       + " ".join(f"--subsystem-match={name}" for name in UDEV) + "\n")
    # SELinux's modules as they are, not compressed, and the policy built of them not made smaller:
    # to install one more takes less time.
    semanage = root / "etc/selinux/semanage.conf"
    semanage.write_text(semanage.read_text() + "bzip-blocksize = 0\noptimize-policy = false\n")


def label(root):
    """Labels for SELinux, so that no boot has to."""
    (root / "etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=default\n")
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    run("setfiles", "-r", root, "-F", f"{root}{contexts}", root)


def make_initrd(work, out):
    tree = work / "initrd"
    for folder in ("bin", "dev", "proc", "sys", "root"):
        (tree / folder).mkdir()
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    shutil.copy(GUEST / "init", tree / "init")
    (tree / "init").chmod(0o755)
    (out / "initrd").write_bytes(cpio(tree))


def cpio(tree):
    """The folder as a compressed initrd; several may follow each other."""
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                          input=names.encode(), capture_output=True, check=True)
    return gzip.compress(done.stdout, compresslevel=1, mtime=0)
