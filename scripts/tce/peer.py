# SPDX-License-Identifier: GPL-2.0-only
"""The other end of the wire for a guest's network card: a web server for one request."""
import hashlib
import os
import random
import sys


def content(size: str, seed: str) -> bytes:
    return random.Random(seed).randbytes(int(size))


def receive(size: int) -> tuple[str, int]:
    """The SHA-256 of the next SIZE bytes, and how many came in fact."""
    digest, left = hashlib.sha256(), size
    while left:
        data = os.read(0, min(left, 1 << 16))
        if not data:
            break
        digest.update(data)
        left -= len(data)
    return digest.hexdigest(), size - left


def read_head() -> tuple[list[str], dict[str, str]]:
    """Request line and header fields, read without touching what follows."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(1)
        head += byte
    first, *fields = head.decode("latin-1").split("\r\n")
    return first.split(), {k.lower(): v.strip() for k, _, v in (f.partition(":") for f in fields)}


def write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]


def main(_doc: str) -> int:
    request, fields = read_head()
    method, path = request[0], request[1].strip("/").split("/")
    note = ""
    if method == "GET" and len(path) == 3 and path[0] in ("bytes", "sum"):
        body = content(path[1], path[2])
        if path[0] == "sum":
            body = hashlib.sha256(body).hexdigest().encode() + b"\n"
    elif method == "POST":
        digest, size = receive(int(fields.get("content-length", 0)))
        note = f" {size} bytes, {digest}"
        body = digest.encode() + b"\n"
    else:
        write(b"HTTP/1.0 404 Not found\r\nContent-Length: 0\r\n\r\n")
        return 1
    write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "a", encoding="utf-8") as log:
            log.write(" ".join(request[:2]) + note + "\n")
    return 0
