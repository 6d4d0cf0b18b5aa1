# SPDX-License-Identifier: GPL-2.0-only
"""What a guest has said of the mutants that it tried, and what that proves."""
import re
from pathlib import Path

from tce.vm.console import COMPLAINTS

# (what, id, how)
Event = tuple[str, str, str]

# {id: (verdict, how)}
Found = dict[str, tuple[str, str]]

# (id, test, how)
Doubt = tuple[str, str, str]


def read_events(text: str) -> list[Event]:
    """What the guest said of the mutants, in its order: (what, id, how)."""
    return re.findall(r"^>> (mutant|caught|survived|doubt) (\w+)(?: by (.*))?$", text, re.M)


def read_log(log: Path) -> str:
    """The part of a console log in which the guest script speaks."""
    text = log.read_text(encoding="utf-8", errors="replace")
    text = text[max(text.find("\nVM-START"), 0):]
    return text[:text.find("\nVM-END")] if "\nVM-END" in text else text


def outcome(events: list[Event], text: str) -> tuple[Found, Doubt | None]:
    """What a boot has found: ({id: (verdict, how)}, a doubt or None).

    A doubt is (id, test, how): the guest ended with this test of this mutant, or cannot
    be used any more. Whether that is the mutant's fault is still to be proven, unless the
    kernel has oopsed: no machine does so because it is busy."""
    found: Found = {}
    order: list[str] = []
    how = None
    for what, name, words in events:
        if what == "mutant":
            order.append(name)
        elif what == "doubt":
            how = words
        else:
            found[name] = (what, words)
    if not order or order[-1] in found:
        return found, None
    end = text[text.rfind(f">> mutant {order[-1]}"):]
    tests = [t for t in re.findall(r"^>> try (\S+)$", end, re.M) if t != "leaks"]
    test = tests[-1].removesuffix("+leaks") if tests else ""
    if not how:
        cause = re.search(rf"({'|'.join(COMPLAINTS.splitlines())}).*", end, re.M)
        how = f"{test or 'loading'}: " + (cause[0][:80] if cause else "the guest stopped answering")
    if any("Oops: " in words and re.match(r"try \S+( again)?\n", words) for words in end.split(">> ")):
        found[order[-1]] = ("caught", how)
        return found, None
    return found, (order[-1], test, how)


def proven(events: list[Event], text: str, test: str) -> bool:
    """Has a boot that was to confirm a doubt about a test proven it? Not if it did not
    get beyond the good module, which comes first. That is also loaded first."""
    found, doubt = outcome(events, text)
    if doubt:
        return not test or f"\n>> good {test}\n" in text
    return any(verdict == "caught" for verdict, _ in found.values())
