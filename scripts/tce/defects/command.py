# SPDX-License-Identifier: GPL-2.0-only
"""Show the defects, and print the table."""
import argparse
import textwrap
import time
from collections.abc import Collection, Iterable, Mapping

from tce import results
from tce.cli import output, parser
from tce.defects.catalogue import DEFECTS, HOSTS, Defect
from tce.defects.evidence import Run, full_name
from tce.defects.machines import Found, Jobs, run_all
from tce.kunit import cases as kunit
from tce.paths import LOGS
from tce.vm import console


def table(lines: Iterable[tuple[str, ...]]) -> None:
    """Print rows of cells, wrapped."""
    widths = (2, 38, 62, 42)
    for cells in lines:
        columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, widths)]
        for n in range(max(len(cell) for cell in columns)):
            print("  ".join(f"{cell[n] if n < len(cell) else '':{width}}"
                            for cell, width in zip(columns, widths)).rstrip())
        print()


def verdict(defect: Defect, found: Found, ours: Mapping[str, Run], listed: Collection[str],
            states: Mapping[str, str]) -> tuple[str, str, list[str], list[str]]:
    """(cell about the kernel's own driver, cell about ours, [what is wrong], [what was skipped])

    @listed are the KUnit cases that there are, @states what those said that were run.
    """
    wrong, skipped, seen, rows, cases = [], [], [], 0, 0
    for show in defect.shows:
        line, log = found[id(show)]
        if line:
            seen.append(f"[{line}]")
        else:
            wrong.append(f"not shown with the kernel's own driver: {show.rows[0]} ({log})")
        for row in show.rows:
            result = ours[show.host].results.get(full_name(show, row), "missing")
            rows += result == "pass"
            if result == "skip":
                skipped.append(f"ours: {show.host}: {full_name(show, row)}")
            elif result != "pass":
                wrong.append(f"ours: {result}: {show.host}: {full_name(show, row)}")
    for case in defect.kunit:
        if case not in listed:
            wrong.append(f"there is no KUnit case {case}")
        elif not defect.shows:
            state = states.get(case, "missing")
            cases += state == "pass"
            if state == "skip":
                skipped.append(f"KUnit: {case}")
            elif state != "pass":
                wrong.append(f"KUnit: {state}: {case}")
    if not rows and not cases and not skipped:
        wrong.append("nothing was run")
    intree = f"{defect.intree}: {' '.join(seen)}" if defect.shows else \
        f"{defect.intree} (not shown: {defect.why_not})"
    proof = [f"{rows} row{'s' * (rows > 1)} passed"] if rows else []
    proof += [f"KUnit: {cases} case{'s' * (cases > 1)} passed"] if cases else []
    proof += ["see also KUnit: " + ", ".join(defect.kunit)] if defect.shows and defect.kunit else []
    return intree, f"{defect.ours} ({'; '.join(proof)})", wrong, skipped


def tally(defects: Iterable[Defect], bad: Iterable[tuple[str, str]], skipped: Iterable[tuple[str, str]]) -> str:
    """The last line, of letters; @bad and @skipped are (letter, text)."""
    letters = {d.letter for d in defects}
    failed = {letter for letter, _ in bad}
    not_run = {letter for letter, _ in skipped} - failed
    return f">> defects: {len(letters - failed - not_run)} passed, {len(failed)} failed, {len(not_run)} skipped"


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("letter", nargs="*")
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    p.add_argument("--list", action="store_true", help="only say what would be shown, and how")
    args = p.parse_args()
    unknown = set(args.letter) - {d.letter for d in DEFECTS}
    if unknown:
        p.error(f"there is no defect {' '.join(sorted(unknown))}")
    return args


def print_list(defects: Iterable[Defect]) -> None:
    for defect in defects:
        print(f"{defect.letter}  {defect.asked}")
        for show in defect.shows:
            print(f"   {show.host}: {'; '.join(show.rows)}")
        for case in defect.kunit:
            print(f"   KUnit: {case}")


def report(defects: Iterable[Defect], found: Found, ours: Mapping[str, Run],
           states: Mapping[str, str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Print the table; returns what is wrong and what was skipped: (letter, text)"""
    listed, bad, skipped = kunit.names(), [], []
    lines: list[tuple[str, ...]] = [("", "what was asked", "what the kernel's own driver did", "what ours did")]
    for defect in defects:
        intree, mine, wrong, not_run = verdict(defect, found, ours, listed, states)
        lines.append((defect.letter, defect.asked, intree, mine))
        bad += [(defect.letter, text) for text in wrong]
        skipped += [(defect.letter, text) for text in not_run]
    table(lines)
    for host, run in ours.items():
        bad += [("--", f"with ours the kernel complained on {host}: {text}") for text in run.complaints()]
        if run.code != console.PASS and not run.complaints():
            bad.append(("--", f"the run with ours on {host} failed: {console.MEANING[run.code]}"))
    for letter, text in bad:
        print(f"!! {letter}: {text}")
    for letter, text in skipped:
        print(f"!! {letter}: skipped: {text}")
    return bad, skipped


def main(doc: str) -> int:
    args = parse_args(doc)
    defects = [d for d in DEFECTS if not args.letter or d.letter in args.letter]
    if args.list:
        print_list(defects)
        return 0
    start = time.monotonic()
    jobs = Jobs(defects, args.jobs)
    LOGS.mkdir(parents=True, exist_ok=True)
    for kernel in sorted({HOSTS[show.host][0] for _, show in jobs.shows}):
        for script in ("build-module", "build-selftests"):
            output(script, kernel)
    bad, skipped = report(defects, *run_all(jobs))
    print(f"{time.monotonic() - start:.0f} s")
    if not bad and not skipped and not args.letter:
        results.save("defects", {"as they should be": len(defects), "of these not to be seen in the kernel's own driver":
                                 ", ".join(d.letter for d in defects if not d.shows)})
    print(tally(defects, bad, skipped))
    return 1 if bad or skipped else 0
