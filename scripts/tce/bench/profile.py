# SPDX-License-Identifier: GPL-2.0-only
"""Count by function what is executed, with a plugin of QEMU: exact."""
import bisect
import collections
import re
import subprocess

from tce import figures
from tce.bench.machines import OUT, boot, build, run
from tce.bench.measured import MIB
from tce.kernels import Kernel
from tce.paths import DATA, LOGS
from tce.tables import literal

SECTIONS = {1: ("v1 map", 1024), 2: ("v1 unmap", 1024), 3: ("v2 map", 1024), 4: ("v2 unmap", 1024),
            5: ("v1 map, one entry", 1), 6: ("v1 unmap, one entry", 1),
            7: ("v2 map, one entry", 1), 8: ("v2 unmap, one entry", 1),
            9: ("exchange to set", 1024), 10: ("exchange to clear", 1024),
            11: ("register, per page", None), 12: ("unregister, per page", None)}
FIRMWARE = range(0x30000000, 0x40000000)

# Who is responsible for a function; the first that fits.
PARTS = (("driver", r" \[vfio_iommu_spapr_tce\]$"),
         ("platform", r"^(pnv_|iommu_|opal_|\[firmware\]|__opal|tce_\w+pSeries|plpar_|get_tce|useraddrptr)"),
         ("pinning", r"gup|try_grab|try_get_folio|node_page_state|pin_user|get_pfnblock|arch_pte|__pte_offset|folio"
                     r"|arch_local_irq|page_dirty|walk_page|follow_page|sanity_check_pinned"),
         ("region list", r"^mm_iommu_"),
         ("rest", r""))


# {section: {function: instructions}}
Counts = dict[int, dict[str, float]]


def no_counts() -> dict[str, float]:
    return collections.defaultdict(float)


class Symbols:
    def __init__(self, env: Kernel, log: str) -> None:
        done = subprocess.run([env["CROSS_COMPILE"] + "nm", env["VMLINUX"]], stdout=subprocess.PIPE, text=True, check=True)
        found = [(int(p[0], 16), p[2]) for p in map(str.split, done.stdout.splitlines())
                 if len(p) == 3 and p[1] in "tT" and p[2][0] not in ".$0123456789"]
        for line in re.findall(r"^sym (\w+) \w (\S+)\s+(\S+)", log, re.M):
            found.append((int(line[0], 16), f"{line[1]} {line[2]}"))
        found.sort()
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]

    def __call__(self, address: int) -> str:
        if address in FIRMWARE:
            return "[firmware]"
        if address < 1 << 63:
            return "[user]"
        return self.names[bisect.bisect_right(self.addresses, address) - 1]


def profile(name: str, machine: str, driver: str, ko: str | None) -> tuple[Counts, Counts]:
    """({section: Counter of functions}, the same of what the guest's own counter sees), by QEMU's plugin."""
    env, files = build(name, ko)
    OUT.mkdir(parents=True, exist_ok=True)
    plugin, counts = OUT / "profile.so", OUT / f"profile-{driver}.txt"
    run("gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", plugin, DATA / "bench-profile.c")
    log = boot(name, machine, files, LOGS / f"bench-profile-{name}-{machine}-{driver}.log",
               {"BENCH_DRIVERS": driver, "BENCH_SYMBOLS": "1", "BENCH_TESTS": "v1-scattered v2-scattered register-scattered",
                "BENCH_ARGS": f"--profile --max-bytes {4 * MIB} --reg-bytes {64 * MIB}"},
               ["--qemu=-plugin", f"--qemu={plugin},out={counts}"])
    symbols = Symbols(env, log)
    page = 65536 if env["PAGE"] == "64k" else 4096
    sections: Counts = collections.defaultdict(no_counts)
    seen: Counts = collections.defaultdict(no_counts)
    for line in counts.read_text().splitlines():
        section, address, insns, times, counted = (int(word, 16 if i == 1 else 10) for i, word in enumerate(line.split()))
        per = SECTIONS[section][1] or 64 * MIB // page
        sections[section][symbols(address)] += insns * times / per
        seen[section][symbols(address)] += counted * insns * times / per
    return sections, seen


def part(function: str) -> str:
    return next(name for name, pattern in PARTS if re.search(pattern, function))


def profile_summary(all_: dict[str, tuple[Counts, Counts]]) -> str:
    """Lines of a table: sections by part, executed and (seen), in-tree / ours; how many times more is executed."""
    names = [name for name, _ in PARTS]
    lines = [" " * 27 + "".join(f"{name:>14}" for name in (*names, "in all")) + "  factor"]
    for section in sorted(all_["ours"][0]):
        for driver in ("intree", "ours"):
            executed, seen = no_counts(), no_counts()
            for total, counts in zip((executed, seen), all_[driver]):
                for function, insns in counts[section].items():
                    total[part(function)] += insns
                    total["in all"] += insns
            label = SECTIONS[section][0] if driver == "intree" else ""
            # the floor is in the other table; the kernel's own list unregisters later
            if section in (9, 10, 12) or executed["in all"] < 1:
                continue
            cells = [f"{executed[n]:.0f} ({seen[n]:.0f})" if executed[n] >= 0.5 else "-" for n in (*names, "in all")]
            lines.append(f"{label:20}{driver:>7}" + "".join(f"{cell:>14}" for cell in cells) +
                         f"{executed['in all'] / seen['in all']:8.2f}")
    return "\n".join(lines)


def print_profile(name: str, machine: str, ko: str | None, write: bool) -> None:
    all_ = {driver: profile(name, machine, driver, ko) for driver in ("intree", "ours")}
    (theirs, theirs_seen), (ours, ours_seen) = all_["intree"], all_["ours"]
    for section in sorted(ours):
        a, b, x, y = theirs[section], ours[section], theirs_seen[section], ours_seen[section]
        columns = [f"{sum(all_.values()):.0f} ({sum(some.values()):.0f})" for all_, some in ((a, x), (b, y))]
        print(f"{SECTIONS[section][0]}: in-tree {columns[0]}, ours {columns[1]}")
        least = max(sum(b.values()) / 200, 0.5)
        for function in sorted(set(a) | set(b), key=lambda name: -max(a[name], b[name])):
            if max(a[function], b[function]) >= least:
                columns = [f"{all_[function]:.1f} ({some[function]:.1f})" if all_[function] else "-"
                           for all_, some in ((a, x), (b, y))]
                print(f"  {columns[0]:>16} {columns[1]:>16}  {function}")
        print()
    summary = profile_summary(all_)
    print(f"{summary}\n\nExecuted instructions; in brackets those that the emulated performance monitor counts.")
    if write:
        figures.write("profile", literal(summary), (name, machine))
