# SPDX-License-Identifier: GPL-2.0-only
"""What the module costs: measured in emulated hosts, and held against goals."""
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tce import kernels, module, paths, results
from tce.cli import die, output, parser, say
from tce.paths import LOGS, ROOT, SCRIPTS
from tce.tables import aligned

Host = tuple[str, str]
HOSTS: tuple[Host, ...] = (("6.12-4k", "powernv9"), ("6.12-64k", "powernv9"), ("6.12-4k", "pseries"))
SHORT = HOSTS[:2]

# {(driver, what): figure}
Figures = dict[tuple[str, str], float]
ROW = re.compile(r"^bench,([a-z]+),([^,\n]+),(\d+\.\d{3})$", re.M)

# Instructions at most, on powernv9 with pages of 4K and of 64K
LIMITS = {
    "v2 MAP of 4 MiB scattered per TCE": (130, 110),
    "v2 UNMAP of 4 MiB scattered per TCE": (80, 80),
    "v2 REGISTER of hugetlb memory per 2 MiB": (4000, 1000),
}
V1_SHARE = 0.6              # of the kernel's own driver, with pages of 4K
FLAT = 1.3                  # 65,536 regions against 64
WAITS = 0.1                 # for a lock; one lock for all makes it one or more
BESIDE = [f"v{version} waits for a lock per long call beside a second CPU" for version in (1, 2)]


@dataclass
class Line:
    """A figure of both drivers, and the goal for ours, if there is one."""
    what: str
    intree: float | None
    ours: float | None
    goal: str = ""
    met: bool = False       # a goal whose figure is not there is not met

    def verdict(self) -> str:
        return f"{self.goal}: {'met' if self.met else 'NO FIGURE' if self.ours is None else 'MISSED'}" if self.goal else ""


def at_most(what: str, intree: float | None, ours: float | None, limit: float | None, goal: str) -> Line:
    return Line(what, intree, ours, goal, ours is not None and limit is not None and ours <= limit)


def second_cpu(found: Figures) -> Iterator[Line]:
    for what in BESIDE:
        yield at_most(what, found.get(("intree", what)), found.get(("ours", what)), WAITS, f"<= {WAITS}")


def lines(found: Figures, kernel: str, machine: str) -> Iterator[Line]:
    """All that was measured on a host, and all its goals, whether there are figures or not."""
    def of(what: str) -> tuple[float | None, float | None]:
        return found.get(("intree", what)), found.get(("ours", what))

    large, bare_metal = kernel.endswith("64k"), machine == "powernv9"
    goals: list[Line] = []
    for what, limits in LIMITS.items() if bare_metal else ():
        goals.append(at_most(what, *of(what), limits[large], f"<= {limits[large]:,}"))
    if bare_metal and not large:
        both = [of(f"v1 {op} of 4 MiB scattered per TCE") for op in ("MAP", "UNMAP")]
        intree, ours = (sum(v for v in values if v is not None) if None not in values else None for values in zip(*both))
        goals.append(at_most("v1 MAP and UNMAP of 4 MiB scattered per TCE", intree, ours,
                             None if intree is None else V1_SHARE * intree, f"<= {V1_SHARE} x in-tree"))
    for op in ("REGISTER", "MAP", "UNMAP"):
        few, many = (of(f"v2 {op} of a page with {count} regions") for count in ("64", "many"))
        intree, ours = (m / f if m and f else None for m, f in zip(many, few))
        goals.append(at_most(f"v2 {op} of a page with 65,536 regions (in-tree 4,096) : 64", intree, ours, FLAT, f"<= {FLAT}"))
    goals += second_cpu(found) if bare_metal else ()
    yield from goals
    shown = {line.what for line in goals}
    for what in dict.fromkeys(what for _, what in found):
        if what not in shown:
            yield Line(what, *of(what))


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.2f}"


def table(found: Iterable[Line]) -> list[list[str]]:
    return [["what", "in-tree", "ours", "goal"],
            *([line.what, number(line.intree), number(line.ours), line.verdict()] for line in found)]


def build(name: str, ours: Path | str) -> list[str]:
    """The files for the guest."""
    programs = paths.OUT / name / "selftests"
    cross = kernels.env(name)["CROSS_COMPILE"]
    subprocess.run(["make", "-s", "-C", ROOT / "selftests", f"CROSS_COMPILE={cross}", f"O={programs}", programs / "bench"], check=True)
    return [f"{ours}:/bench/ours.ko", f"{programs}/bench:/bench/bench"]


def measure(host: Host, files: Sequence[str], log: Path, *settings: str) -> Figures:
    name, machine = host
    say(f"measuring on {machine}, {name}")
    argv = [SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--driver", "intree", "--run", "bench", "--device", "edu",
            "--huge-pages", "--show", "none", "--log", log, "--mem", "4G", "--timeout", "1800", "--stall", "900"]
    for option, values in (("--file", files), ("--env", settings)):
        for value in values:
            argv += [option, value]
    if subprocess.run([str(a) for a in argv]).returncode:
        die(f"{machine}, {name}: no figures, see {log}")
    return read(log.read_text(encoding="utf-8", errors="replace"))


def read(text: str) -> Figures:
    return {(driver, what): float(value) for driver, what, value in ROW.findall(text)}


def one_lock(text: str) -> str:
    """The file that registers the driver, with a lock around every ioctl of every container."""
    ioctl, operations = re.search(r"\.ioctl\s*= (\w+),", text), re.search(module.FACE, text, re.M)
    if not ioctl or not operations:
        raise ValueError("this file registers no driver")
    wrapper = f"""static DEFINE_MUTEX(one_lock);

static long one_at_a_time(void *data, unsigned int cmd, unsigned long arg)
{{
	long rc;

	mutex_lock(&one_lock);
	rc = {ioctl[1]}(data, cmd, arg);
	mutex_unlock(&one_lock);
	return rc;
}}

"""
    at = operations.start()
    return text[:at] + wrapper + re.sub(r"(\.ioctl\s*= )\w+,", r"\1one_at_a_time,", text[at:])


def control(host: Host) -> list[Line]:
    """The goals about a second CPU, by a module that has to miss them."""
    wrong = paths.OUT / host[0] / "one-lock"
    module.copy(wrong)
    source = wrong / module.face()
    source.write_text(one_lock(source.read_text(encoding="utf-8")), encoding="utf-8")
    done = subprocess.run(kernels.make(kernels.env(host[0]), wrong), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        die(f"the module with one lock does not build\n{done.stdout}")
    found = measure(host, build(host[0], wrong / module.KO), LOGS / "bench-one-lock.log",
                    'BENCH_DRIVERS="ours"', 'BENCH_TESTS="second-cpu"')
    return controlled(second_cpu(found))


def controlled(found: Iterable[Line]) -> list[Line]:
    """Turned round: a goal that is met, or has no figure, is not what has to be."""
    return [Line(f"one lock for all: {line.what}", None, line.ours, f"> {WAITS}", line.ours is not None and not line.met)
            for line in found]


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--short", action="store_true")
    p.add_argument("--only", action="append", metavar="KERNEL-MACHINE", choices=["-".join(host) for host in HOSTS])
    p.add_argument("--host", nargs=2, metavar=("KERNEL", "MACHINE"))
    args = p.parse_args()
    hosts = [host for host in (SHORT if args.short else HOSTS) if not args.only or "-".join(host) in args.only]
    if args.host:
        hosts = [(args.host[0], args.host[1])]
    tables, goals = {}, []
    for host in hosts:
        files = build(host[0], output("build-module", host[0]))
        said = list(lines(measure(host, files, LOGS / f"bench-{'-'.join(host)}.log"), *host))
        if host == HOSTS[0]:
            said += control(host)
        tables[f"{host[1]}, {host[0]}"] = table(said)
        goals += [line.met for line in said if line.goal]
    for name, rows in tables.items():
        print(f"{name}\n" + re.sub(" +$", "", aligned(rows), flags=re.M) + "\n")
    if tuple(hosts) == HOSTS and all(goals):
        results.save("bench", tables)
    print(f">> bench: {sum(goals)} passed, {len(goals) - sum(goals)} failed, 0 skipped")
    return 0 if goals and all(goals) else 1
