"""A unified kernel image on an EFI system partition, signed with the key that OVMF's snakeoil
variables trust: the one way to a boot chain in which Secure Boot checks the kernel."""

import pathlib
import re

from rig.kit import run

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
KEY = "/usr/share/ovmf/PkKek-1-snakeoil.key"
CERTIFICATE = "/usr/share/ovmf/PkKek-1-snakeoil.pem"
PASSPHRASE = "snakeoil"  # as the package ovmf has it
ESP_MIB = 64


def write_esp(path, kernel, initrd, lines, signed):
    """Writes the partition's image to `path`: what boots has the first command line of `lines`,
    EFI/next.efi the second, where there is one. Beside it stay the pieces that it is made of."""
    path.unlink(missing_ok=True)
    run("mkfs.vfat", "-C", "-F", "32", "-n", "ESP", path, str(ESP_MIB * 1024))
    run("mmd", "-i", path, "::EFI", "::EFI/BOOT")
    for line, name in zip(lines, ("EFI/BOOT/BOOTX64.EFI", "EFI/next.efi")):
        image = unified_image(path.parent, kernel, initrd, line)
        if signed:
            sign(image)
        run("mcopy", "-i", path, image, f"::{name}")


def unified_image(folder, kernel, initrd, line):
    (folder / "cmdline").write_text(line)
    sections = {".osrel": "/usr/lib/os-release", ".cmdline": folder / "cmdline",
                ".linux": kernel, ".initrd": initrd}
    # Each section behind the one before, from the end of what the stub has.
    address = 0
    for row in run("objdump", "-h", STUB).splitlines():
        if found := re.match(r"\s*\d+ (\S+)\s+([0-9a-f]+)\s+([0-9a-f]+)", row):
            address = max(address, int(found[2], 16) + int(found[3], 16))
    options = []
    for name, file in sections.items():
        address = (address + 0xFFF) & ~0xFFF
        options += ["--add-section", f"{name}={file}", "--change-section-vma", f"{name}={address:#x}"]
        address += pathlib.Path(file).stat().st_size
    image = folder / "uki.efi"
    run("objcopy", *options, STUB, image)
    return image


def sign(image):
    key = image.parent / "signing.key"
    run("openssl", "rsa", "-in", KEY, "-passin", f"pass:{PASSPHRASE}", "-out", key)
    run("sbsign", "--key", key, "--cert", CERTIFICATE, "--output", image, image)
