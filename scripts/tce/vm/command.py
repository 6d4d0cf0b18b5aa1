# SPDX-License-Identifier: GPL-2.0-only
"""Boot a machine, run one guest script in it, and judge the run."""
import argparse
import contextlib
import functools
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tce import kernels
from tce.cli import die, parser, path_from
from tce.kernels import Kernel
from tce.paths import LOGS, SCRIPTS
from tce.vm.console import MEANING, Console, judge
from tce.vm.hugepages import describe_huge_pages
from tce.vm.initramfs import cpio, stage, stage_scripts
from tce.vm.machines import DEBIAN_APPEND, MACHINES, debian_drives, qemu_devices, qemu_machine

LAST_WORD = 10      # seconds that a silent machine has for each answer
WHERE = re.compile(r"CPU#|NIP|MSR|TB | *CFAR")     # of its registers


def registers(monitor: Path) -> str:
    """Where the processors of a silent machine are."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(2)
            sock.connect(str(monitor))
            sock.sendall(b"info registers -a\n")
            while answer.count(b"(qemu) ") < 2:
                more = sock.recv(1 << 16)
                if not more:
                    break
                answer += more
    except OSError as error:
        return f"# monitor: {error}\n"
    return "".join(line + "\n" for line in answer.decode(errors="replace").splitlines() if WHERE.match(line))


def ask_tasks(qemu: subprocess.Popen[bytes], done: threading.Event) -> None:
    """Have a silent machine's kernel say, on its console, what its processors do and its tasks wait for (SysRq l, w)."""
    assert qemu.stdin
    for key in b"l", b"w":
        qemu.stdin.write(b"\x0f" + key)
        qemu.stdin.flush()
        done.wait(LAST_WORD)


def waited(pid: int) -> float:
    """Seconds in which a process could have run and had no processor: those of the thread that waited most."""
    delays = [0]
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):      # it ended meanwhile
            delays.append(int(file.read_text().split()[1]))
    return max(delays) / 1e9


def boot(argv: list[str], console: Console, timeout: float, stall: float, monitor: Path,
         prepare: Callable[[], None] | None = None) -> tuple[int, bool]:
    """Run QEMU to its end or to a time limit, for which time does not pass while QEMU waits for a processor of
    this machine; returns (exit code, timed out)."""
    qemu = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    spoke = threading.Event()
    done = threading.Event()
    why: list[str] = []     # it was too late, and this is where it stood

    def watch() -> None:
        begin = last = time.monotonic()
        while not done.wait(0.5):
            now = time.monotonic() - waited(qemu.pid)
            if spoke.is_set():
                spoke.clear()
                last = now
            if now > min(begin + timeout, last + stall):
                why.append(registers(monitor))
                with contextlib.suppress(OSError):      # it ended meanwhile
                    ask_tasks(qemu, done)
                qemu.kill()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if prepare:
            prepare()
        assert qemu.stdout
        for raw in qemu.stdout:
            spoke.set()
            console.line(raw)
        done.set()
        watcher.join()
        console.log.write("".join(why))
        return qemu.wait(), bool(why)
    finally:
        done.set()
        qemu.kill()


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("--kernel", default="6.12-4k", help="a name from kernels.conf (%(default)s)")
    p.add_argument("--machine", default="powernv9", choices=MACHINES)
    p.add_argument("--driver", default="ours", choices=("ours", "intree"))
    p.add_argument("--ko", help="the module to use with --driver ours (out/KERNEL/...)")
    p.add_argument("--run", required=True, help="guest script: scripts/guest/RUN.sh")
    p.add_argument("--arg", action="append", default=[], help="argument for the guest script")
    p.add_argument("--env", action="append", default=[], help="NAME=VALUE for the guest script")
    p.add_argument("--device", action="append", default=[],
                   help="PCI device, with QEMU properties if any (edu, e1000e, ...); may be "
                        "repeated, each one has its own IOMMU group")
    p.add_argument("--module", action="append", default=[], help="another kernel module to include")
    p.add_argument("--file", action="append", default=[], help="SRC:DST, a file or a directory to include")
    p.add_argument("--huge-pages", action="store_true",
                   help="tell powernv's kernel of the CPU's pages of 2M and 1G, as the firmware of a real "
                        "machine does and QEMU does not (pseries has 2M in any case)")
    p.add_argument("--debian", type=Path, metavar="DIR",
                   help="run the script in this real Debian (scripts/debian-image), whose kernel and modules it has")
    p.add_argument("--write", action="store_true", help="keep what that Debian writes to its disk")
    p.add_argument("--append", default="", help="more for the kernel command line")
    p.add_argument("--qemu", action="append", default=[], help="another QEMU argument")
    p.add_argument("--smp", type=int, default=2)
    p.add_argument("--mem", default="2G")
    p.add_argument("--timeout", type=float, default=180, help="seconds (%(default)s)")
    p.add_argument("--stall", type=float, default=90,
                   help="seconds without a word from the guest (%(default)s)")
    p.add_argument("--show", default="script", choices=("script", "all", "none"),
                   help="what to show of the console: what the guest script says, all, nothing")
    p.add_argument("--echo", dest="show", action="store_const", const="all", help="the same as --show all")
    p.add_argument("--log", help="where the whole console goes (out/log/...)")
    return p.parse_args()


def find_programs() -> None:
    """See to it that QEMU and what this needs are in the PATH."""
    os.environ["PATH"] = f"{path_from('guest-programs', 'qemu')}:{os.environ['PATH']}:/usr/sbin:/sbin"    # depmod


def bootable(name: str) -> Kernel:
    kernel = kernels.env(name)
    if kernel["TOOLCHAIN"] == "clang":
        die(f"kernel {name} is there to compile the module for, not to be booted")
    return kernel


def qemu_command(args: argparse.Namespace, vmlinux: Path | str, initrd: Path, monitor: Path) -> list[str]:
    # A busy machine may keep an emulated processor waiting for longer than the
    # watchdogs' 10 s; what really hangs still meets them, or the time limit.
    append = (f"console=hvc0 {DEBIAN_APPEND if args.debian else 'rdinit=/init'} panic=-1 oops=panic log_buf_len=4M watchdog_thresh=30"
              f" rcupdate.rcu_cpu_stall_timeout=60 sysrq_always_enabled tce.run={args.run}"
              f" tce.driver={args.driver}")
    if args.arg:
        append += " tce.args=" + ",".join(args.arg)
    return ["qemu-system-ppc64", *qemu_machine(args.machine), "-m", args.mem, "-smp", str(args.smp),
            "-kernel", str(vmlinux), "-initrd", str(initrd),
            "-append", f"{append} {args.append}".strip(),
            "-display", "none", "-serial", "stdio", "-monitor", f"unix:{monitor},server=on,wait=off",
            "-nic", "none", "-no-reboot",
            *qemu_devices(args.machine, args.device), *args.qemu]


def prepared(args: argparse.Namespace, tmp: Path) -> list[str]:
    """Everything that the guest needs, below tmp; returns QEMU's arguments."""
    root, monitor = tmp / "root", tmp / "monitor"
    if args.debian:
        # It unpacks its second disk and starts install.sh.
        stage_scripts(root, args)
        (root / "init").rename(root / "install.sh")
        subprocess.run(["tar", "-cf", tmp / "more", "-C", root, "."], check=True)
        return [*qemu_command(args, args.debian / "vmlinux", args.debian / "initrd", monitor),
                *debian_drives(args.debian / "disk", tmp / "more", not args.write)]
    kernel = bootable(args.kernel)
    stage(root, kernel, args)
    with gzip.open(tmp / "initrd", "wb", compresslevel=1) as out:
        cpio(root, out)
    return qemu_command(args, kernel["VMLINUX"], tmp / "initrd", monitor)


def main(doc: str) -> int:
    args = parse_args(doc)
    if not (SCRIPTS / "guest" / f"{args.run}.sh").exists():
        die(f"there is no scripts/guest/{args.run}.sh")
    find_programs()
    log = Path(args.log or LOGS / f"{'-'.join((args.run, args.kernel, args.machine, args.driver))}.log")
    log.parent.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory(prefix="vfio-vm-") as name:
        tmp = Path(name)
        argv, prepare = prepared(args, tmp), None
        if args.huge_pages and args.machine.startswith("powernv"):
            argv += ["-S", "-chardev", f"socket,id=gdb,path={tmp}/gdb,server=on,wait=off", "-gdb", "chardev:gdb"]
            prepare = functools.partial(describe_huge_pages, f"{tmp}/gdb")
        with open(log, "w", encoding="utf-8") as out:
            out.write("# " + " ".join(argv) + "\n")
            console = Console(out, args.show)
            try:
                status, late = boot(argv, console, args.timeout, args.stall, tmp / "monitor", prepare)
            except (OSError, ValueError) as error:
                die(f"QEMU cannot be told of huge pages: {error}")

    code = judge(console, status, late)
    for text in console.splats[:5]:
        print(f"!! {text}")
    print(f">> vm {args.run} {args.kernel} {args.machine} {args.driver}: {MEANING[code]} (log: {log})",
          flush=True)
    return code
