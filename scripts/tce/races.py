# SPDX-License-Identifier: GPL-2.0-only
"""Clients against each other on kernels that watch, and clients that die."""
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tce import ktap, results
from tce.cli import output, parser
from tce.kunit.races import data_races, only_races_of_the_kernel
from tce.paths import LOGS, OUT, SCRIPTS
from tce.vm import console

# What a part said: (what is wrong, how many passed, the names of those skipped)
Result = tuple[list[str], int, list[str]]

# (function, part, kernel, machine, seconds that it may take, its parameter)
Part = tuple[Callable[[str, str, str, int, int], Result], str, str, str, int, int]

# (part, kernel, machine, seconds that it may take)
CHECKED = [("lockdep", "kunit-6.12-4k", "powernv9", 1500),
           ("kasan", "kunit-6.12-64k", "powernv9", 2400),
           ("kcsan", "kunit-kcsan", "powernv9", 2400),
           ("kvm", "kvm-6.12-4k", "powernv9", 1800)]
DEATHS = [("deaths", "6.12-4k", "powernv9", 1200), ("deaths", "6.12-4k", "pseries", 1200)]


LEAST_WATCHED = 10000       # accesses: KCSAN picks a few of them


def prepare(kernel: str) -> None:
    for script in ("build-module", "build-selftests"):
        output(script, kernel)


def boot(part: str, kernel: str, machine: str, timeout: int, arguments: list[str], driver: str = "ours") -> tuple[int, Path]:
    """Returns (exit code of scripts/vm, path of the log)."""
    prepare(kernel)
    log = LOGS / f"races-{part}-{kernel}-{machine}.log"
    command: list[str | Path] = [SCRIPTS / "vm", "--kernel", kernel, "--machine", machine, "--driver", driver, "--show", "none",
               "--file", f"{OUT}/{kernel}/selftests:/selftests", "--log", log,
               "--timeout", str(timeout), "--stall", "400", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode, log


def races_in(text: str) -> tuple[list[str], list[str]]:
    """KCSAN's reports in a console log, at the end of which the kernel's log is printed once more."""
    return data_races(text.split("\nVM-END")[0])


def rows(part: str, kernel: str, machine: str, timeout: int, seconds: int, wanted: str, driver: str = "ours") -> tuple[int, Path]:
    """Boot for rows of selftests/, as boot() does it."""
    more = []
    if part == "kvm":
        more = ["--module", "kvm-hv", "--huge-pages"]
    elif part.startswith("kcsan"):
        # Emulated processors stop for longer than real ones: watch for longer, and twice as often.
        more = ["--append", "kcsan.udelay_task=400 kcsan.skip_watch=2000"]
    return boot(part, kernel, machine, timeout, more + [
        "--run", "selftest", "--device", "edu", "--device", "edu", "--smp", "4", "--mem", "3G",
        "--env", f"TCE_TEST='{wanted}'", "--env", "TCE_USERS=root",
        "--env", f"TCE_SECONDS={seconds}"], driver)


def control(kernel: str, machine: str, seconds: int) -> bool:
    """Does KCSAN tell of a race here when there is one? On a busy machine it may take more than one try."""
    for _ in range(4):
        _, log = rows("kcsan-control", kernel, machine, 600, 4 * seconds,
                      "*races: v1: MAP and UNMAP against DISABLE and ENABLE", "intree")
        own, _ = races_in(log.read_text(errors="replace"))
        if own:
            break
    print(f"   KCSAN: {len(own)} reports about the kernel's own driver, which has data races")
    for title in sorted({re.findall(r"KCSAN: .*", report)[0].strip() for report in own}):
        print(f"        {title}")
    return bool(own)


def judge_rows(code: int, text: str) -> Result:
    """(what is wrong with a run of rows, as a list; how many rows passed; the names of those skipped)"""
    results, wrong = ktap.parse(ktap.mend(text[max(text.find("\nVM-START"), 0):]))
    wrong = [f"broken report: {w}" for w in wrong] + [f"not ok: {row}" for row, r in results.items() if r == "FAIL"]
    if not ktap.count(results, "pass"):
        wrong.append("not one row passed")
    if code != console.PASS:
        wrong.append(console.MEANING[code])
    return wrong, ktap.count(results, "pass"), [row for row, r in results.items() if r == "skip"]


def judge_kcsan(code: int, text: str) -> Result:
    """The same, where the kernel may complain about data races of its own."""
    if code == console.SPLAT and only_races_of_the_kernel(text):
        code = console.PASS
    wrong, passed, skipped = judge_rows(code, text)
    own, others = races_in(text)
    wrong += own
    watched = sum(int(n) for n in re.findall(r"^>> kcsan: setup_watchpoints: (\d+)", text, re.M))
    print(f"   KCSAN: {watched} accesses were watched, {len(own)} reports about the module,"
          f" {len(others)} about the rest of the kernel")
    for title in sorted(set(others)):
        print(f"   {others.count(title):4} {title}")
    if watched < LEAST_WATCHED:
        wrong.append(f"KCSAN watched {watched} accesses, less than {LEAST_WATCHED}")
    return wrong, passed, skipped


def checked(part: str, kernel: str, machine: str, timeout: int, seconds: int) -> Result:
    if part == "kcsan" and not control(kernel, machine, seconds):
        return ["KCSAN does not see the data races of the kernel's own driver"], 0, []
    wanted = "*kvm: *" if part == "kvm" else "*races: *|*faults: *"
    code, log = rows(part, kernel, machine, timeout, seconds, wanted)
    return (judge_kcsan if part == "kcsan" else judge_rows)(code, log.read_text(errors="replace"))


def judge_deaths(code: int, text: str) -> Result:
    """The same for what guest/deaths.sh says: each part says what it did."""
    wrong = [] if code == console.PASS else [console.MEANING[code]]
    parts = re.findall(r"^(\d+) clients killed, seed \d+, after \d+ commands: nothing left$", text, re.M)
    done = re.search(r"^>> done: (\d+) clients killed$", text, re.M)
    if not done or sum(map(int, parts)) != int(done[1]) or not int(done[1]):
        wrong.append(f"of {done[1] if done else 'unknown'} clients {sum(map(int, parts))} are known to have left nothing")
    return wrong, len(parts), []


def deaths(part: str, kernel: str, machine: str, timeout: int, seed: int) -> Result:
    # Without room for more memory a pseries host makes no large window for itself.
    memory = "2G" if machine == "powernv9" else "2G,slots=2,maxmem=4G"
    code, log = boot(part, kernel, machine, timeout, [
        "--run", "deaths", "--device", "e1000e", "--mem", memory, "--env", f"TCE_SEED={seed}"])
    text = ktap.script_output(log)
    for line in text.splitlines():
        if line.startswith((">> ", "!! ")) or "clients killed" in line:
            print(f"   {line}")
    return judge_deaths(code, text)


def verdict(parts: Iterable[Result]) -> tuple[str, int]:
    """(the last line, the exit code) for what each part said: (wrong, passed, skipped)"""
    passed, failed, skipped = (sum(n) for n in zip(*((n, len(wrong), len(left)) for wrong, n, left in parts)))
    return f">> races: {passed} passed, {failed} failed, {skipped} skipped", 0 if passed and not failed else 1


def save(parts: Iterable[Part]) -> None:
    """Keep the figures of a good run of all of them, by the consoles' logs."""
    rows: list[list[results.Cell]] = [["part", "kernel", "machine", "what was seen"]]
    for _, part, kernel, machine, *_ in parts:
        log = ktap.script_output(LOGS / f"races-{part}-{kernel}-{machine}.log")
        found, _ = ktap.parse(log)
        said = f"{ktap.count(found, 'pass')} rows passed"
        if part == "kcsan":
            watched = sum(int(n) for n in re.findall(r"^>> kcsan: setup_watchpoints: (\d+)", log, re.M))
            said += f"; {watched:,} accesses were watched"
        elif part == "deaths":
            said = re.findall(r"^>> done: (\d+ clients killed)", log, re.M)[0]
        rows.append([part, kernel, machine, said])
    results.save("races", rows)


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("part", nargs="*")
    p.add_argument("--seconds", type=int, default=5, help="of each race (%(default)s)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--list", action="store_true")
    args = p.parse_args()
    parts: list[Part] = [(checked, *row, args.seconds) for row in CHECKED] + [(deaths, *row, args.seed) for row in DEATHS]
    unknown = set(args.part) - {row[1] for row in parts}
    if unknown:
        p.error(f"there is no part {' '.join(sorted(unknown))}")
    parts = [row for row in parts if not args.part or row[1] in args.part]
    if args.list:
        for row in parts:
            print(*row[1:4])
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    done = []
    for function, part, kernel, machine, timeout, parameter in parts:
        start = time.monotonic()
        wrong, passed, skipped = function(part, kernel, machine, timeout, parameter)
        done.append((wrong, passed, skipped))
        for text in wrong:
            print(f"!! {part}: {text}")
        for name in skipped:
            print(f"   skipped: {name}")
        print(f"{'FAIL' if wrong else 'ok  '} {time.monotonic() - start:5.0f} s  {part}: {kernel} {machine}"
              f" ({passed} passed, {len(skipped)} skipped)", flush=True)
    line, code = verdict(done)
    if code == 0 and not args.part:
        save(parts)
    print(line)
    return code
