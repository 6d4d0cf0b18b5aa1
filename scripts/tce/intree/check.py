# SPDX-License-Identifier: GPL-2.0-only
"""Linux with our driver in place of its own: is it built, does it serve clients, do the suites pass?"""
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tce import kernels
from tce.check.steps import PATIENCE
from tce.cli import parser, path_from, say
from tce.intree import tree
from tce.kunit.cases import allowed_skips, listed
from tce.kunit.report import results, weigh
from tce.paths import CACHE, LOGS, SCRIPTS

MACHINE = "powernv9"


def command(*words: str) -> Callable[[], list[str]]:
    """A step that is another command here: its exit code counts."""
    def run() -> list[str]:
        code = subprocess.run([SCRIPTS / words[0], *words[1:]]).returncode
        return [f"scripts/{' '.join(words)} ended with {code}"] if code else []
    return run


def patched() -> list[str]:
    """The patch makes of Linux what scripts/into-tree makes of it, and there is nothing left to do then."""
    source = path_from("build-kernel", "--source", tree.SUITES)
    (CACHE / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE / "tmp") as tmp:
        linux = Path(tmp) / "linux"
        subprocess.run(["cp", "-al", source, linux], check=True)    # no file of it is written to, but replaced
        before, after = tree.plan(linux)
        (Path(tmp) / "patch").write_text(tree.patch(before, after), encoding="utf-8")
        subprocess.run(["patch", "-s", "-p1", "-i", Path(tmp) / "patch"], cwd=linux, check=True)
        left = tree.plan(linux)[1]
    return [f"{name}: not as the patch has it" for name in left] + ([] if after else ["there was nothing to do"])


def kunit_py() -> list[str]:
    """kunit.py builds a kernel with the suites, boots it as a partition, and finds all of them good."""
    kernel = kernels.env(tree.SUITES)
    place = Path(kernel["KDIR"]).parent
    log = LOGS / "check-into-tree-kunit.py.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.with_suffix(".json").unlink(missing_ok=True)
    with open(CACHE / "locks/into-tree", "w") as lock, open(log, "w") as out:
        fcntl.flock(lock, fcntl.LOCK_EX)    # scripts/build-kernel changes this source, too
        tree.apply(place / "linux", tree.plan(place / "linux")[1])
        say(f"kunit.py run (ten minutes for a kernel the first time; log: {log})")
        code = subprocess.run(
            [sys.executable, "tools/testing/kunit/kunit.py", "run", "--arch=powerpcle",
             f"--cross_compile={kernel['CROSS_COMPILE']}", f"--kunitconfig={tree.PLACE}", f"--build_dir={place}/kunit.py",
             f"--jobs={os.cpu_count()}", "--timeout=2400", f"--json={log.with_suffix('.json')}"],
            cwd=place / "linux", stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode
    suites = results(log)
    say(f"kunit.py: {sum(result == 'PASS' for cases in suites.values() for case in cases.values() for result in case)} passed")
    allowed = allowed_skips(tree.SUITES, "pseries", more=("hash",))     # kunit.py's partition is a POWER8
    return ([f"kunit.py ended with {code}"] if code else []) + weigh(suites, listed(), allowed)


STEPS: dict[str, Callable[[], list[str]]] = {
    "patch": patched,
    "build-m": command("fetch-kernel", "into-tree-m"),
    "build-y": command("fetch-kernel", "into-tree-y"),
    "build-kunit": command("fetch-kernel", tree.SUITES),
    "selftest-m": command("selftest", "--kernel", "into-tree-m", "--machine", MACHINE, *PATIENCE),
    "selftest-y": command("selftest", "--kernel", "into-tree-y", "--machine", MACHINE, *PATIENCE),
    "kunit": command("kunit", "--kernel", tree.SUITES, "--machine", MACHINE),
    "kunit.py": kunit_py,
}


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("step", nargs="*", choices=[*STEPS, []], metavar="STEP", help=f"only these of: {', '.join(STEPS)}")
    wrong = 0
    chosen = p.parse_args().step or list(STEPS)
    for name in chosen:
        say(name)
        faults = STEPS[name]()
        for fault in faults:
            print(f"BAD: {name}: {fault}", flush=True)
        wrong += bool(faults)
    print(f">> check-into-tree: {len(chosen) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0
