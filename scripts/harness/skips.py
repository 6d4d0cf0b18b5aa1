# SPDX-License-Identifier: GPL-2.0-only
"""What may be skipped, and where: data/skips."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness import steps
from harness.paths import DATA


@dataclass(frozen=True)
class Host:
    """A machine that runs tests: "selftest" or "kunit"."""

    what: str
    kernel: str
    machine: str


@dataclass(frozen=True)
class Rule:
    who: str
    kernels: str
    machines: str
    reason: str


def matches(name: str, patterns: str) -> bool:
    """Is it one of the patterns, or, after a "!", none of them?"""
    found = any(fnmatchcase(name, pattern) for pattern in patterns.removeprefix("!").split(","))
    return found != patterns.startswith("!")


def rules() -> Iterator[Rule]:
    for line in (DATA / "skips").read_text().splitlines():
        if line and line[0] != "#":
            yield Rule(*line.split(None, 3))


def unexpected(host: Host, reasons: Mapping[str, str]) -> list[str]:
    """What is wrong with the skips of this host. @reasons: {test: why it was skipped}"""
    known = [rule for rule in rules() if matches(host.machine, rule.machines)]
    if host.kernel in steps.BOOTED:
        known = [rule for rule in known if matches(host.kernel, rule.kernels)]
    elif host.what != "selftest" or host.kernel not in steps.MORE:
        return []
    else:
        known = [rule for rule in known if matches(host.kernel, rule.kernels)
                 or any(matches(k, rule.kernels) for k in steps.BOOTED)]
    wrong = []
    for test, reason in reasons.items():
        who = "kunit" if host.what == "kunit" else "user" if test.startswith("user: ") else "root"
        if not any(matches(who, rule.who) and rule.reason == reason for rule in known):
            wrong.append(f"skipped, which data/skips does not allow on {host.kernel} "
                         f"{host.machine}: {test} ({reason})")
    return wrong
