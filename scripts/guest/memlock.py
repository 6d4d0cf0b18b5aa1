#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Are the amounts of "tcestat memlock" those that the module charges? For scripts/guest/memlock.sh.

A user without CAP_IPC_LOCK registers memory and creates a window, with a limit of exactly what
tcestat computes, which has to be used up, and with a page less, which has to be refused. The same
holds for two containers of one process, which have memory in common.

usage: memlock.py GROUP GROUP
Exit codes: 0 all windows were charged as computed, and there were some; 1 not.
"""
import errno
import fcntl
import mmap
import os
import re
import resource
import struct
import sys
from pathlib import Path
from typing import Any

import tcestat as T

MEM = 4 << 20
FILE = "/tmp/memlock"
USER = 65534
REGISTER, CREATE, REMOVE = 117, 119, 120


def locked() -> int:
    m = re.search(r"^VmLck:\s*(\d+)", Path("/proc/self/status").read_text(), re.M)
    assert m
    return int(m[1]) << 10


def address() -> int:
    """Where FILE is mapped; no ctypes here."""
    return int(next(line for line in Path("/proc/self/maps").read_text().splitlines()
                    if line.endswith(FILE)).split("-")[0], 16)


def client(groups: list[str], limit: int, keep_default: bool,
           window: tuple[int, int, int]) -> tuple[int, int]:
    """What a CREATE of (size, IOMMU page, levels) in a container of the last group returned, an
    errno or 0, and what is locked after it. The others have one already."""
    size, page, levels = window
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    memory = os.open(FILE, os.O_RDWR)
    with mmap.mmap(memory, MEM):
        for group in groups:
            container = os.open("/dev/vfio/vfio", os.O_RDWR)
            fcntl.ioctl(os.open(f"/dev/vfio/{group}", os.O_RDWR), T.SET_CONTAINER,
                        struct.pack("=i", container))
            fcntl.ioctl(container, T.SET_IOMMU, T.V2_IOMMU)
            info = bytearray(T.INFO.pack(T.INFO.size, 0, 0, 0, 0, 0, 0))
            fcntl.ioctl(container, T.GET_INFO, info)
            if not keep_default:
                fcntl.ioctl(container, T.VFIO_IOCTL | REMOVE,
                            struct.pack("=IIQ", 16, 0, T.INFO.unpack(info)[2]))
            fcntl.ioctl(container, T.VFIO_IOCTL | REGISTER,
                        struct.pack("=IIQQ", 24, 0, address(), MEM))
            try:
                fcntl.ioctl(container, T.VFIO_IOCTL | CREATE,
                            bytearray(struct.pack("=IIIIQIIQ", 40, 0, page.bit_length() - 1, 0,
                                                  size, levels, 0, 0)))
            except OSError as e:
                return e.errno or 0, locked()
        return 0, locked()


def in_child(*args: Any) -> tuple[int, int]:
    """As client(), in a process that then ends. An exception there ends this one, too."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(w, struct.pack("=iQ", *client(*args)))
        os._exit(0)
    os.close(w)
    with open(r, "rb") as pipe:
        said = pipe.read()
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(f"the client failed: {args}")
    code, bytes_locked = struct.unpack("=iQ", said)
    return code, bytes_locked


def main() -> int:
    groups = sys.argv[1:3]
    host = T.host_of(T.System("/"))
    # GET_INFO, by root
    _, _, _, default, pages, _, _ = T.ask_windows(T.System("/"), groups[0])
    with open(FILE, "wb") as f:
        f.truncate(MEM)
    os.chmod(FILE, 0o666)
    windows = [(1 << 30, 4096, 1), (1 << 30, 4096, T.qemu_levels(host, 1 << 30, 4096)),
               (1 << 30, host.page, 1)]
    # as QEMU creates a guest's second window, and a program a card's
    for size in (1 << 32, 1 << 36):
        windows += [(size, host.page, T.qemu_levels(host, size, host.page)),
                    (size, host.page, T.levels_needed(host, size, host.page))]
    # DPDK's
    if pages >> 21 & 1:
        windows.append((1 << 40, 2 << 20, 1))
    if host.powernv:
        # A level is a CPU page at least, and the bridge has 55 address bits in all.
        windows += [(1 << 36, host.page, levels)
                    for levels in ((2, 3, 4) if host.page == 4096 else (2,))]
    wrong = 0
    cases = [(which, keep, window) for keep in (False, True) for which, window in
             (*((groups[:1], window) for window in dict.fromkeys(windows)), (groups, windows[0]))]
    for which, keep, window in cases:
        tables = (T.table_bytes(host, *window)
                  + (T.table_bytes(host, default, 4096) if keep else 0))
        # Memory is charged once.
        need = MEM + len(which) * tables
        enough, less = (in_child(which, limit, keep, window) for limit in (need, need - host.page))
        good = enough == (0, need) and less == (errno.ENOMEM, need - tables)
        wrong += not good
        print(f">> {'ok' if good else 'WRONG'}: {len(which)} x {window[0] >> 20} MiB in pages of "
              f"{window[1] >> 10}K, {window[2]} levels{', and the default window' if keep else ''}"
              f": {need >> 10} KiB; with that {enough}, with a page less {less}", flush=True)
    print(f">> memlock: {len(cases) - wrong} windows charged as computed, {wrong} not")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
