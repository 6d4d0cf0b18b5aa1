# SPDX-License-Identifier: GPL-2.0-only
"""The tests that are skipped on each host, as data/skips pins them."""
import fnmatch
import glob
import re
from collections.abc import Iterable, Mapping

from tce.paths import DATA

FILE = DATA / "skips"

# What may be skipped there, or not: it depends on how the memory lies.
VARIES = " (varies)"

# Hosts that skip nothing.
NOTHING = "nothing is skipped"

# {host: {(pattern, reason)}}
Pins = dict[str, set[tuple[str, str]]]

# {test: why it was skipped, or None if it was not}
Said = Mapping[str, str | None]


def load(text: str) -> Pins:
    pins: Pins = {}
    reason, hosts = "", list[str]()
    for line in text.splitlines():
        if line.startswith("\t\t"):
            for host in hosts:
                pins[host].add((line.strip(), reason))
        elif line.startswith("\t"):
            hosts = line.split()
            for host in hosts:
                pins.setdefault(host, set())
        elif line and not line.startswith("#"):
            reason = line
    return pins


def dump(pins: Pins) -> str:
    """The same as text: by reason, then by hosts."""
    where: dict[tuple[str, str], set[str]] = {}
    for host, pinned in pins.items():
        for pattern, reason in pinned:
            where.setdefault((reason, pattern), set()).add(host)
    groups: dict[str, dict[str, list[str]]] = {}
    for (reason, pattern), hosts in sorted(where.items()):
        groups.setdefault(reason, {}).setdefault(" ".join(sorted(hosts)), []).append(pattern)
    lines = []
    for reason, by_hosts in groups.items():
        lines += ["", reason]
        for names, patterns in sorted(by_hosts.items()):
            lines += [f"\t{names}", *(f"\t\t{pattern}" for pattern in patterns)]
    if none := [host for host, pinned in sorted(pins.items()) if not pinned]:
        lines += ["", NOTHING, f"\t{' '.join(none)}"]
    return "\n".join(lines) + "\n"


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    return fnmatch.filter(names, pattern)


def judge(said: Said, pinned: Iterable[tuple[str, str]], whole: bool) -> list[str]:
    """What is wrong with the skips of a host. @whole: all of its tests have run"""
    wrong, allowed = [], set()
    for pattern, reason in pinned:
        names = matching(pattern, said)
        if not names and whole and not reason.endswith(VARIES):
            wrong.append(f"there is no such test any more: {pattern} ({reason})")
        for name in names:
            if said[name] == reason.removesuffix(VARIES):
                allowed.add(name)
            elif not reason.endswith(VARIES):
                wrong.append(f"it is no more skipped as \"{reason}\": {name}")
    return wrong + [f"skipped, which is new: {name} ({reason})" for name, reason in said.items()
                    if reason is not None and name not in allowed]


def patterns(said: Said, reason: str) -> set[str]:
    """The fewest patterns for all that is skipped for a reason, and nothing else."""
    left = {name for name, why in said.items() if why == reason}
    found = set()

    def wider(name: str) -> list[str]:
        """Patterns for it and others, the widest first: all of a program or suite, a parameter of all cases, both interfaces."""
        first, _, second = glob.escape(name).partition(": ")
        suite, dot, _ = first.partition(".")
        both = re.sub(r"^v[12]: ", "v?: ", second)
        return ([f"{suite}.*", f"{suite}.*: {second}"] if dot else []) + ([f"{first}: *", f"{first}: {both}"] if second else [])

    for name in sorted(left):
        for pattern in wider(name) if name in left else []:
            names = matching(pattern, said)
            if len(names) > 1 and all(said[n] == reason for n in names):
                found.add(pattern)
                left -= set(names)
                break
    return found | {glob.escape(name) for name in left}


def pin(old: Pins, host: str, said: Said) -> None:
    """Renew what is pinned of a host. What varies has to be said by hand, and stays."""
    kept = {(pattern, reason) for pattern, reason in old.get(host, ()) if reason.endswith(VARIES)}
    loose = {(name, reason.removesuffix(VARIES)) for pattern, reason in kept for name in matching(pattern, said)}
    firm = {name: None if (name, why) in loose else why for name, why in said.items()}
    old[host] = kept | {(pattern, why) for why in {*firm.values()} if why is not None for pattern in patterns(firm, why)}
