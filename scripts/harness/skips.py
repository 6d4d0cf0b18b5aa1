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


def matches(name: str, patterns: str) -> bool:
    """Is it one of the patterns, or, after a "!", none of them?"""
    found = any(fnmatchcase(name, pattern) for pattern in patterns.removeprefix("!").split(","))
    return found != patterns.startswith("!")


def rules() -> Iterator[list[str]]:
    """[who, kernels, machines, reason] of each"""
    for line in (DATA / "skips").read_text().splitlines():
        if line and line[0] != "#":
            yield line.split(None, 3)


def unexpected(host: Host, reasons: Mapping[str, str]) -> list[str]:
    """What is wrong with the skips of this host. @reasons: {test: why it was skipped}"""
    if host.kernel not in (*steps.BOOTED, *steps.MORE, steps.UNCHECKED):
        return []
    allowed = {(who, reason) for users, kernels, machines, reason in rules()
               if matches(host.machine, machines) and matches(host.kernel, kernels)
               for who in users.split(",")}
    return [f"skipped, which data/skips does not allow on {host.kernel} {host.machine}: {test} "
            f"({reason})" for test, reason in reasons.items()
            if (("kunit" if host.what == "kunit" else
                 "user" if test.startswith("user: ") else "root"), reason) not in allowed]
