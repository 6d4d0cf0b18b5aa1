# SPDX-License-Identifier: GPL-2.0-only
"""harness/skips.py: what may be skipped, and where."""
import re
import unittest

from harness import ktap, skips, steps
from harness.paths import ROOT
from harness.skips import Host, unexpected
from harness.vm.machines import MACHINES


class Skips(unittest.TestCase):
    def test_what_the_driver_forgets(self):
        """A driver that says that the machine has less has fewer tests, each of which is missed."""
        for what, kernel, machine, test, reason, good in (
                ("selftest", "6.12-4k", "pseries", "user: windows: x", "only on PowerNV", True),
                ("selftest", "6.12-4k", "powernv9", "windows: x", "only on PowerNV", False),
                ("selftest", "6.12-64k", "powernv9-kvm", "kvm: x", "this host has no KVM", False),
                ("selftest", "6.12-be", "powernv9", "user: faults: x", "needs root", True),
                ("selftest", "6.12-be", "powernv9", "faults: x", "needs root", False),
                ("selftest", "kasan-6.1-64k", "powernv9", "eeh: x", "no /dev/mem", True),
                ("selftest", "linux-of-somebody", "powernv9", "x", "whatever it is", False),
                ("selftest", "linux-of-somebody", "powernv9", "x", "only on PowerNV", False),
                ("selftest", "linux-of-somebody", "powernv9", "x",
                 "nobody keeps the lock of a pinned page on this kernel", True),
                ("kunit", "6.12-be", "powernv9", "s.c", "no hugetlb pages of 1000000", True),
                ("kunit", "6.12-be", "powernv9", "s.c", "these pages are not huge", False)):
            self.assertEqual(not unexpected(Host(what, kernel, machine), {test: reason}), good,
                             (kernel, machine, reason))

    def test_console(self):
        """It fails the host, though all else has passed there."""
        said = "KTAP version 1\n1..2\nok 1 a: x\nok 2 a: y # SKIP the platform has one window\n"
        self.assertEqual(ktap.judge(said)[1], [])
        self.assertEqual(len(ktap.judge(said, host=Host("selftest", "6.12-4k", "pseries"))[1]), 1)

    def test_reasons(self):
        """Each is given by a test, and may be given somewhere."""
        sources = "".join(file.read_text() for place in ("selftests", "kunit")
                          for file in (ROOT / place).rglob("*.[ch]"))
        given = {re.sub(r"%l*x", size, reason) for reason in re.findall(r'"([^"\n]*)"', sources)
                 for size in ("10000", "1000000")}
        hosts = [skips.reasons(Host("selftest", kernel, machine)) for machine in MACHINES
                 for kernel in (*steps.BOOTED, *steps.MORE)]
        self.assertLessEqual({*hosts[0], *skips.OF_USERS, *skips.RADIX}.union(
            *skips.OF_KUNIT.values()), given)
        for reason in hosts[0]:
            self.assertTrue(any(host[reason] for host in hosts), reason)
