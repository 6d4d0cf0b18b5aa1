# SPDX-License-Identifier: GPL-2.0-only
"""Start a real Debian twice, with what is to be installed on it, and count what it says."""
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from tce.cli import output, parser, path_from, say
from tce.paths import LOGS, OUT, ROOT, SCRIPTS
from tce.vm import debian
from tce.vm.command import boot, find_programs
from tce.vm.console import Console
from tce.vm.machines import qemu_devices, qemu_machine

SUITES = ("bookworm", "trixie")
STEP = re.compile(r"^(ok  |FAIL) +(\d+) s  (.*)$", re.M)
END = re.compile(r"^CHECK-END (\d+) (\d+)$", re.M)

# The files that have the version in them: scripts/package compares them.
VERSIONED = ("vfio_iommu_spapr_tce.c", "compat/iommu_ops.c", "dkms.conf", "CHANGELOG.md", "debian/changelog",
             "rpm/vfio-iommu-spapr-tce.spec")

# Seconds for one start, and for one step. The first start compiles the module three times, and
# on a machine with much else to do 50 minutes were seen for one of them.
LIMIT, SILENCE = 14400, 4800

# Documents name the steps that took that many seconds.
LONG = 10


class Found(NamedTuple):
    """What one start has shown."""
    passed: int
    failed: int
    wrong: list[str]        # that no step has said


def judge(text: str, splats: list[str], status: int, late: bool) -> Found:
    """What a console is worth."""
    verdicts = [verdict for verdict, *_ in STEP.findall(text)]
    wrong = [f"the kernel complained: {line}" for line in splats[:5]]
    if late:
        wrong.append("it took too long")
    elif status:
        wrong.append(f"QEMU ended with {status}")
    end = END.findall(text)
    if len(end) != 1:
        wrong.append("it did not come to its end")
    elif (int(end[0][0]), int(end[0][1])) != (len(verdicts), verdicts.count("FAIL")):
        wrong.append(f"it speaks of {end[0][0]} steps, {end[0][1]} of them failed; seen were {len(verdicts)} and {verdicts.count('FAIL')}")
    if not verdicts:
        wrong.append("it did nothing")
    return Found(verdicts.count("ok  "), verdicts.count("FAIL"), wrong)


class Steps(Console):
    """Shows the steps as they come, and why one failed."""

    def __init__(self, log: TextIO) -> None:
        super().__init__(log, "none")
        self.fails = False

    def whole(self, text: str) -> None:
        self.fails = text.startswith("FAIL") or self.fails and text.startswith("         ")
        if STEP.match(text) or self.fails:
            print(text, flush=True)


def newer(tarball: Path) -> Path:
    """The same sources with a newer version."""
    out = tarball.parent / "newer"
    out.mkdir(exist_ok=True)
    stem, version = tarball.name.removesuffix(".tar.xz").rsplit("-", 1)
    with tempfile.TemporaryDirectory(dir=out) as tmp:
        subprocess.run(["tar", "-xf", tarball, "-C", tmp], check=True)
        place = (Path(tmp) / f"{stem}-{version}").rename(Path(tmp) / f"{stem}-{version}.1")
        for name in VERSIONED:
            text = (place / name).read_text(encoding="utf-8")
            (place / name).write_text(text.replace(version, f"{version}.1"), encoding="utf-8")
        file = out / f"{place.name}.tar.xz"
        subprocess.run(["tar", "-cJf", file, "-C", tmp, place.name], check=True)
    return file


def sources() -> dict[str, Path]:
    """{name there: file} of what the system needs."""
    first = path_from("package", "dist")
    second = newer(first)
    programs = path_from("build-selftests", "6.12-4k")
    files = {"install.sh": SCRIPTS / "guest/install.sh", "source.tar.xz": second}
    files |= {name: programs / name for name in ("demo", "hold")}
    for place, source in (("", first), ("newer/", second)):
        debs = [Path(line) for line in output("package", "deb", source).splitlines() if line.endswith(".deb")]
        files |= {f"{place}{deb.name}": deb for deb in debs}
    return files


def from_disk(disk: Path, name: str, to: Path) -> bool:
    """Get a file of the system that is not running, if it is there."""
    to.unlink(missing_ok=True)
    subprocess.run(["/sbin/debugfs", "-R", f"dump {name} {to}", disk], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return to.exists() and to.stat().st_size > 0


def run(place: Path, log: Path, keep: bool) -> Found:
    """Start the system of this directory, which writes to its disk or (keep) does not."""
    argv = ["qemu-system-ppc64", *qemu_machine("powernv9"), "-m", "3G", "-smp", "2",
            "-kernel", str(place / "vmlinux"), "-initrd", str(place / "initrd"),
            "-append", f"console=hvc0 {debian.APPEND} panic=-1 oops=panic"
                       " watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60 sysrq_always_enabled",
            "-display", "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
            *qemu_devices("powernv9", ["edu"]), *debian.drives(place / "disk", place / "more", 1, keep)]
    with open(log, "w", encoding="utf-8") as out, tempfile.TemporaryDirectory(prefix="vfio-install-") as name:
        console = Steps(out)
        monitor = Path(name) / "monitor"
        status, late = boot([*argv, "-monitor", f"unix:{monitor},server=on,wait=off"], console, LIMIT, SILENCE, monitor)
    return judge(log.read_text(encoding="utf-8"), console.splats, status, late)


def place_of(suite: str) -> Path:
    return OUT / "install" / suite


def log_of(suite: str, start: int) -> Path:
    return LOGS / f"install-{suite}-{start}.log"


def started(suite: str, files: Mapping[str, Path], begin: int) -> Iterator[Found]:
    """The starts of one release."""
    place = place_of(suite)
    disk = place / "disk"
    for path in (place, LOGS):
        path.mkdir(parents=True, exist_ok=True)
    if begin == 1:
        image = path_from("debian-image", suite)
        for name in ("vmlinux", "initrd"):
            shutil.copy(image / name, place)
        subprocess.run(["cp", "--sparse=always", image / "disk", disk], check=True)
    for start in range(begin, 3):
        if start == 2:
            if not disk.exists() or not from_disk(disk, "/root/second/kernel", place / "kernel"):
                yield Found(0, 0, ["there is no second kernel to start"])
                return
            kernel = (place / "kernel").read_text().strip()
            if not all(from_disk(disk, f"/boot/{there}-{kernel}", place / here)
                       for there, here in (("vmlinux", "vmlinux"), ("initrd.img", "initrd"))):
                yield Found(0, 0, [f"there is no {kernel} in /boot"])
                return
        debian.pack(place / "more", {"boot": f"{start}\n", **files})
        log = log_of(suite, start)
        say(f"{suite}: start {start} (log: {log.relative_to(ROOT)})")
        yield run(place, log, start == 2)


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--second", action="store_true")
    p.add_argument("suite", nargs="*", choices=[*SUITES, []], metavar="SUITE")
    args = p.parse_args()
    suites = args.suite or SUITES
    find_programs()
    files = sources()
    passed = failed = 0
    for suite in suites:
        for found in started(suite, files, 2 if args.second else 1):
            passed += found.passed
            failed += found.failed + len(found.wrong)
            for line in found.wrong:
                print(f"FAIL        {suite}: {line}")
    print(f">> check-install: {passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0
