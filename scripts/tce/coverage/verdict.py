# SPDX-License-Identifier: GPL-2.0-only
"""The lines that nothing runs, the reasons for them, and whether that is good enough."""
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from tce.cli import die
from tce.coverage.gcov import Counts
from tce.paths import DATA

# {file: its lines}
Sources = Mapping[str, Sequence[str]]

# {(file, function, text of the line): why nothing runs it}
Reasons = Mapping[tuple[str, str, str], str]

REASONS = DATA / "uncovered.reasons"


def read_reasons(text: str) -> dict[tuple[str, str, str], str]:
    """{(file, function, text of the line): why nothing runs it}"""
    reasons = {}
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M)):
        if not block.strip():
            continue
        m = re.fullmatch(r"(\S+) (\w+)\n((?:- [^\n]*\n)+)= (.*)", block.strip("\n"), re.S)
        if not m:
            die(f"{REASONS.name}: not understood:\n{block}")
        for line in m[3].splitlines():
            reasons[m[1], m[2], line[2:]] = " ".join(m[4].split())
    return reasons


def percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100


def function_at(lines: Sequence[str], line: int) -> str:
    """The function that a line is in. gcov says none where all calls are inlined."""
    for at in range(line - 1, 0, -1):
        if lines[at - 1].startswith("}"):
            return ""
        if lines[at - 1] == "{":
            head = next(n for n in range(at - 1, 0, -1) if re.match(r"\w", lines[n - 1]))
            return str(re.findall(r"(\w+)\(", "".join(lines[head - 1:at]))[0])
    return ""


def names(lines: Sequence[str]) -> list[tuple[str, str]]:
    """(function, text) of each line as reasons name it: with its number if its function has several of them."""
    plain = [(function_at(lines, n + 1), " ".join(line.split())) for n, line in enumerate(lines)]
    of, seen, found = Counter(plain), Counter[tuple[str, str]](), []
    for where in plain:
        seen[where] += 1
        function, text = where
        found.append(where if of[where] == 1 else (function, f"{text} ({seen[where]} of {of[where]})"))
    return found


def name_of(lines: Sequence[str], line: int) -> str:
    return names(lines)[line - 1][1]


def judge(counts: Counts, reasons: Reasons, sources: Sources, goals: tuple[float, float]) -> list[str]:
    """All that is wrong, as a list; prints the uncovered lines with their reasons."""
    wrong = []
    used = set()
    for file, line in counts.uncovered():
        text = name_of(sources[file], line)
        key = (file, counts.function[file, line] or function_at(sources[file], line), text)
        used.add(key)
        print(f"{file}:{line}: {text}\n    {reasons.get(key, '(no reason)')}")
        if key not in reasons:
            wrong.append(f"nothing runs {file}:{line} in {key[1]}(), and nobody says why")
    lines, all_lines, branches, all_branches = counts.of("")
    for what, have, goal in (("lines", percent(lines, all_lines), goals[0]),
                             ("branches", percent(branches, all_branches), goals[1])):
        if have < goal:
            wrong.append(f"{have:.1f} % of the {what}, not {goal} %")
    if not all_lines or not lines:
        wrong.append("nothing was measured")
    for file, function, text in reasons.keys() - used:
        if (function, text) not in names(sources.get(file, [])):
            wrong.append(f"a reason for a line that is not there, or of which there are several: {file} {function} {text}")
        else:
            print(f"note: a reason that is not needed: {file} {function} {text}")
    return wrong
