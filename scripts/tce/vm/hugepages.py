# SPDX-License-Identifier: GPL-2.0-only
"""Let a powernv machine know the page sizes of its processor, which QEMU does not tell it.

It goes through QEMU's debugger, before the machine starts.
"""
import socket
import struct
import time

# What POWER9's MMU offers, as its firmware tells the kernel: shift, and how TLB
# invalidations call it, for pages of 4K, 64K, 2M and 1G.
RADIX_PAGES = struct.pack(">4I", 0x0000000c, 0xa0000010, 0x20000015, 0x4000001e)
FDT_ADDRESS = 0x1000000     # where QEMU leaves powernv's device tree


def fdt_with(fdt: bytes, node: bytes, name: bytes, value: bytes) -> bytes:
    """The flattened device tree with a property more in each node whose name begins with @node."""
    magic, _, struct_at, strings_at, reserved_at, *versions, strings_size, struct_size = struct.unpack_from(">10I", fdt)
    if magic != 0xd00dfeed:
        raise ValueError("no device tree")
    strings = fdt[strings_at:strings_at + strings_size]
    tree = fdt[struct_at:struct_at + struct_size]
    prop = struct.pack(">3I", 3, len(value), strings_size) + value + b"\0" * (-len(value) % 4)
    out, at, found = b"", 0, 0
    while at < len(tree):
        begin, (token,) = at, struct.unpack_from(">I", tree, at)
        at += 4
        more = b""
        if token == 1:      # a node begins: its name
            end = tree.index(b"\0", at)
            if tree[at:end].startswith(node):
                more, found = prop, found + 1
            at += (end - at) // 4 * 4 + 4
        elif token == 3:    # a property: length, name, value
            at += 8 + (struct.unpack_from(">I", tree, at)[0] + 3) // 4 * 4
        out += tree[begin:at] + more
    if not found or name in strings:
        raise ValueError(f"the device tree has no {node.decode()}, or {name.decode()} already")
    strings += name + b"\0"
    reserved = fdt[reserved_at:struct_at]     # the parts are in this order, as QEMU packs them
    struct_at = 40 + len(reserved)
    total = struct_at + len(out) + len(strings)
    return struct.pack(">10I", magic, total, struct_at, struct_at + len(out), 40, *versions,
                       len(strings), len(out)) + reserved + out + strings


class Debugger:
    """As much of gdb's protocol as it takes to reach the memory of a QEMU that waits for it."""

    def __init__(self, path: str) -> None:
        end = time.monotonic() + 60
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")
        self.ask("Qqemu.PhyMemMode:1", "OK")

    def ask(self, text: str, wanted: str | None = None) -> str:
        self.socket.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())
        answer = b""
        while not answer.endswith(b"#"):
            byte = self.file.read(1)
            if not byte:
                raise OSError("QEMU's debugger hung up")
            answer += byte
        self.file.read(2)
        self.socket.sendall(b"+")
        said = answer[answer.index(b"$") + 1:-1].decode()
        if wanted is not None and said != wanted:
            raise OSError(f"QEMU's debugger says {said} to {text[:20]}")
        return said

    def read(self, address: int, size: int) -> bytes:
        return b"".join(bytes.fromhex(self.ask(f"m{at:x},{min(1024, address + size - at):x}"))
                        for at in range(address, address + size, 1024))

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), 1024):
            part = data[at:at + 1024]
            self.ask(f"M{address + at:x},{len(part):x}:{part.hex()}", "OK")

    def go(self) -> None:
        self.ask("D", "OK")
        self.socket.close()


def describe_huge_pages(path: str) -> None:
    """Let a powernv machine that waits for its start know all of its page sizes."""
    debugger = Debugger(path)
    _, size = struct.unpack(">2I", debugger.read(FDT_ADDRESS, 8))
    if size > 1 << 20:
        raise ValueError("no device tree")
    fdt = fdt_with(debugger.read(FDT_ADDRESS, size), b"PowerPC,POWER", b"ibm,processor-radix-AP-encodings", RADIX_PAGES)
    debugger.write(FDT_ADDRESS, fdt)
    debugger.go()
