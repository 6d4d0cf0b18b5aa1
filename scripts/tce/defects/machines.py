# SPDX-License-Identifier: GPL-2.0-only
"""Boot the machines that show the defects, and those on which ours must not have them."""
import concurrent.futures
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tce.defects.catalogue import HOSTS, SUITES, Defect, Show
from tce.defects.evidence import Run, evidence
from tce.kunit import report
from tce.paths import LOGS, OUT, ROOT, SCRIPTS
from tce.vm import console

# What shows a defect, or None, and the log: by id() of a Show
Found = dict[int, tuple[str | None, Path]]


def kunit_filter(cases: set[str]) -> str:
    """The narrowest filter for all of these cases: the kernel takes one."""
    if len(cases) == 1:
        return next(iter(cases))
    suites = {case.split(".")[0] for case in cases}
    return f"{next(iter(suites))}.*" if len(suites) == 1 else "*"


def kunit_states(suites: report.Suites) -> dict[str, str]:
    """{suite: {case: [results]}} -> {"suite.case": pass, FAIL or skip}, of all their parameters."""
    return {f"{suite}.{case}": "FAIL" if set(results) - {"PASS", "SKIP"} else "pass" if "PASS" in results else "skip"
            for suite, cases in suites.items() for case, results in cases.items() if results}


def run_kunit(cases: set[str]) -> dict[str, str]:
    """Run these cases: {"suite.case": state}"""
    kernel, machine = SUITES
    command: list[str | Path] = [SCRIPTS / "kunit", "--kernel", kernel, "--machine", machine, "--filter", kunit_filter(cases)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (LOGS / "defects-kunit.txt").write_text(done.stdout)
    if done.returncode == 2:
        print(done.stdout, file=sys.stderr)
        sys.exit(2)
    states = kunit_states(report.results(report.log_of(kernel, machine)))
    if done.returncode:
        # Which of them is to blame, and for what: a complaint of the kernel may be of any.
        states = {case: "FAIL" if state == "pass" and "complained" in done.stdout else state for case, state in states.items()}
    return states


def boot(host: str, driver: str, rows: Iterable[str], users: str, log: Path) -> Run:
    kernel, machine = HOSTS[host]
    # A glob for each row, and for any user.
    globs = "|".join("*" + re.sub(r"['\[\]*?\\]", "?", row) for row in rows)
    command: list[str | Path] = [SCRIPTS / "vm", "--kernel", kernel, *machine, "--driver", driver, "--run", "selftest",
               "--device", "edu", "--device", "edu", "--file", f"{OUT}/{kernel}/selftests:/selftests",
               "--env", f"TCE_TEST='{globs}'", "--env", f"TCE_USERS='{users}'",
               "--env", "TCE_SECONDS=4",
               "--show", "none", "--timeout", "600", "--log", log]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode in (console.USAGE, console.QEMU_ERROR):
        print(done.stdout, file=sys.stderr)
        sys.exit(2)
    return Run(done.returncode, log.read_text(errors="replace"))


class Jobs:
    """What is to be shown, of which defects."""

    def __init__(self, defects: Iterable[Defect], number: int) -> None:
        self.number = number
        self.shows = [(defect, show) for defect in defects for show in defect.shows]
        self.cases = {case for defect in defects if not defect.shows for case in defect.kunit}

    def rows_by_host(self) -> dict[str, set[str]]:
        rows: dict[str, set[str]] = {}
        for _, show in self.shows:
            rows.setdefault(show.host, set()).update(show.rows)
        return rows


def run_all(jobs: Jobs) -> tuple[Found, dict[str, Run], dict[str, str]]:
    """Returns {id(show): (line or None, log)}, {host: Run with ours}, {"suite.case": state}"""
    found: Found = {}

    def single(defect: Defect, show: Show) -> list[tuple[Show, str | None, Path]]:
        for _ in range(show.tries):
            log = LOGS / f"defects-intree-{defect.letter}-{show.host}-{defect.shows.index(show)}.log"
            line = evidence(show, boot(show.host, "intree", show.rows, show.user, log))
            if line:
                break
        return [(show, line, log)]

    def together(host: str, user: str, shows: list[Show]) -> list[tuple[Show, str | None, Path]]:
        log = LOGS / f"defects-intree-{host}-{user}.log"
        run = boot(host, "intree", sorted({row for s in shows for row in s.rows}), user, log)
        return [(show, evidence(show, run), log) for show in shows]

    with concurrent.futures.ThreadPoolExecutor(jobs.number) as pool:
        futures = []
        shared: dict[tuple[str, str], list[Show]] = {}
        cases = pool.submit(run_kunit, jobs.cases) if jobs.cases else None
        for defect, show in jobs.shows:
            if show.alone:
                futures.append(pool.submit(single, defect, show))
            else:
                shared.setdefault((show.host, show.user), []).append(show)
        for (host, user), shows in shared.items():
            futures.append(pool.submit(together, host, user, shows))
        ours = {host: pool.submit(boot, host, "ours", sorted(rows), "root user", LOGS / f"defects-ours-{host}.log")
                for host, rows in jobs.rows_by_host().items()}
        for future in futures:
            for show, line, log in future.result():
                found[id(show)] = (line, log.relative_to(ROOT))
        return found, {host: future.result() for host, future in ours.items()}, cases.result() if cases else {}
