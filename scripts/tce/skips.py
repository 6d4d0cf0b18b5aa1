# SPDX-License-Identifier: GPL-2.0-only
"""How many tests each host skips for each reason, as data/skips has it."""
from collections.abc import Mapping

from tce.paths import DATA

FILE = DATA / "skips"

# {host: {reason: how many, or None if it varies}}
Pins = dict[str, dict[str, int | None]]

# {test: why it was skipped, or None if it was not}
Said = Mapping[str, str | None]


def load(text: str) -> Pins:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    hosts = [line for line in lines if line[0] not in " \t.*0123456789"]
    pins: Pins = {host: {} for host in hosts}
    for line in lines[len(hosts):]:
        *counts, reason = line.split(None, len(hosts))
        for host, count in zip(hosts, counts, strict=True):
            if count != ".":
                pins[host][reason] = None if count == "*" else int(count)
    return pins


def judge(said: Said, pinned: Mapping[str, int | None], whole: bool) -> list[str]:
    """What is wrong with the skips of a host. @whole: all of its tests have run"""
    wrong = []
    for reason in sorted({why for why in said.values() if why is not None} | set(pinned)):
        names, count = [name for name, why in said.items() if why == reason], pinned.get(reason, 0)
        if count is not None and (len(names) > count or whole and len(names) < count):
            wrong.append("\n      ".join([f"{len(names)} are skipped, and {count} may be: {reason}", *names]))
    return wrong
