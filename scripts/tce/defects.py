# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the test programs that show the defects of the kernel's own driver, and their run."""
import concurrent.futures
import re
import subprocess
import sys
from pathlib import Path

from tce import ktap, results
from tce.cli import output, parser
from tce.paths import LOGS, OUT, SCRIPTS
from tce.vm import console

# Kernel, and arguments of scripts/vm
HOSTS = {
    # Some memory is movable, which pages under DMA have to leave (L).
    "powernv": ("6.12-4k", ["--machine", "powernv9", "--append", "movablecore=512M"]),
    "pseries": ("6.12-4k", ["--machine", "pseries"]),
    # The default window does not begin at 0, as firmware may have it (R).
    "pseries-high": ("6.12-4k", ["--machine", "pseries", "--qemu=-global",
                                 "--qemu=spapr-pci-host-bridge.dma_win_addr=0x80000000"]),
    # With KVM; the processes of the rows have a guest.
    "kvm": ("6.12-64k", ["--machine", "powernv9", "--module", "kvm-hv", "--huge-pages"]),
    # CPU pages larger than those of v1's window (AD).
    "powernv-64k": ("6.12-64k", ["--machine", "powernv9"]),
    # Big endian, freed memory is poisoned, allocations fail when told to.
    "debug": ("6.12-be", ["--machine", "powernv9"]),
}

# The kernel stumbled; the messages name different parts of one fault.
CRASH = r"Unable to handle|NULL pointer|Oops|UBSAN|WARNING|corruption|refcount_t|Bad page|kernel BUG"
KEPT = r"!(can_write|reaches)\(.*\) is not true|locked\(\) is \d+|destroy_context"
PAST = r"map\(.* returned 0, not -EINVAL"
MISALIGNED = r"returned 1, not -EINVAL"

# Letter, host, what the console says with the kernel's own driver, and the row. Unless its name
# begins with "user: ", root runs it.
ROWS = [
    ("A", "powernv", PAST, "user: dma: v1: MAP past the end of the window is EINVAL and writes nothing"),
    ("A", "powernv", PAST, "user: dma: v2: MAP past the end of the window is EINVAL and writes nothing"),
    ("B", "debug", CRASH, "user: races: v2: MAP and UNMAP against REMOVE and CREATE"),
    ("B", "powernv", CRASH + r"|stay pinned|locked\(\) .* is |returned", "user: races: v2: two first MAPs make one default window"),
    ("E", "debug", CRASH, "faults: v2: sparse tables"),
    ("F", "debug", CRASH, "user: races: v2: EEH against a group that comes and goes"),
    ("G", "powernv", KEPT, "user: memory: v2: UNREGISTER of mapped memory unmaps it"),
    ("G", "kvm", KEPT, "user: kvm: v2: UNREGISTER takes away what a guest has mapped"),
    ("H", "powernv", r"locked\(\) is \d+", "user: windows: v2: CREATE of a huge window fails and is not charged"),
    ("I", "pseries", CRASH + "|stay pinned", "user: dma: v2: MAP past the end of the window is EINVAL and writes nothing"),
    ("K", "powernv", r"pinned_settled\(before\) returned", "user: memory: v1: DISABLE takes all memory away from the device"),
    ("L", "powernv", "pages_in_zone", "memory: v1: pages of movable memory move out of it before a device gets them"),
    ("L", "powernv", "returned -EFAULT, not 0", "user: dma: v1: memory that is read-only for the process can be read by the device"),
    ("N", "powernv", MISALIGNED, "user: dma: v1: MAP refuses a misaligned address or size with EINVAL"),
    ("N", "powernv", MISALIGNED, "user: dma: v2: MAP refuses a misaligned address or size with EINVAL"),
    ("N", "powernv", MISALIGNED, "user: dma: v2: UNMAP refuses a misaligned address or size with EINVAL"),
    ("O", "pseries", r"returned -E(?!INVAL)\w+, not -EINVAL", "user: dma: v1: MAP past the end of the window is EINVAL and writes nothing"),
    ("P", "powernv", r"returned \d+, not -EFAULT", "user: memory: v2: REGISTER of a range with a hole is EFAULT and keeps nothing"),
    ("P", "powernv", "returned -ENOMEM, not -EINVAL", "user: memory: v2: REGISTER of nothing is EINVAL"),
    ("Q", "powernv", "returned 2, not 4", "eeh: v2: the state of two groups is the worst, whichever came first"),
    ("R", "pseries-high", "returned -EINVAL, not 0", "user: windows: v2: removing the default window before it is used is free"),
    ("S", "powernv", r"can_write\(.*\) is not true", "user: dma: v1: a failed MAP keeps what was mapped before"),
    ("S", "powernv", r"can_write\(.*\) is not true", "user: dma: v2: a failed MAP keeps what was mapped before"),
    ("T", "debug", "UBSAN: shift|returned 0", "user: windows: v2: CREATE refuses page sizes that are not offered with EINVAL"),
    ("U", "powernv", r"can_\w+\(.*\) is not true", "user: groups: v2: a group that goes leaves the others their mappings"),
    ("V", "powernv", PAST, "user: dma: v1: UNMAP past the end of the window is EINVAL and clears nothing"),
    ("V", "powernv", PAST, "user: dma: v2: UNMAP past the end of the window is EINVAL and clears nothing"),
    ("W", "kvm", CRASH + "|is not true", "user: kvm: v2: a guest can't have ordinary pages behind a huge one as huge"),
    ("X", "debug", CRASH, "user: races: v2: MAP and UNMAP against UNSET_CONTAINER and SET_IOMMU"),
    ("Y", "kvm", r"pinned_settled\(pins\) returned", "user: kvm: v1: UNMAP ends what KVM may put into its table"),
    ("Y", "kvm", CRASH, "user: kvm: v1: a guest goes on while MAP, UNMAP and its container go"),
    ("AA", "powernv", r"locked\(\) is \d+", "user: windows: v2: CREATE that cannot return its result keeps nothing"),
    ("AB", "powernv", CRASH, "user: waits: v2: root unbinds a device that EEH operations wait for"),
    ("AC", "powernv", CRASH, "user: waits: v2: the driver is not unloaded while a command waits for its argument"),
    ("AD", "powernv-64k", r"\d+ pages are pinned, \d+ are charged", "user: memory: v1: no more pages are pinned than are charged"),
    ("AE", "powernv", KEPT, "user: memory: v2: what comes to the address of mapped memory can be registered"),
    ("AE", "powernv", KEPT, "user: memory: v2: more may come to the address of mapped memory"),
]
# A race is not lost each time.
TRIES = 3


def boot(host: str, driver: str, rows: list[str], log: Path) -> tuple[int, str]:
    """scripts/vm's exit code, and what the console said once the rows began."""
    kernel, machine = HOSTS[host]
    # The users' prefix is no part of the name that the programs match.
    globs = "|".join("*" + re.sub(r"['\[\]*?\\]", "?", row.removeprefix("user: ")) for row in rows)
    users = sorted({"user" if row.startswith("user: ") else "root" for row in rows})
    done = subprocess.run(
        [SCRIPTS / "vm", "--kernel", kernel, *machine, "--driver", driver, "--run", "selftest", "--device", "edu", "--device", "edu",
         "--file", f"{OUT}/{kernel}/selftests:/selftests", "--env", f"TCE_TEST='{globs}'", "--env", f"TCE_USERS='{' '.join(users)}'",
         "--env", "TCE_SECONDS=4", "--show", "none", "--timeout", "600", "--log", log],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode in (console.USAGE, console.QEMU_ERROR):
        print(done.stdout, file=sys.stderr)
        sys.exit(2)
    text = log.read_text(errors="replace")
    return done.returncode, ktap.mend(text[max(text.find("\nVM-START"), 0):])


def evidence(words: str, text: str) -> str | None:
    """The first line that has these words, but for the names of rows."""
    for line in text.splitlines():
        line = ktap.STAMP.sub("", line.strip())
        if re.search(words, line) and not ktap.RESULT.match(line):
            return line.removeprefix("# ")
    return None


def shown(n: int) -> str | None:
    """What the console says of row @n with the kernel's own driver."""
    letter, host, words, row = ROWS[n]
    for _ in range(TRIES):
        if line := evidence(words, boot(host, "intree", [row], LOGS / f"defects-intree-{letter}-{n}.log")[1]):
            return line
    return None


def wrong_rows(rows: list[str], code: int, text: str) -> dict[str, str]:
    """What is wrong with these rows of ours: {row: how it went}"""
    found, faults = ktap.parse(text)
    wrong = {row: found.get(row, "missing") for row in rows if found.get(row) != "pass"}
    if code != console.PASS or faults:
        wrong[""] = "; ".join([f"scripts/vm ended with {code}", *faults])
    return wrong


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    p.add_argument("letter", nargs="*", choices=[*{row[0]: 0 for row in ROWS}, []], metavar="LETTER", help="only these")
    args = p.parse_args()
    chosen = [n for n, row in enumerate(ROWS) if not args.letter or row[0] in args.letter]
    rows = {host: [ROWS[n][3] for n in chosen if ROWS[n][1] == host] for host in HOSTS}
    LOGS.mkdir(parents=True, exist_ok=True)
    for kernel in sorted({HOSTS[host][0] for host, names in rows.items() if names}):
        for script in ("build-module", "build-selftests"):
            output(script, kernel)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        seen = dict(zip(chosen, pool.map(shown, chosen)))
        runs = {host: pool.submit(boot, host, "ours", names, LOGS / f"defects-ours-{host}.log") for host, names in rows.items() if names}
        ours = {host: wrong_rows(rows[host], *run.result()) for host, run in runs.items()}
    bad = set()
    for n in chosen:
        letter, host, _, row = ROWS[n]
        wrong = ours[host].get(row) or ours[host].get("")
        if wrong or not seen[n]:
            bad.add(letter)
        print(f"{letter:2}  {row.removeprefix('user: ')} ({host})\n    in-tree: {seen[n] or 'NOT SHOWN'}\n    ours: {wrong or 'passed'}")
    letters = {ROWS[n][0] for n in chosen}
    if not args.letter and not bad:
        results.save("defects", [("defect", "seen in the kernel's own driver"), *((ROWS[n][0], seen[n] or "nothing") for n in chosen)])
    print(f">> defects: {len(letters - bad)} passed, {len(bad)} failed, 0 skipped")
    return 1 if bad else 0
