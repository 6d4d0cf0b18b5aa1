# SPDX-License-Identifier: GPL-2.0-only
"""What may be skipped, and where. A skip for another reason, or elsewhere, is a failure. This is
written by hand from what the emulated machines and the kernels offer, and never asked of the
driver: one that forgets what the machine has would otherwise only have fewer tests."""
from collections.abc import Mapping
from typing import NamedTuple

from harness import kernels, steps
from harness.vm.machines import MACHINES


class Host(NamedTuple):
    """A machine that runs tests: "selftest" or "kunit". Where the run has a name of its own
    (selftest --as NAME), that follows the machine's."""
    what: str
    kernel: str
    machine: str


def reasons(host: Host) -> dict[str, bool]:
    """{why a test of the programs is skipped, as it says it: whether that can be so there}"""
    made = kernels.fragments(host.kernel)       # none if it is Debian's own
    pseries = host.machine.startswith("pseries")
    power8 = host.machine.startswith(("powernv8", "pseries-hash"))
    return {
        "only on PowerNV": pseries,
        "the platform does not share tables between groups": pseries,
        # QEMU's RTAS offers EEH only for what it has from VFIO itself.
        "this host has no EEH": pseries,
        "the firmware loses slots that are reset in a row": host.machine.startswith("powernv8"),
        "neither a PHB4 nor a PHB5": host.machine == "powernv8",
        # KVM is loaded where a run is about it.
        "this host has no KVM": host.machine in {*MACHINES, "powernv8-caching"},
        # which only the radix MMU has; nightly/wrong-modules has no --huge-pages
        "this host has no huge pages of 2 MiB":
            power8 or "hash" in made or host.machine.endswith("-caching"),
        "this kernel has no fault injection": "fault-injection" not in made,
        "no /dev/mem": bool(made),
        "this kernel has no cgroup2": bool(made) and "tree" not in made,
        "this kernel pins no page that user space is asked for": "6.1-" in host.kernel,
        "nobody keeps the lock of a pinned page on this kernel":
            "6.1-" not in host.kernel and not host.kernel.startswith("5.14-"),
        "the CPU's pages are no larger than the window's": not host.kernel.endswith("-64k"),
        "the driver is built in": host.kernel == "into-tree",
        # a race that did not happen
        "CREATE was quicker each time": True,
    }


OF_USERS = {"needs root", "the bridge is root's"}

# Of a kernel whose name does not tell the version, as somebody's own tree
OF_VERSIONS = {"this kernel pins no page that user space is asked for",
               "nobody keeps the lock of a pinned page on this kernel"}

# Pages of KUnit's process: huge ones have 2 MiB with the radix MMU and 16 MiB with the hash MMU,
# where some tests want smaller ones.
OF_KUNIT = {"powernv8": {"this machine has no such memory", "these pages are not huge"}}
RADIX = {"no hugetlb pages of 1000000"}


def unexpected(host: Host, skipped: Mapping[str, str]) -> list[str]:
    """What is wrong with the skips of this host. @skipped: {test: why}"""
    allowed = (OF_KUNIT.get(host.machine, RADIX) if host.what == "kunit" else
               {reason for reason, so in reasons(host).items() if so})
    if host.kernel not in (*steps.BOOTED, *steps.MORE, steps.UNCHECKED):
        allowed |= OF_VERSIONS
    return [f"skipped, which harness/skips.py does not allow on {host.kernel} {host.machine}: "
            f"{test} ({reason})" for test, reason in skipped.items() if reason not in allowed
            and not (test.startswith("user: ") and reason in OF_USERS)]
