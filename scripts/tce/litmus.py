# SPDX-License-Identifier: GPL-2.0-only
"""The programs of litmus/: their controls, whether they fit the sources, and how they are run."""
import concurrent.futures
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tce import paths
from tce.cli import parser, path_from
from tce.ctext import functions, squeeze, without_comments
from tce.paths import ROOT

OUT = paths.OUT / "litmus"
DATA_RACE = 253     # so checklitmus.sh exits when it finds one
MARK = re.compile(r"// *(control|mend) ([\w-]+): *(.*?)(?=\s*//|$)", re.M)
QUOTE = re.compile(r"^ \* (code|kernel): (\S+) (\S+)\n((?: \*\t.*\n)*)", re.M)
# Those of the module itself; the kernel's locks and entry operations have theirs inside.
BARRIER = re.compile(
    r"\b(smp_(?:mb|rmb|wmb|store_mb|store_release|load_acquire|mb__\w+|acquire__\w+)|mb|rmb|wmb"
    r"|synchronize_\w+|call_rcu\w*|kfree_rcu|rcu_read_(?:un)?lock|rcu_assign_pointer|h?list_(?:add|replace)\w*_rcu"
    r"|(?:(?:try_)?cmpxchg|xchg)(?:_relaxed|_acquire|_release)?|(?:set|clear|change)_bit_unlock|test_and_set_bit_lock"
    r"|atomic\w*_(?:acquire|release|(?:fetch|inc|dec|add|sub)\w*_return|xchg|cmpxchg)|wq_has_sleeper)\s*\(")

Read = Callable[[str], str]


def variants(name: str, text: str) -> dict[str, str]:
    """What herd7 gets, with the result that the kernel's scripts shall find: {name: program}."""
    limit = bool(re.search(r"^ \* limit: ", text, re.M))
    made = {}
    for control in [None, *dict.fromkeys(m[2] for m in MARK.finditer(text))]:
        own = name if control is None else f"{name}-{control}"
        lines = [f"C {own}", f"(* Result: {'Sometimes' if limit == (control is None) else 'Never'} *)"]
        for line in re.sub(r"\A.*\n\s*\(\*.*?\n \*\)", "", text, flags=re.S).splitlines():
            instead = [m[3] for m in MARK.finditer(line) if m[2] == control]
            lines.append(re.sub(r"\s*//.*", "", line) if not instead else "\t" + instead[0].removeprefix("drop"))
        made[own] = "\n".join(lines) + "\n"
    return made


def barriers(name: str, text: str, read: Read) -> tuple[list[str], set[tuple[str, str, int]]]:
    """(what is quoted but is not there, where the barriers are that a control removes)."""
    wrong, removed = [], set()
    labels = {m[2] for m in MARK.finditer(text)}
    if not labels or "code" not in (m[1] for m in QUOTE.finditer(text)):
        wrong.append(f"{name} quotes nothing, or has no control")
    for what, file, function, lines in QUOTE.findall(text):
        body, at = squeeze(functions(without_comments(read(file))).get(function, "")), 0
        for quoted, label in re.findall(r"^ \*\t(.*?)(?:\t+\[([\w-]+)\])?$", lines, re.M):
            start = body.find(squeeze(quoted), at)
            if start < 0 or label and label not in labels:
                wrong.append(f"{name}: {file}: {function}() has not, or not in this order: {quoted} {label}")
                continue
            at = start + len(squeeze(quoted))
            if label and what == "code":
                removed |= {(file, function, m.start()) for m in BARRIER.finditer(body) if start <= m.start() < at}
    return wrong, removed


def misfits(programs: Mapping[str, str], sources: Mapping[str, str], kernel: Read, reasons: str) -> list[str]:
    """Where programs and sources do not fit together."""
    wrong = [] if programs and sources else ["nothing to look at"]
    removed: set[tuple[str, str, int]] = set()
    for name, text in programs.items():
        lacking, more = barriers(name, text, lambda file: sources.get(file) or kernel(file))
        wrong += lacking
        removed |= more
    named = {m[1] for text in sources.values() for m in re.finditer(r"litmus/([\w-]+)\.litmus", text)}
    wrong += [f"litmus/{name}.litmus: named by no comment, or not there" for name in sorted(named ^ set(programs))]
    excused = dict(re.findall(r"^([^#\s]\S* \w+ \w+): (.+)$", reasons, re.M))
    found = set()
    for file, text in sources.items():
        for function, body in functions(without_comments(text)).items():
            body = squeeze(body)
            for m in BARRIER.finditer(body, body.index("{")):
                if (file, function, m.start()) not in removed:
                    found.add(f"{file} {function} {m[1]}")
    wrong += [f"{place}: no control removes it" for place in sorted(found - set(excused))]
    return wrong + [f"litmus/reasons: not needed: {place}" for place in sorted(set(excused) - found)]


def run(path: Path, model: Path, env: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the kernel's scripts find what the program says, and what they print. What is
    "Sometimes" may have a data race, too."""
    done = subprocess.run(["scripts/checklitmus.sh", path], cwd=model, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = re.findall(r"^Observation \S+ (\w+)", Path(f"{path}.out").read_text(), re.M)
    good = done.returncode == 0 or (done.returncode == DATA_RACE and seen == ["Sometimes"])
    return good and f"(* Result: {' '.join(seen)} *)" in path.read_text(), done.stdout


def run_all(programs: Mapping[str, str]) -> int:
    model = path_from("build-kernel", "--source", "kunit-7.2-4k") / "tools/memory-model"
    env = {**os.environ, "PATH": f"{path_from('herd')}:{os.environ['PATH']}", "LKMM_DESTDIR": "/", "LKMM_TIMEOUT_CMD": "timeout 5m"}
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    made = {name: program for stem, text in programs.items() for name, program in variants(stem, text).items()}
    for name, program in made.items():
        (OUT / f"{name}.litmus").write_text(program)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(made, pool.map(lambda name: run(OUT / f"{name}.litmus", model, env), made)))
    failed = {name: said for name, (good, said) in results.items() if not good}
    for name, said in failed.items():
        print(f"FAIL {name}\n{said}")
    print(f">> litmus: {len(made) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed or not made else 0


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("name", nargs="*")
    p.add_argument("--check", action="store_true")
    args = p.parse_args()
    programs = {path.stem: path.read_text() for path in sorted((ROOT / "litmus").glob("*.litmus"))}
    if unknown := set(args.name) - set(programs):
        p.error(f"no such program: {' '.join(sorted(unknown))}")
    if not args.check:
        return run_all({name: text for name, text in programs.items() if name in (args.name or programs)})
    linux = path_from("build-kernel", "--source", "6.12-be")
    sources = {str(path.relative_to(ROOT)): path.read_text() for pattern in ("*.[ch]", "compat/*.[ch]") for path in ROOT.glob(pattern)}
    wrong = misfits(programs, sources, lambda file: (linux / file).read_text(), (ROOT / "litmus/reasons").read_text())
    print("\n".join([*wrong, f">> litmus: {len(programs)} programs, {len(wrong)} faults"]))
    return 1 if wrong else 0
