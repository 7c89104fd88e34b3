"""A client of seaworthy-mapper that is not ours and may lie to it. Runs on the node.

    mapper_client.py open NAME DEVICE KEY_FILE HEADER [FLAGS]
    mapper_client.py close NAME [deferred]
    mapper_client.py hold

HEADER is a file or device that begins with the header, or "none"; with "+clear" behind it the segment's
cipher is taken away and the checksums mended. `hold` connects and asks nothing until its input ends.
Prints "done", or the reason and the message, and exits with the code of the status."""

import hashlib
import os
import socket
import sys

SOCKET = "/run/seaworthy-mapper.sock"
HEADER_BYTES = 16 << 20
CHECKSUM = slice(448, 512)


def without_cipher(image):
    size = int.from_bytes(image[8:16], "big")
    for offset in (0, size):
        copy = bytearray(image[offset:offset + size])
        json_size = copy.index(0, 4096) - 4096
        text = bytes(copy[4096:4096 + json_size])
        before, segments, after = text.partition(b'"segments":')
        changed = before + segments + after.replace(b"aes-xts-plain64", b"cipher_null-ecb", 1)
        copy[4096:4096 + json_size] = changed
        copy[CHECKSUM] = bytes(64)
        copy[CHECKSUM] = hashlib.sha256(copy).digest() + bytes(32)
        image[offset:offset + size] = copy
    return image


def header(name):
    name, clear = name.removesuffix("+clear"), name.endswith("+clear")
    if name == "none":
        return []
    with open(name, "rb") as file:
        image = bytearray(file.read(HEADER_BYTES))
    memory = os.memfd_create("header")
    os.write(memory, without_cipher(image) if clear else image)
    return [memory]


def ask(packet, descriptors=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(SOCKET)
        socket.send_fds(connection, [packet], descriptors)
        answer = connection.recv(65536)
    reason_end = 5 + answer[2]
    print(answer[5:reason_end].decode() or "done", answer[reason_end:].decode())
    return answer[1]


def main(operation, *arguments):
    if operation == "hold":
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(SOCKET)
            sys.stdin.read()
        return 0
    name = arguments[0].encode()
    if operation == "close":
        return ask(bytes([1, 2, "deferred" in arguments, len(name), 0, 0, 0]) + name)
    device = arguments[1].encode()
    with open(arguments[2], "rb") as file:
        key = file.read()
    flags = int(arguments[4]) if len(arguments) > 4 else 0
    return ask(bytes([1, 1, flags, len(name), *len(device).to_bytes(2, "big"), len(key)]) + name + device
               + key, header(arguments[3]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
