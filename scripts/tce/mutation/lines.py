# SPDX-License-Identifier: GPL-2.0-only
"""Which cases run which lines: only those can notice what is wrong there."""
import concurrent.futures
import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tce import kernels, module
from tce.cli import die, say
from tce.coverage.gcov import data_of, read_gcov
from tce.kernels import Kernel
from tce.kunit import cases as suites
from tce.mutation.build import OUT, kept_build
from tce.mutation.events import read_log
from tce.mutation.mutants import Mutant, digest
from tce.mutation.stages import Stage
from tce.paths import LOGS, ROOT, SCRIPTS

# {test: (results, tenths of a second)}
Known = dict[str, tuple[int, int]]


class Lines:
    """Which cases run which lines: only those can notice what is wrong there. Measured
    with gcov, case by case, with the good module."""

    def __init__(self, stage: Stage, jobs: int) -> None:
        # {SUITE.CASE: (results, tenths of a second, {file: {line, ...}})}
        self.tests: dict[str, tuple[int, int, dict[str, set[int]]]] = {}
        self.unusable: dict[str, str] = {}
        kernel = kernels.env(stage.kernel)
        cases = [f"{suite}.{case}" for suite, cases in suites.listed().items() for case in cases]
        shared = [f for f in sorted((ROOT / "kunit").iterdir()) if not f.name.endswith("_kunit.c")]
        version = {suite: digest(*module.sources(), *shared, kernel["KDIR"], ROOT / f"kunit/{suite}_kunit.c")
                   for suite in suites.listed()}
        store = OUT / stage.kernel / "lines.json"
        if store.exists():      # of what has not changed since
            old = json.loads(store.read_text())
            self.tests = {t: (r, n, {f: set(x) for f, x in files.items()}) for t, (r, n, files) in old["tests"].items()
                          if t in cases and old["version"].get(t.split(".")[0]) == version[t.split(".")[0]]}
            cases = [c for c in cases if c not in self.tests]
            if not cases:
                return
        build = kept_build(stage.kernel, kernel, OUT / stage.kernel / "lines",
                           [f"GCOV_PROFILE_{name}=y" for name in module.OBJECTS.values()])
        start = time.monotonic()

        def measure(worker: int) -> None:
            these = cases[worker::jobs]
            while these:
                done = self.boot(stage, kernel, build, worker, these)
                if done == 0:
                    die(f"a guest did not get to the end of {these[0]}")
                these = these[done:]

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(measure, range(jobs)))
        say(f"{stage.name}: looked in {time.monotonic() - start:.0f} s which lines {len(self.tests)} cases run")
        store.write_text(json.dumps({"version": version, "tests": {
            t: (r, n, {f: sorted(x) for f, x in files.items()}) for t, (r, n, files) in self.tests.items()}}))

    def boot(self, stage: Stage, kernel: Kernel, build: Path, worker: int, cases: list[str]) -> int:
        """Measure some cases; returns how many were."""
        name = f"mutation-lines-{stage.name}-{worker}"
        directory = OUT / "boot" / name
        subprocess.run(["rm", "-rf", directory], check=True)
        directory.mkdir(parents=True)
        os.link(build / f"{module.SUITES}.ko", directory / "good.ko")
        (directory / "list").write_text("".join(f"{case}\n" for case in cases))
        log = LOGS / f"{name}.log"
        command: list[str | Path] = [SCRIPTS / "vm", "--kernel", stage.kernel, "--machine", stage.machine, "--run", "mutation",
                   "--env", "TCE_STAGE=lines", "--mem", "2G", "--ko", build / module.KO,
                   "--file", f"{directory}:/mutants", "--huge-pages", "--append", "kunit.enable=1", "--timeout", "7200",
                   "--stall", "600", "--show", "none", "--log", log]
        log.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, stdout=subprocess.PIPE, text=True)
        text = read_log(log)
        names = {path.name: str(path.relative_to(ROOT)) for path in module.sources()}
        done = 0
        for part in re.split(r"^>> (?=(?:lines|unusable) )", text, flags=re.M)[1:]:
            what, case, rest = part.split(None, 2)
            done += 1
            if what == "unusable":
                self.unusable[case] = rest.split("\n")[0].removeprefix("by ")
                continue
            if "\n>> gcov end" not in part:
                return done - 1
            results, took = rest.split()[:2]
            files: dict[str, set[int]] = {}
            # other cases run these lines as well; at worst a mutant there is tried with fewer
            lost: list[str] = []
            for report in read_gcov(f"{kernel['CROSS_COMPILE']}gcov", build, data_of(part, lost)):
                for file in report["files"]:
                    source = names.get(os.path.basename(file["file"]))
                    if source:
                        files.setdefault(source, set()).update(line["line_number"] for line in file["lines"] if line["count"])
            self.tests[case] = (int(results), int(took), files)
        return done

    def expected(self) -> Known:
        """{test: (results, tenths)} of the cases, and of the suites as a whole."""
        known = {t: (r, n) for t, (r, n, _) in self.tests.items()}
        for suite in {t.split(".")[0] for t in self.tests}:
            own = [known[t] for t in self.tests if t.split(".")[0] == suite]
            # each case alone also has the line of its suite
            known[suite] = (sum(r - 1 for r, _ in own) + 1, sum(n for _, n in own))
        return known

    def near(self, mutant: Mutant) -> set[int]:
        """The lines of a mutant; those next to them if gcov, in spite of the compiler,
        does not tell them from these."""
        run = set().union(*(files.get(mutant.file, set()) for _, _, files in self.tests.values()))
        if run & mutant.lines or not run:
            return mutant.lines
        before = [n for n in run if n < min(mutant.lines)]
        after = [n for n in run if n > max(mutant.lines)]
        return set([max(before)] if before else []) | set([min(after)] if after else [])

    def tests_for(self, mutant: Mutant, suites: Iterable[str], first: Iterable[str] = ()) -> list[str]:
        """What to try on a mutant: the first, as far as they are known to run it, then those
        that see most of its file, then the cheapest; a suite rather than most of its cases."""
        known = self.expected()
        steps: list[str] = []
        cases: list[str] = []
        lines = self.near(mutant)
        for suite in suites:
            own = [t for t in self.tests if t.split(".")[0] == suite]
            run = [t for t in own if self.tests[t][2].get(mutant.file, set()) & lines]
            # not with a case in it that the good module fails
            whole = not any(t.split(".")[0] == suite for t in self.unusable)
            steps += [suite] if whole and len(run) > 3 and len(run) > len(own) / 2 else run
            cases += run
        first = [t for t in first if t in known and (t in steps or t.split(".")[0] in steps)]
        first += self.spread(mutant.file, cases, first)
        return first + sorted(set(steps) - set(first), key=lambda t: (known[t][1], t))

    def spread(self, file: str, cases: Iterable[str], first: Iterable[str]) -> list[str]:
        """Some of these cases, which run all lines of the file that any of them does and
        the first do not. What is wrong in a line that all cases run is often seen only by
        the few that go on where others do not."""
        before = set().union(*(self.tests[t][2].get(file, set()) for t in first if t in self.tests))
        left = {t: self.tests[t][2].get(file, set()) - before for t in sorted(cases)}
        chosen: list[str] = []
        while any(left.values()):
            best = max(left, key=lambda t: len(left[t]) / (self.tests[t][1] + 1))
            seen = left.pop(best)
            chosen.append(best)
            for more in left.values():
                more -= seen
        return chosen


def affordable(steps: list[str], known: Mapping[str, tuple[int, int]], tenths: float) -> list[str]:
    """As many of the first as take no longer than that, but one at least."""
    for n in range(1, len(steps)):
        if sum(known[t][1] for t in steps[:n + 1]) > tenths:
            return steps[:n]
    return steps
