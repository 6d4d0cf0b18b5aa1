# SPDX-License-Identifier: GPL-2.0-only
"""Build what measures, boot it, and keep its figures."""
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tce import kernels, paths
from tce.bench.goals import SHORT_REGISTER, lines_of
from tce.bench.measured import MIB, Figures, keep_best, write_figures
from tce.cli import die, output, say
from tce.kernels import Kernel
from tce.paths import LOGS, ROOT, SCRIPTS

OUT = paths.OUT / "bench"

HOSTS = (("6.12-4k", "powernv9"), ("6.12-64k", "powernv9"), ("6.12-4k", "pseries"))
# Only when --only asks for it: the kernel's own driver has no v1 there
OLDER = (("6.1-64k", "powernv9"),)

# Two CPUs at once: a host that is busy has a part in it. One lock for all misses these goals whenever it is measured (--wrong).
PARALLEL = "parallel-v1 parallel-v2"
SHARED = ("cpus", "beside", "beside-register")
AGAIN = 2

# The short form leaves out what takes the kernel's own driver long.
SHORT_TCE = "v1-scattered v2-scattered v1-contiguous v2-contiguous v1-thp v2-thp v1-hugetlb v2-hugetlb"
SHORT_HUGE = "register-giant register-thp register-hugetlb register-again"
SHORT = {"powernv9": f"{SHORT_TCE} registrations register-scattered {SHORT_HUGE} holds close-v1 close-v2 sparse-37 sparse-46 dpdk "
         f"{PARALLEL} calls counter", "pseries": "v1-scattered v2-scattered registrations calls"}
SHORT_INTREE = {"powernv9": f"{SHORT_TCE} register-scattered dpdk calls",
                "pseries": "v1-scattered v2-scattered calls"}


def run(*argv: object) -> None:
    subprocess.run([str(a) for a in argv], check=True)


def build_floor(name: str, env: Kernel) -> Path:
    floor = paths.OUT / name / "floor"
    floor.mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "selftests/floor").iterdir():
        (floor / file.name).write_bytes(file.read_bytes())
    # kbuild remarks that there is no vmlinux for BTF: show it only if it failed.
    done = subprocess.run(kernels.make(env, floor), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        die(f"tce_floor.ko does not build\n{done.stdout}")
    return floor / "tce_floor.ko"


def build(name: str, ko: str | Path | None = None, floor: bool = True) -> tuple[Kernel, list[str]]:
    """Module (unless given), floor module (if wanted) and program for a kernel. Returns the files for the guest."""
    env = kernels.env(name)
    ours = ko or output("build-module", name)
    files = [f"{ours}:/bench/ours.ko"]
    if floor:
        files.append(f"{build_floor(name, env)}:/bench/tce_floor.ko")
    programs = paths.OUT / name / "selftests"
    run("make", "-s", "-C", ROOT / "selftests", f"CROSS_COMPILE={env['CROSS_COMPILE']}", f"O={programs}",
        programs / "bench")
    return env, [*files, f"{programs}/bench:/bench/bench"]


def boot(name: str, machine: str, files: Iterable[str], log: Path, settings: Mapping[str, str], more: Iterable[str] = ()) -> str:
    argv = [SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--driver", "intree", "--run", "bench",
            "--device", "edu", "--huge-pages", "--show", "none", "--log", log, "--mem", "4G",
            # to clear a page of 1 GiB is one step of the kernel, which takes a minute on a busy host
            "--append", "rcupdate.rcu_cpu_stall_timeout=300", *more]
    for file in files:
        argv += ["--file", file]
    for key, value in settings.items():
        argv += ["--env", f'{key}="{value}"']
    done = subprocess.run([str(a) for a in argv])
    if done.returncode:
        die(f"{machine}, {name}: no figures, see {log}")
    return Path(log).read_text(errors="replace")


def measure(name: str, machine: str, short: bool, segments: int, ko: str | None) -> Path:
    say(f"measuring on {machine}, {name}")
    _, files = build(name, ko)
    out = OUT / "short" if short else OUT
    out.mkdir(parents=True, exist_ok=True)
    settings = {"BENCH_ARGS": f"--segments {segments}", "BENCH_ARGS_INTREE": "--max-regs 16384"}
    # the kernel's own driver takes minutes for DPDK's sequence
    more = ["--timeout", "3600", "--stall", "1800"]
    if short:
        settings = {"BENCH_TESTS": SHORT[machine], "BENCH_TESTS_INTREE": SHORT_INTREE[machine],
                    "BENCH_ARGS": f"--max-bytes {4 * MIB} --reg-bytes {SHORT_REGISTER} --segments 8192 --few"}
        if "64" in name:    # what differs there
            settings["BENCH_TESTS"] = f"{SHORT_TCE} {SHORT_HUGE}"
            settings["BENCH_TESTS_INTREE"] = SHORT_TCE
        more = ["--timeout", "300"]
    elif machine != "powernv9" or name != "6.12-4k":
        # ... which is enough once
        settings["BENCH_ARGS"] = "--segments 8192"
    text = boot(name, machine, files, LOGS / f"bench-{name}-{machine}.log", settings, more)
    path = write_figures(out / f"{name}-{machine}.csv", name, machine, text)
    for n in range(AGAIN):
        missed = [line.what for line in lines_of(Figures(path), name, machine, short) if line.shared and line.goal and not line.met]
        if not missed:
            break
        say(f"measuring again, the host may have been busy: {', '.join(missed)}")
        log = LOGS / f"bench-{name}-{machine}-again{n + 1}.log"
        alone = {**settings, "BENCH_DRIVERS": "ours", "BENCH_TESTS": PARALLEL}
        keep_best(path, boot(name, machine, [file for file in files if "tce_floor" not in file], log, alone, more), SHARED)
    return path
