# SPDX-License-Identifier: GPL-2.0-only
"""The control of the goals about two CPUs: a module with one lock for all must miss them."""
import re
import subprocess
from pathlib import Path

from tce import kernels, module, paths
from tce.bench.goals import beside_line
from tce.bench.machines import AGAIN, OUT, PARALLEL, boot, build
from tce.bench.measured import Figures, write_figures
from tce.bench.verdict import number
from tce.cli import die
from tce.paths import LOGS


def one_lock(text: str) -> str:
    """The file that registers the driver, with a lock around every ioctl of every container."""
    ioctl = re.search(r"\.ioctl\s*= (\w+),", text)
    operations = re.search(module.FACE, text, re.M)
    if not ioctl or not operations:
        raise ValueError("this file registers no driver")
    name, at = ioctl[1], operations.start()
    wrapper = f"""static DEFINE_MUTEX(one_lock);

static long one_at_a_time(void *data, unsigned int cmd, unsigned long arg)
{{
	long rc;

	mutex_lock(&one_lock);
	rc = {name}(data, cmd, arg);
	mutex_unlock(&one_lock);
	return rc;
}}

"""
    return text[:at] + wrapper + re.sub(r"(\.ioctl\s*= )\w+,", r"\1one_at_a_time,", text[at:])


def wrong_module(name: str) -> Path:
    """Build it; returns the path."""
    wrong = paths.OUT / name / "one-lock"
    module.copy(wrong)
    source = wrong / module.face()
    source.write_text(one_lock(source.read_text()))
    done = subprocess.run(kernels.make(kernels.env(name), wrong), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        die(f"the module with one lock does not build\n{done.stdout}")
    return wrong / module.KO


def judge_wrong(f: Figures) -> tuple[list[str], list[str]]:
    """What is wrong with the figures of the module with one lock: goals that it met."""
    lines = [beside_line(f, version) for version in (1, 2)]
    return [f"!! one lock for all: {line.what}: {'no figure' if line.missing else 'goal is met'}"
            for line in lines if line.missing or line.met], [f"one lock for all: {line.what}: {number(line.ours)}" for line in lines]


def control(name: str, machine: str) -> tuple[list[str], list[str]]:
    """As judge_wrong(). With luck it meets a goal on a busy host, but not again and again."""
    for _ in range(1 + AGAIN):
        wrong, lines = judge_wrong(Figures(measure_wrong(name, machine)))
        if not wrong:
            break
    return wrong, lines


def measure_wrong(name: str, machine: str) -> Path:
    _, files = build(name, wrong_module(name), floor=False)
    log = LOGS / "bench-one-lock.log"
    text = boot(name, machine, files, log, {"BENCH_DRIVERS": "ours", "BENCH_TESTS": PARALLEL,
                                            "BENCH_ARGS": "--few"}, ["--timeout", "600"])
    OUT.mkdir(parents=True, exist_ok=True)
    return write_figures(OUT / "one-lock.csv", name, machine, text)
