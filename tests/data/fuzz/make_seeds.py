#!/usr/bin/env python3
"""Makes the seeds beside this file from ../captures and ../volumes. Run again, it makes the same ones."""

import base64
import hashlib
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
CAPTURES = HERE.parent / "captures"
VOLUMES = HERE.parent / "volumes"
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


def ima_entries(binary):
    """Each entry of a binary list, and SHA-256 over its template data as it was extended."""
    at = 0
    while at < len(binary):
        (name_size,) = struct.unpack_from("<I", binary, at + 24)
        data = at + 28 + name_size
        if binary[at + 28:data] == b"ima":
            end = data + 24 + struct.unpack_from("<I", binary, data + 20)[0]
            measured = binary[data:data + 20] + binary[data + 24:end].ljust(256, b"\0")
        else:
            end = data + 4 + struct.unpack_from("<I", binary, data)[0]
            measured = binary[data + 4:end]
        violation = binary[at + 4:at + 24] == bytes(20)
        yield binary[at:end], b"\xff" * 32 if violation else hashlib.sha256(measured).digest()
        at = end


def signed_ima_entry():
    """An entry of the template ima-sig, with a signature that says it is by the key of the
    policy in tests/fuzz/verify/evidence_fuzzer.cc and does not hold."""
    pem = (CAPTURES / "swtpm-ecdsa-p256/ak.pub.pem").read_text().splitlines()
    point = base64.b64decode("".join(pem[1:-1]))[-65:]
    ecdsa = der(0x30, der(0x02, b"\x11" * 32) + der(0x02, b"\x22" * 32))
    # Format 2, SHA-256, the key's id.
    signature = b"\x03\x02\x04" + hashlib.sha1(point).digest()[-4:]
    signature += struct.pack(">H", len(ecdsa)) + ecdsa
    data = b""
    for part in (b"sha256:\0" + bytes(32), b"/usr/bin/signed\0", signature):
        data += struct.pack("<I", len(part)) + part
    return (struct.pack("<I", 10) + hashlib.sha1(data).digest() + struct.pack("<I", 7) + b"ima-sig"
            + struct.pack("<I", len(data)) + data)


def quoted_ima_list(binary, pcr10):
    """The entries up to the quote, and PCR 10 after each."""
    entries, values, value = [], [], bytes(32)
    for entry, digest in ima_entries(binary):
        if value == pcr10:
            break
        value = hashlib.sha256(value + digest).digest()
        entries.append(entry)
        values.append(value)
    assert value == pcr10
    return entries, values


def node_state(ak_name, quote, ima_entries_judged, pcr10):
    """What a round with that quote (TPMS_ATTEST) left."""
    at = 6
    for _ in range(2):  # qualifiedSigner, extraData
        at += 2 + struct.unpack_from(">H", quote, at)[0]
    clock, reset_count, restart_count = struct.unpack_from(">QII", quote, at)
    return json.dumps({
        "seaworthy_node_state": 1, "ak_name": ak_name.hex(), "clock_ms": clock,
        "reset_count": reset_count, "restart_count": restart_count,
        "ima_entries": ima_entries_judged,
        "ima_pcrs": [{"bank": 11, "padded_sha1": False, "value": pcr10.hex()}]}).encode()


def write_evidence(folder):
    """The first round with a guest, its long IMA list cut short, and the next one."""
    read = lambda name: (folder / name).read_bytes()
    quote = field(1, read("ak.pub.tpmt")) + field(2, read("quote.msg"))
    quote += field(3, read("quote.sig"))
    pcr10 = None
    for bank, index, digest in pcr_values(read("quote.pcrs")):
        quote += field(4, field(1, BANKS[bank][0]) + field(2, index) + field(3, digest))
        if (bank, index) == (0x000B, 10):
            pcr10 = digest
    boot_log = field(16, read("binary_bios_measurements"))
    entries, values = quoted_ima_list(read("binary_runtime_measurements"), pcr10)
    known = len(entries) - 8
    state = node_state(read("ak.name"), read("q0.msg"), known, values[known - 1])
    for name, json_state, first, some in (("first", b"", 0, entries[:8] + [signed_ima_entry()]),
                                          ("next", state, known, entries[known:])):
        logs = boot_log + field(17, b"".join(some)) + field(18, first)
        write("verify_evidence", f"{folder.name}-{name}",
              struct.pack(">H", len(json_state)) + json_state + quote + logs)


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


def boot_event(pcr, kind, data):
    """A TCG_PCR_EVENT2 whose SHA-256 digest is over its data."""
    return (struct.pack("<III", pcr, kind, 1) + struct.pack("<H", 0x000B)
            + hashlib.sha256(data).digest() + struct.pack("<I", len(data)) + data)


def efi_variable(name, value):
    guid = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
    return guid + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16le") + value


def boot_loaders_log():
    """What the captures have nothing of: shim, GRUB, systemd-boot, a GPT, an H-CRTM."""
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 2, 2, 1, 0x000B, 32, 0)
    hashes = bytes.fromhex("2616c4c14c509240aca941f936934328") + struct.pack("<III", 76, 0, 48)
    partition = bytes(32) + struct.pack("<QQQ", 2048, 4095, 0) + "ESP".encode("utf-16le").ljust(72, b"\0")
    gpt = bytes(84) + struct.pack("<I", 128) + bytes(4) + struct.pack("<Q", 1) + partition
    events = [
        (0, 0x00000003, b"StartupLocality\0\x03"),
        (0, 0x80000010, b"HCRTM"),
        (0, 0x8000000A, b"\x04POST" + struct.pack("<QQ", 1, 2)),
        (1, 0x8000000B, b"\x04ACPI" + struct.pack("<Q", 1) + bytes(24)),
        (5, 0x80000006, gpt),
        (5, 0x00000006, struct.pack("<II", 0xF5BC582A, 9) + b"timeout 3"),
        (7, 0x80000001, efi_variable("SecureBoot", b"\1")),
        (7, 0x80000001, efi_variable("MokListX", hashes + bytes(48))),
        (7, 0x00000004, bytes(4)),
        (4, 0x00000004, b"\1\0\0\0"),
        (7, 0x800000E0, efi_variable("db", bytes(48))),
        (7, 0x800000E0, efi_variable("SbatLevel", b"sbat,1,2021030218\n")),
        (14, 0x0000000D, b"MokList\0"),
        (8, 0x0000000D, b"grub_cmd: linux /vmlinuz ro\0"),
        (8, 0x0000000D, b"kernel_cmdline: /vmlinuz ro\0"),
        (9, 0x0000000D, b"(hd0,gpt2)/vmlinuz\0"),
        (12, 0x0000000D, "quiet\0".encode("utf-16le")),
    ]
    log = struct.pack("<II20xI", 0, 3, len(spec)) + spec
    return log + b"".join(boot_event(*event) for event in events)


def pe_image(sections, signature=b"", strings=b"", magic=0x20B):
    """A PE image with these sections (name, content)."""
    directories = struct.pack("<I", 16) + bytes(16 * 8)
    optional_size = (108 if magic == 0x20B else 92) + 4 + 128
    headers = 64 + 24 + optional_size + 40 * len(sections)
    at = headers
    table, body = b"", b""
    for name, content in sections:
        table += struct.pack("<8sIIII16x", name, len(content), at, len(content), at)
        body += content
        at += len(content)
    symbols_at = at if strings else 0
    body += strings
    at += len(strings)
    if signature:
        directories = directories[:36] + struct.pack("<II", at, len(signature)) + directories[44:]
    optional = struct.pack("<H58xI", magic, headers).ljust(optional_size - len(directories), b"\0")
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, symbols_at, 0, optional_size, 0)
    return (b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0" + coff + optional
            + directories + table + body + signature)


def pe_images():
    uki = [(b".sdmagic", b"#### LoaderInfo: systemd-stub 252.39-1 ####\0"), (b".osrel", b"ID=x\n"),
           (b".cmdline", b"quiet\n"), (b".linux", b"kernel"), (b".initrd", b"initrd")]
    write("verify_pe_image", "uki", pe_image(uki))
    write("verify_pe_image", "pe32", pe_image([(b".text", b"code")], magic=0x10B))
    strings = struct.pack("<I", 17) + b".vendor_cert\0"
    write("verify_pe_image", "long-name", pe_image([(b"/4", b"certificate")], strings=strings))
    # A PKCS #7 that says who signed and has no signature: the CA certificate of a guest's TPM.
    certificate = (CAPTURES / "ovmf-direct/ek.cert.der").read_bytes()
    oid = bytes.fromhex("06092a864886f70d010701")
    signed_oid = bytes.fromhex("06092a864886f70d010702")
    signed = der(0x02, b"\1") + der(0x31, b"") + der(0x30, oid) + der(0xA0, certificate)
    pkcs7 = der(0x30, signed_oid + der(0xA0, der(0x30, signed + der(0x31, b""))))
    entry = struct.pack("<IHH", 8 + len(pkcs7), 0x200, 2) + pkcs7
    write("verify_pe_image", "signed", pe_image(uki, entry + bytes(-len(entry) % 8)))


def installation():
    """A baseline with the signature of nobody, and what dpkg says of a package."""
    text = json.dumps({
        "seaworthy_baseline": 1, "hash": "sha256", "recorded": "2026-11-22 17:57:05 UTC",
        "node": "node-17", "paths": ["srv/a%20b"], "packages": {"runc": "1.1.5"},
        "files": {"usr/sbin/runc": {"type": "file", "mode": "0755", "digest": "22" * 32},
                  "usr/bin/runc": {"type": "link", "target": "../sbin/runc"}}}) + "\n"
    write("integrity_baseline", "unsigned", text.encode())
    write("integrity_baseline", "signed",
          (text + json.dumps({"signature": "30060201010201" + "01"}) + "\n").encode())
    write("integrity_dpkg", "status",
          b"Package: runc\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\n"
          b"Version: 1.1.5\nConffiles:\n /etc/runc.conf 0123456789abcdef0123456789abcdef obsolete\n")


def volumes():
    for file in sorted(VOLUMES.glob("*.header")):
        header = file.read_bytes()
        text = header[4096:16384].split(b"\0")[0]
        write("volumes_luks2_header", f"{file.stem}-json", b"J" + text)
        write("volumes_luks2_header", f"{file.stem}-binary",
              b"B" + header[:512] + header[16384:16384 + 512] + text)
        for number, token in json.loads(text)["tokens"].items():
            write("volumes_tokens", f"{file.stem}-{number}", json.dumps(token).encode())
            if "tpm2-blob" in token:
                write("volumes_ways", f"{file.stem}-{number}", json.dumps(token).encode())
                write("tpm_sealed_object", f"{file.stem}-{number}",
                      base64.b64decode(token["tpm2-blob"]))
    guard = {"type": "seaworthy-guard", "keyslots": [], "version": 1, "generation": 7,
             "nv_index": 25165890, "digest": "11" * 32, "mac": "22" * 32,
             "parts": {"keyslot 0": "33" * 32, "config": "44" * 32},
             "keys": {"1": base64.b64encode(bytes(60)).decode()}}
    write("volumes_tokens", "guard", json.dumps(guard).encode())
    write("volumes_tokens", "recovery-key", (VOLUMES / "recovery_key.txt").read_bytes())
    write("volumes_tokens", "jwk", (VOLUMES / "clevis.jwk").read_bytes())
    write("volumes_policy_signature", "systemd-measure",
          (VOLUMES / "tpm2-pcr-signature.json").read_bytes())
    name, device = b"docker", b"/dev/vdb"
    write("volumes_mapper_protocol", "open",
          bytes([1, 1, 5, len(name), 0, len(device), 64]) + name + device + bytes(range(64)))
    write("volumes_mapper_protocol", "close", bytes([1, 2, 1, len(name), 0, 0, 0]) + name)
    write("volumes_mapper_protocol", "done", bytes([1, 0, 0, 0, 0]))
    reason, message = b"DEVICE_IN_USE", b"docker: /dev/vdb: is in use by /mnt"
    write("volumes_mapper_protocol", "failed",
          bytes([1, 9, len(reason), 0, len(message)]) + reason + message)
    for folder in ("ovmf-direct", "ovmf-secureboot-uki"):
        log = (CAPTURES / folder / "binary_bios_measurements").read_bytes()
        state = {"version": 1, "sha256": {"7": "77" * 32, "11": "bb" * 32},
                 "log": base64.b64encode(log).decode()}
        write("volumes_boot_state", folder, json.dumps(state).encode())
    write("tpm_sealed_object", "policy-key", (VOLUMES / "policy_key.pub.pem").read_bytes())


def main():
    # The first byte: events keep their digests, or get those over their data.
    for folder in ("seabios-direct", "ovmf-direct", "ovmf-secureboot-uki"):
        log = (CAPTURES / folder / "binary_bios_measurements").read_bytes()
        write("verify_boot_log", folder, b"\0" + log)
        write("verify_boot_log", folder + "-measured", b"\1" + log)
    write("verify_boot_log", "boot-loaders", b"\0" + boot_loaders_log())
    old = struct.pack("<II20sI4s", 4, 4, hashlib.sha1(bytes(4)).digest(), 4, bytes(4))
    write("verify_boot_log", "sha1", b"\0" + old + bytes(32))
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
        evidence = (HERE / "verify_quote" / folder.name).read_bytes()
        write("verify_quote", folder.name + "-keys", evidence + field(19, certification))
        write("verify_key_certification", folder.name,
              struct.pack(">H", len(subject)) + subject + certification)
        for name in ("ak.pub.tpmt", "quote.msg", "quote.sig", "certify.msg"):
            write("verify_tpm_structures", f"{folder.name}-{name}", read(name))

    for folder in sorted(CAPTURES.glob("seabios-*")):
        binary = (folder / "binary_runtime_measurements").read_bytes()
        ascii_list = (folder / "ascii_runtime_measurements").read_bytes()
        # A few entries are as good as hundreds. The first byte: the form, and the size of chunks.
        write("verify_ima_list", folder.name, b"\x10" + binary[:2000])
        write("verify_ima_list", folder.name + "-ascii",
              b"\x11" + b"".join(ascii_list.splitlines(True)[:12]))
    # security.ima and security.evm, each type in its format, with an ECDSA signature in DER.
    for kind, version in ((3, 2), (3, 3), (5, 2), (6, 3)):
        write("verify_ima_signature", f"type-{kind}-format-{version}",
              struct.pack(">BBBIH", kind, version, 4, 1, 8) + bytes.fromhex("3006020101020101"))
    for folder in sorted(CAPTURES.glob("*-*")):
        if (folder / "q0.msg").exists():
            write_evidence(folder)
    write("verify_policy", "policy", json.dumps({
        "seaworthy_policy": 1, "name": "x", "pcrs": {"sha256": {"7": ["00" * 32]}},
        "clock": {"must_be_safe": True, "max_resets": 1, "max_restarts": 2,
                  "max_seconds_between_rounds": 3, "max_age_seconds": 4},
        "boot": {"secure_boot": True, "command_lines": ["quiet"], "images": ["sha384:" + "33" * 48],
                 "authorities": ["sha256:" + "44" * 32]},
        "ima": {"files": {"/a%0Ab": ["sha256:" + "11" * 32]}, "exclude": ["/tmp/*"], "keys": [],
                "unlisted": "tell", "violations": "ignore"}}).encode())
    write("verify_policy", "state", json.dumps({
        "seaworthy_node_state": 1, "ak_name": "000b", "clock_ms": 1, "reset_count": 2,
        "restart_count": 3, "ima_entries": 4,
        "ima_pcrs": [{"bank": 11, "padded_sha1": False, "value": "22" * 32}]}).encode())
    for folder in (CAPTURES / "ovmf-direct", CAPTURES / "seabios-direct"):
        read = lambda name: (folder / name).read_bytes()
        certificate = read("ek.cert.der")
        key = field(1, read("ek.pub.tpmt")) + field(3, certificate)
        offer = field(1, key) + field(3, field(1, read("ak.pub.tpmt")))
        write("verify_endorsement", folder.name, offer)
        write("verify_endorsement", f"{folder.name}-certificate", certificate)
        padded = field(1, read("ek.pub.tpmt")) + field(3, certificate + bytes(100))
        write("verify_endorsement", f"{folder.name}-padded-with-chain",
              field(1, padded) + field(2, certificate) + field(3, field(1, read("ak.pub.tpmt"))))

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

    # Answers of TPM2_StartAuthSession, TPM2_Load and, beside an empty password, TPM2_NV_Read.
    nonce = struct.pack(">H", 32) + bytes(range(32))
    signed = nonce + b"\x41" + nonce
    for name, tag, body in (("session", 0x8001, struct.pack(">I", 0x03000000) + nonce),
                            ("loaded", 0x8002, struct.pack(">II", 0x80000000, 34) + nonce
                             + bytes(5)),
                            ("counter", 0x8002, struct.pack(">IH8s", 10, 8, bytes(8)) + bytes(5)
                             + signed)):
        write("tpm_response", name, struct.pack(">HII", tag, 10 + len(body), 0) + body)

    installation()
    volumes()
    pe_images()


main()
