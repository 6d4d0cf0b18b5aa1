# SPDX-License-Identifier: GPL-2.0-only
"""What runs on which kernel and machine."""
import re
from collections.abc import Mapping

from tce import kernels
from tce.check.steps import machines, runs, user
from tce.tables import rst_table
from tce.vm.machines import MACHINES as KNOWN

# What the machines of scripts/vm are, as far as it matters here.
MACHINES = {"powernv8": "POWER8, PHB3", "powernv9": "POWER9, PHB4", "powernv10": "POWER10, PHB5",
            "pseries": "partition, radix MMU", "pseries-hash": "partition, hash MMU"}


def pages(name: str) -> str:
    """Of a kernel, by its row."""
    return "64K" if "64k" in " ".join((name, *kernels.rows()[name])) else "4K"


def big(name: str) -> bool:
    return "big-endian" in " ".join(kernels.rows()[name])


def others(said: Mapping[str, str], source: str, before: str = "") -> str:
    """A table, in reStructuredText: how it went on the kernels that make check leaves out.
    @said: {step: how} on this @source; @before: the table so far, of which the other lines stay."""
    lines = [["kernel", "pages", "endian", "machine", "what", "how it went", "source"]]
    known = {tuple(cells[:5]): cells for line in before.splitlines() if len(cells := re.split(r" {2,}", line.strip())) == 7}
    for step, command, _ in runs():
        if command[0] == "selftest":
            kernel, machine = command[2], command[4]
            what = f"test programs as {user(kernel)}"
        else:
            kernel, machine, what = command[-1], "pseries" if command[0] == "refused" else "powernv9", command[0]
        line = [kernel, pages(kernel), "big" if big(kernel) else "little", machine, what]
        if step in said:
            lines.append([*line, said[step].strip(" ()") or "good", source])
        elif tuple(line) in known:
            lines.append(known[tuple(line)])
    return rst_table(lines)


def matrix() -> str:
    """A table, in Markdown: what is run on which kernel and machine by the steps that name both."""
    cells: dict[tuple[str, str], list[str]] = {}
    default = "6.12-4k"     # of demo, handback, check-tracing and check-hostcheck
    for _, command, _ in machines():
        what, options = command[0], dict(zip(command, command[1:]))
        kernel = options.get("--kernel", default)
        if what == "selftest":
            users = options["--env"].removeprefix("TCE_USERS=").strip("'").replace(" ", " and ")
            cells.setdefault((kernel, options["--machine"]), []).append(f"tests as {users}")
        elif what == "kunit":
            cells.setdefault((kernel, options["--machine"]), []).append("KUnit")
        elif what == "check-hostcheck":
            cells.setdefault((kernel, "powernv9"), []).append("hostcheck")
        elif what == "hotplug":
            cells.setdefault((command[-1], "powernv9"), []).append(what)
        elif what == "refused":
            cells.setdefault((command[-1], "pseries"), []).append("clients are refused")
        elif what in ("demo", "handback", "check-tracing"):
            cells.setdefault((kernel, command[1]), []).append(what.removeprefix("check-"))
    names = list(dict.fromkeys(kernel for kernel, _ in cells))
    heads = [f"{name}: {pages(name)}{', big endian, hash' if big(name) else ''}" for name in names]
    lines = [["Machine", *heads], ["---"] * (1 + len(names))]
    for machine in KNOWN:
        lines.append([f"`{machine}`: {MACHINES[machine]}", *(", ".join(cells.get((name, machine), ["–"])) for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
