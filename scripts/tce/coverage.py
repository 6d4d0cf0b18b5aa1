# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of the module the tests run: guests count, gcovr merges and reports."""
import base64
import concurrent.futures
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tce import kernels, module, paths, results
from tce.cli import die, output, parser, say
from tce.kunit import build as suites
from tce.paths import DATA, LOGS, ROOT, SCRIPTS

OUT = paths.OUT / "coverage"
GOAL = 99       # per cent of the lines
RUNS = [("gcov-4k", "powernv9", "kunit"), ("gcov-64k", "pseries", "kunit"), ("gcov-4k", "powernv9", "selftest"),
        ("gcov-4k", "pseries", "kunit"), ("gcov-64k", "powernv9", "selftest")]


def data_of(text: str) -> dict[str, bytes]:
    """The .gcda files that a guest has printed on its console, where the kernel may have spoken in between."""
    return {name: gzip.decompress(base64.b64decode(re.sub(r"\[ *\d+\.\d+\][^\n]*\n", "", body)))
            for name, body in re.findall(r"^>> gcov \S*?(\w+\.gcda)\n(.*?)(?=^>> )", text, re.M | re.S)}


def boot(run: tuple[str, str, str], build: Path) -> str:
    """Run the suites or the test programs; returns what the console said."""
    name, machine, what = run
    log = LOGS / f"coverage-{name}-{machine}-{what}.log"
    command: list[str | Path] = [SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--run", what, "--log", log,
                                 "--ko", build / module.KO, "--env", "TCE_GCOV=1", "--show", "none", "--timeout", "3000", "--stall", "300"]
    if what == "kunit":
        command += ["--file", f"{build / module.SUITES}.ko:/kunit/{module.SUITES}.ko", "--mem", "3G",
                    "--append", "kunit.enable=1", "--huge-pages"]
    else:
        command += ["--file", f"{output('build-selftests', name)}:/selftests", "--device", "edu", "--device", "edu"]
    say(f"{what} on {machine}, {name}")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    text = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode or re.search(r"^(\[ *\d+\.\d+\])? *not ok ", text, re.M):
        die(f"{what} on {machine}, {name}: its tests fail, so nothing is measured ({log})")
    return text


def gcovr(root: Path, *args: str | Path) -> None:
    done = subprocess.run(["gcovr", "--root", root, *args], cwd=root, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        die(f"gcovr failed: {done.stderr}")


def trace(number: int, text: str, build: Path, gcov: str) -> None:
    """Have gcovr read what a guest has counted, and keep it for the sum."""
    data = data_of(text)
    if missing := {o.replace(".o", ".gcda") for o in module.OBJECTS.values()} - set(data):
        die(f"a guest has counted nothing of {', '.join(sorted(missing))}")
    for name, content in data.items():
        if (build / name).with_suffix(".gcno").exists():
            (build / name).write_bytes(content)
    gcovr(build, "--gcov-executable", gcov, "--object-directory", build, "--exclude", "kunit/", "--gcov-ignore-parse-errors",
          "--delete", "--json", OUT / f"trace{number}.json", build)


def excuses(reasons: str, sources: Mapping[str, str]) -> tuple[dict[tuple[str, int], str], list[str]]:
    """({(file, line): why nothing runs it}, what is wrong with the reasons)."""
    excused: dict[tuple[str, int], str] = {}
    wrong = []
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", reasons, flags=re.M).strip()):
        file, _, rest = block.partition("\n")
        quote, _, reason = rest.partition("\n= ")
        text = sources.get(file, "")
        if block and (not reason or text.count(f"\n{quote}\n") != 1):
            wrong.append(f"a reason for lines that {file} does not have, or has more than once:\n{quote}")
        elif block:
            first = text[:text.index(f"\n{quote}\n") + 1].count("\n") + 1
            excused |= {(file, first + n): quote for n in range(quote.count("\n") + 1)}
    return excused, wrong


def judge(report: Mapping[str, list[dict[str, object]]], reasons: str, sources: Mapping[str, str]) -> list[str]:
    """What is wrong with the lines that nothing runs. @report: gcovr's lines of each file"""
    excused, wrong = excuses(reasons, sources)
    uncovered = [(file, int(str(line["line_number"]))) for file, lines in report.items() for line in lines
                 if not line["count"] and not line["gcovr/noncode"]]
    wrong += [f"nothing runs {file}:{line}: {sources[file].splitlines()[line - 1].strip()}"
              for file, line in uncovered if (file, line) not in excused]
    unused = set(excused.values()) - {excused.get(place, "") for place in uncovered}
    return wrong + [f"all of this runs, though a reason says why it can't:\n{quote}" for quote in sorted(unused)]


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    args = p.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "html").mkdir(parents=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    known = {name: kernels.env(name) for name, *_ in RUNS}
    builds = {name: suites.build(name, kernel, out=OUT / name, more=[f"GCOV_PROFILE_{o}=y" for o in module.OBJECTS.values()])
              for name, kernel in known.items()}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        texts = list(pool.map(lambda run: boot(run, builds[run[0]]), RUNS))
    for number, (text, (name, *_)) in enumerate(zip(texts, RUNS)):
        trace(number, text, builds[name], f"{known[name]['CROSS_COMPILE']}gcov")
    gcovr(ROOT, "--add-tracefile", OUT / "trace*.json", "--txt", "--html-details", OUT / "html/index.html", "--html-title",
          "Lines of the module that the tests run", "--json", OUT / "sum.json", "--json-summary", OUT / "summary.json")
    total = json.loads((OUT / "summary.json").read_text())
    report = {file["file"]: file["lines"] for file in json.loads((OUT / "sum.json").read_text())["files"]}
    wrong = judge(report, (DATA / "uncovered.reasons").read_text(), {file: (ROOT / file).read_text() for file in report})
    run, lines = total["line_covered"], total["line_total"]
    if not lines or 100 * run < GOAL * lines:
        wrong.append(f"less than {GOAL} % of the lines run")
    for text in wrong:
        print(f"BAD: {text}")
    results.save("coverage", {"lines that run": run, "lines": lines, "per cent": round(100 * run / max(lines, 1), 1)})
    print(f">> coverage: {run} of {lines} lines ({100 * run / max(lines, 1):.1f} %), {len(wrong)} complaints")
    return 1 if wrong else 0
