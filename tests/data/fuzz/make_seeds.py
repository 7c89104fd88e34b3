#!/usr/bin/env python3
"""Makes the seeds beside this file from ../captures. Run again, it makes the same ones."""

import base64
import hashlib
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
CAPTURES = HERE.parent / "captures"
# TPM_ALG_ID: the message's word for it, the digest's size.
BANKS = {0x0004: (1, 20), 0x000B: (2, 32), 0x000C: (3, 48), 0x000D: (4, 64)}


def write(fuzzer, name, content):
    (HERE / fuzzer).mkdir(exist_ok=True)
    (HERE / fuzzer / name).write_bytes(content)


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    """A protobuf field: bytes, or an integer that is not the default."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content) if content else b""
    return varint(number << 3 | 2) + varint(len(content)) + content


def pcr_values(serialized):
    """tpm2-tools' "serialized" PCRs as (bank, index, digest)."""
    at = 4 + 16 * 8 + 4
    digests = []
    while at < len(serialized):
        (count,) = struct.unpack_from("<I", serialized, at)
        for i in range(count):
            start = at + 4 + i * 66
            (size,) = struct.unpack_from("<H", serialized, start)
            digests.append(serialized[start + 2:start + 2 + size])
        at += 4 + 8 * 66
    (banks,) = struct.unpack_from("<I", serialized)
    for i in range(banks):
        bank, _, bitmap = struct.unpack_from("<HBI", serialized, 4 + i * 8)
        for index in range(32):
            if bitmap >> index & 1:
                yield bank, index, digests.pop(0)


def der(tag, content):
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def tss2_pem(public, policy=None):
    """A TPMKey (draft-bottomley-tpm2-keys) with a private area that no TPM takes."""
    private = bytes(range(126))
    content = der(0x06, bytes.fromhex("6781050a0103"))
    content += der(0xA0, der(0x01, b"\xff"))
    if policy:
        command = der(0xA0, der(0x02, b"\x01\x7f")) + der(0xA1, der(0x04, policy))
        content += der(0xA1, der(0x30, der(0x30, command)))
    content += der(0x02, bytes.fromhex("0081000001"))
    content += der(0x04, struct.pack(">H", len(public)) + public)
    content += der(0x04, struct.pack(">H", len(private)) + private)
    text = base64.encodebytes(der(0x30, content)).decode()
    return f"-----BEGIN TSS2 PRIVATE KEY-----\n{text}-----END TSS2 PRIVATE KEY-----\n".encode()


def main():
    folders = sorted(CAPTURES.glob("swtpm-*"))
    for folder in folders + [CAPTURES / "seabios-direct"]:
        read = lambda name: (folder / name).read_bytes()
        evidence = field(1, read("ak.pub.tpmt")) + field(2, read("quote.msg"))
        evidence += field(3, read("quote.sig"))
        for bank, index, digest in pcr_values(read("quote.pcrs")):
            value = field(1, BANKS[bank][0]) + field(2, index) + field(3, digest)
            evidence += field(4, value)
        write("verify_quote", folder.name, evidence)
    for folder in folders:
        read = lambda name: (folder / name).read_bytes()
        subject = read("key.pub.der")
        certification = field(1, read("key.pub.tpmt")) + field(2, read("ak.pub.tpmt"))
        certification += field(3, read("certify.msg")) + field(4, read("certify.sig"))
        write("verify_key_certification", folder.name,
              struct.pack(">H", len(subject)) + subject + certification)
        for name in ("ak.pub.tpmt", "quote.msg", "quote.sig", "certify.msg"):
            write("verify_tpm_structures", f"{folder.name}-{name}", read(name))

    ecc = (CAPTURES / "swtpm-ecdsa-p256/key.pub.tpmt").read_bytes()
    write("tpm_tss2_pem", "ecc", tss2_pem(ecc))
    rsa = (CAPTURES / "swtpm-rsassa-2048/ak.pub.tpmt").read_bytes()
    write("tpm_tss2_pem", "rsa", tss2_pem(rsa))
    # TPM2_PolicyPCR of PCR 7 (TPM 2.0 part 3, 23.7); authPolicy is after type, name hash and
    # attributes.
    selection = bytes.fromhex("00000001000b03800000")
    pcr_digest = hashlib.sha256(bytes(32)).digest()
    policy = hashlib.sha256(bytes(32) + bytes.fromhex("0000017f") + selection + pcr_digest).digest()
    bound = ecc[:8] + struct.pack(">H", 32) + policy + ecc[10:]
    write("tpm_tss2_pem", "ecc-policy",
          tss2_pem(bound, struct.pack(">H", 32) + pcr_digest + selection))


main()
