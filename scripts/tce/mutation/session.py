# SPDX-License-Identifier: GPL-2.0-only
"""One run: what an earlier one has left, the stages, and what they have found."""
import argparse
import fcntl
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from tce import module
from tce.cli import output, say
from tce.mutation.build import OUT, Build
from tce.mutation.guests import Runner, Try
from tce.mutation.lines import Known, Lines, affordable
from tce.mutation.mutants import Mutant, digest
from tce.mutation.stages import STAGES, Stage, with_lines
from tce.mutation.verdicts import CAUGHT, Results, caught_text, is_equivalent, read_caught
from tce.paths import ROOT

STORE = OUT / "results.json"


class Expected(TypedDict):
    """What the good module does in a stage, with these @tests."""
    tests: str
    known: Known


class Session:
    def __init__(self, args: argparse.Namespace, mutants: Sequence[Mutant], verdicts: Mapping[str, str], seed: int) -> None:
        OUT.mkdir(parents=True, exist_ok=True)
        self.alone = open(OUT / "lock", "w")
        fcntl.flock(self.alone, fcntl.LOCK_EX)
        self.args, self.mutants, self.verdicts = args, mutants, verdicts
        self.by_id = {m.id: m for m in mutants}
        self.version = digest(*module.sources())
        self.tests = digest(self.version, *sorted((ROOT / "kunit").iterdir()), *sorted((ROOT / "selftests").rglob("*.[ch]")))
        self.results: Results = {}
        self.expected: dict[str, Expected] = {}
        # the seed of a sample whose survivors nobody has seen and written a test for since
        self.fresh = None if args.only or args.seed is not None else seed
        if args.keep and STORE.exists():
            self.recall()
        self.save()
        self.alive = [m for m in mutants if m.id not in self.results]
        self.same = {m.id: True for m in self.alive}
        self.met: set[str] = set()          # whom some test has met
        self.doubts: dict[str, str] = {}    # who has ended a guest, but was not proven to
        self.wrong: list[str] = []
        self.builds: dict[str, Build] = {}
        self.lines: dict[str, Lines] = {}
        self.hints = read_caught(CAUGHT.read_text()) if CAUGHT.exists() else {}

    def recall(self) -> None:
        """What an earlier run has left, as far as it is still true."""
        old = json.loads(STORE.read_text())
        self.expected = {s: e for s, e in old.get("expected", {}).items() if e["tests"] == self.tests}
        if old.get("version") == self.version:
            self.results = {k: (v[0], v[1], v[2]) for k, v in old["results"].items() if v[0] != "survived" or self.args.again}
            if self.fresh is None and old["tests"] == self.tests:
                self.fresh = old["fresh"]

    def save(self) -> None:
        STORE.write_text(json.dumps({"version": self.version, "tests": self.tests, "fresh": self.fresh,
                                     "results": self.results, "expected": self.expected}, indent=1))

    def known(self, stage: Stage) -> Known:
        """What the good module does in a stage; grows."""
        return self.expected.setdefault(stage.name, {"tests": self.tests, "known": {}})["known"]

    def note(self, stage: Stage, name: str, verdict: str, how: str) -> None:
        """What has become of a mutant in a stage."""
        if name in self.results:
            return
        m = self.by_id[name]
        if verdict == "caught":
            self.results[name] = ("caught", stage.name, how)
            self.save()
        elif how:
            self.doubts[name] = how
        print(f"{verdict:8} {m.id} {m.file}:{m.line} {m.function}: {m.kind}"
              f"{f' by {stage.name} ({how})' if how else ''}", flush=True)

    def build(self, stage: Stage, mutants: Sequence[Mutant]) -> dict[Mutant, Path | str]:
        if stage.kernel not in self.builds:
            self.builds[stage.kernel] = Build(stage.kernel)
        start = time.monotonic()
        made = self.builds[stage.kernel].make(mutants, stage.module(), self.args.jobs)
        say(f"{stage.name}: {len(mutants)} mutants built in {time.monotonic() - start:.0f} s")
        for m, ko in made.items():
            if ko == "broken":
                self.results[m.id] = ("broken", "", "")
            elif ko != "same":
                self.same[m.id] = False
        return made

    def lines_of(self, stage: Stage) -> Lines:
        """Which cases run which lines, as it matters to a stage with suites."""
        base = with_lines(stage)
        if base.kernel not in self.lines:
            self.lines[base.kernel] = Lines(base, self.args.jobs)
            self.wrong += [f"{base.name}: the good module fails {test}: {why}"
                           for test, why in self.lines[base.kernel].unusable.items()]
        if base == stage:
            self.known(stage).update(self.lines[base.kernel].expected())
        return self.lines[base.kernel]

    def steps(self, stage: Stage, mutants: Sequence[Mutant]) -> dict[Mutant, list[str]]:
        """The tests to be tried on each, in their order."""
        helped = {m: self.hints.get((m.file, m.function, stage.name), []) for m in mutants}
        if stage.kind == "selftest":
            return {m: sorted(stage.steps, key=lambda t: t not in helped[m]) for m in mutants}
        by_line = self.lines_of(stage)
        suites = [s for s in stage.steps if s != "leaks"]
        steps = {m: by_line.tests_for(m, suites, helped[m]) for m in mutants}
        for m in mutants:
            if is_equivalent(m, self.verdicts):
                steps[m] = affordable(steps[m], by_line.expected(), self.args.doubt * 10)
            elif steps[m] and "leaks" in stage.steps:
                steps[m].append("leaks")
        return steps

    def try_stage(self, stage: Stage) -> None:
        mine = self.alive
        if not stage.kernel.startswith("gcov-") or stage.kind == "selftest":
            mine = [m for m in mine if not is_equivalent(m, self.verdicts)]
        if not mine:
            return
        made = self.build(stage, mine)
        if self.args.build:
            return
        steps = self.steps(stage, mine)
        # Whom no test runs here may meet one in another stage.
        tries: list[Try] = [(m.id, ko, list(steps[m])) for m, ko in made.items() if isinstance(ko, Path) and steps[m]]
        if not tries:
            return
        self.met |= {name for name, _, _ in tries}
        programs = output("build-selftests", stage.kernel) if stage.kind == "selftest" else None
        runner = Runner(stage, self.builds[stage.kernel], programs, self.known(stage), self.args.budget)
        runner.run(tries, self.args.jobs, lambda name, verdict, how: self.note(stage, name, verdict, how))
        self.save()
        self.wrong += [f"{stage.name}: the good module fails {test}: {why}" for test, why in runner.unusable.items()]
        self.alive = [m for m in self.alive if m.id not in self.results]

    def run(self) -> None:
        """All stages; what is then still alive has survived."""
        for stage in STAGES:
            if not self.args.stage or stage.name in self.args.stage:
                self.try_stage(stage)
        if self.args.build:
            return
        for m in self.alive:
            self.results[m.id] = ("same" if self.same[m.id] else "survived", "", self.doubts.get(m.id, ""))
            if not self.same[m.id] and m.id not in self.met:
                self.wrong.append(f"no test was tried on it: {m.id} ({m.file}:{m.line})")
        self.save()

    def record(self, functions: set[tuple[str, str]]) -> None:
        new = CAUGHT.with_suffix(".new")
        new.write_text(caught_text(self.results, self.mutants, self.hints, functions))
        new.rename(CAUGHT)
