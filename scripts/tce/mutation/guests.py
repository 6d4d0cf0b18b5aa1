# SPDX-License-Identifier: GPL-2.0-only
"""Boot guests with mutants until each has been tried."""
import collections
import concurrent.futures
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tce import module
from tce.cli import die, say
from tce.mutation.build import OUT, Build
from tce.mutation.events import Event, outcome, proven, read_events, read_log
from tce.mutation.lines import Known
from tce.mutation.stages import Stage
from tce.paths import LOGS, SCRIPTS

# (id, its module, tests)
Try = tuple[str, Path, list[str]]

# Is told (id, verdict, how).
Note = Callable[[str, str, str], None]
BOOT_MAX = 15       # mutants in one guest, which then has seen enough
BOOT_MIN = 5        # fewer are not worth one, if there are more
ROUNDS = 3          # for a mutant that ends guests, but not twice with the same test


class Runner:
    """Boots guests with mutants until each has been tried."""

    def __init__(self, stage: Stage, build: Build, programs: str | None, expected: Known, budget: float) -> None:
        self.stage, self.build, self.programs = stage, build, programs
        self.budget = budget            # seconds of tests for one mutant
        self.expected = expected        # what the good module does: {test: (results, tenths of a second)}
        self.unusable: dict[str, str] = {}
        self.boots = 0
        self.lock = threading.Lock()

    def boot(self, tries: list[Try], worker: int, note: Note, confirm: bool = False) -> tuple[list[Event], str]:
        """One boot with some mutants, [(id, module, tests)]: (what the guest said of them,
        all that it said)."""
        name = f"mutation-{self.stage.name}-{worker}"
        directory = OUT / "boot" / name
        subprocess.run(["rm", "-rf", directory], check=True)
        directory.mkdir(parents=True)
        subprocess.run([self.build.kernel["CROSS_COMPILE"] + "strip", "--strip-debug", "-o",
                        directory / "good.ko", self.build.base / f"{self.stage.module()}.ko"], check=True)
        for mutant, ko, _ in tries:
            os.link(ko, directory / f"{mutant}.ko")
        (directory / "list").write_text("".join(f"{' '.join([i, *tests])}\n" for i, _, tests in tries))
        with self.lock:
            known = [f"{t} {r} {n}\n" for t, (r, n) in self.expected.items()]
            known += [f"{t} bad 0\n" for t in self.unusable]
            self.boots += 1
            log = LOGS / f"{name}-{self.boots}.log"
        (directory / "expected").write_text("".join(known))
        command: list[str | Path] = [SCRIPTS / "vm", "--kernel", self.stage.kernel, "--machine", self.stage.machine,
                   "--run", "mutation", "--env", f"TCE_STAGE={self.stage.kind}", "--mem", "2G",
                   "--env", f"TCE_BUDGET={self.budget * 10:.0f}", "--env", f"TCE_CONFIRM={'1' if confirm else ''}",
                   "--ko", self.build.base / module.KO, "--file", f"{directory}:/mutants",
                   "--huge-pages", "--append", "kunit.enable=1", "--timeout", "14400", "--stall", "600",
                   "--show", "none", "--log", log]
        if self.stage.kind == "selftest":
            command += ["--device", "edu", "--device", "edu", "--file", f"{self.programs}:/selftests"]
        start = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        vm = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = 0
        while True:
            try:
                words = vm.communicate(timeout=5)[0]
                break
            except subprocess.TimeoutExpired:
                # Told at once: a run of an hour may be ended by somebody.
                events = read_events(read_log(log)) if log.exists() else []
                caught = [e for e in events if e[0] == "caught" and not confirm]
                for _, mutant, how in caught[told:]:
                    note(mutant, "caught", how)
                told = len(caught)
        if vm.returncode in (2, 6):
            die(words.strip())      # nobody's fault in there
        text = read_log(log)
        events = read_events(text)
        with self.lock:
            for test, results, took in re.findall(r"^>> expected (\S+) (\d+) (\d+)$", text, re.M):
                self.expected.setdefault(test, (int(results), int(took)))
            self.unusable.update(re.findall(r"^>> unusable (\S+) by (.*)$", text, re.M))
        if not events:
            die(f"the guest did not get to the first mutant ({words.strip()})")
        say(f"{self.stage.name}: a boot of {time.monotonic() - start:.0f} s,"
            f" {sum(e[0] == 'mutant' for e in events)} tried{' again' * confirm} ({log.name})")
        return events, text

    def run(self, tries: Iterable[Try], jobs: int, note: Note) -> None:
        """Try all of these, a few in each boot; whoever has nothing to do takes the next."""
        waiting = collections.deque(tries)
        rounds: collections.Counter[str] = collections.Counter()

        def work(worker: int) -> None:
            mine: list[Try] = []
            while True:
                with self.lock:
                    share = max(BOOT_MIN, min(BOOT_MAX, len(waiting) // jobs))
                    while waiting and len(mine) < share:
                        mine.append(waiting.popleft())
                if not mine:
                    return
                found, doubt = outcome(*self.boot(mine, worker, note))
                if doubt:
                    name, test, how = doubt
                    suspect = next(t for t in mine if t[0] == name)
                    rounds[name] += 1
                    alone = (name, suspect[1], [test] if test else [])
                    if proven(*self.boot([alone], worker, note, confirm=True), test):
                        found[name] = ("caught", f"{how}, twice")
                    elif rounds[name] == ROUNDS:
                        found[name] = ("survived", f"never twice: {how}")
                for name, verdict in found.items():
                    note(name, *verdict)
                mine = [t for t in mine if t[0] not in found]
                mine.sort(key=lambda t: -rounds[t[0]])

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, range(jobs)))
