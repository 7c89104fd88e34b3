"""Does with a TPM what firmware and kernel do with theirs: measures, and keeps the logs.

measuring.py boot BOOT_LOG IMA_LIST     extends the PCRs by the events of a recorded boot log, and
                                        begins an IMA list
measuring.py use IMA_LIST PATH FILE     lists FILE, used under the name PATH, and extends PCR 10

The TPM is tpm2-tools' (TPM2TOOLS_TCTI); its bank SHA-256 is measured into.
"""

import hashlib
import pathlib
import struct
import subprocess
import sys

SHA256 = 0x000B
NO_ACTION = 3  # EV_NO_ACTION is not extended


def extend(digests):
    """(PCR, SHA-256 digest) pairs, in this order."""
    subprocess.run(["tpm2_pcrextend", *(f"{pcr}:sha256={digest.hex()}" for pcr, digest in digests)],
                   check=True)


def events(log):
    """(PCR, type, SHA-256 digest) of each event of a crypto-agile log; the first one has the sizes
    of its digests (TCG PC Client Platform Firmware Profile, 10.4)."""
    (size,) = struct.unpack_from("<I", log, 28)
    header = log[32:32 + size]
    (count,) = struct.unpack_from("<I", header, 24)
    sizes = dict(struct.unpack_from("<HH", header, 28 + 4 * i) for i in range(count))
    at = 32 + size
    while at < len(log):
        pcr, kind, count = struct.unpack_from("<III", log, at)
        at += 12
        digests = {}
        for _ in range(count):
            (bank,) = struct.unpack_from("<H", log, at)
            digests[bank] = log[at + 2:at + 2 + sizes[bank]]
            at += 2 + sizes[bank]
        (size,) = struct.unpack_from("<I", log, at)
        at += 4 + size
        yield pcr, kind, digests[SHA256]


def measure(ima_list, path, digest):
    """Appends an entry of the template ima-ng, as the kernel does."""
    fields = (b"sha256:\0" + digest, path.encode() + b"\0")
    data = b"".join(struct.pack("<I", len(field)) + field for field in fields)
    name = b"ima-ng"
    with open(ima_list, "ab") as file:
        file.write(struct.pack("<I", 10) + hashlib.sha1(data).digest()
                   + struct.pack("<I", len(name)) + name + struct.pack("<I", len(data)) + data)
    extend([(10, hashlib.sha256(data).digest())])


def boot(log, ima_list):
    measured = [(pcr, digest) for pcr, kind, digest in events(pathlib.Path(log).read_bytes())
                if kind != NO_ACTION]
    extend(measured)
    pathlib.Path(ima_list).write_bytes(b"")
    pcrs = [bytes(32)] * 24
    for pcr, digest in measured:
        pcrs[pcr] = hashlib.sha256(pcrs[pcr] + digest).digest()
    measure(ima_list, "boot_aggregate", hashlib.sha256(b"".join(pcrs[:10])).digest())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["boot", log, ima_list]:
            boot(log, ima_list)
        case ["use", ima_list, path, file]:
            measure(ima_list, path, hashlib.sha256(pathlib.Path(file).read_bytes()).digest())
        case _:
            sys.exit(__doc__)
