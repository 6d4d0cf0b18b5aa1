# SPDX-License-Identifier: GPL-2.0-only
"""data/skips: what may be skipped, and where."""
import contextlib
import io
import re

from harness import ktap, skips, steps
from harness.paths import ROOT
from harness.skips import Host, matches, unexpected
from harness.tests import Scratch
from harness.vm.machines import MACHINES


class Skips(Scratch):
    def test_what_the_driver_forgets(self):
        """A driver that says that the machine has less has fewer tests, each of which is missed."""
        for kernel, machine, test, reason, good in (
                ("6.12-4k", "pseries", "user: windows: v2: x", "only on PowerNV", True),
                ("6.12-4k", "powernv9", "windows: v2: x", "only on PowerNV", False),
                ("6.12-64k", "powernv9", "kvm: x", "this host has no KVM", True),
                ("6.12-64k", "powernv9-kvm", "kvm: x", "this host has no KVM", False),
                ("6.12-be", "powernv9", "user: faults: x", "needs root", True),
                ("6.12-be", "powernv9", "faults: x", "needs root", False),
                ("kunit-6.12-4k", "powernv9-races", "faults: x",
                 "this kernel has no fault injection", False),
                ("5.14-of-6.12-64k", "pseries", "cgroups: x", "this kernel has no cgroup2", False),
                ("kasan-6.1-64k", "powernv9", "eeh: x", "no /dev/mem", True),
                ("kasan-6.1-64k", "powernv9", "memory: x", "KASAN keeps what was freed", True),
                ("kunit-7.2-4k", "powernv9", "memory: x", "KASAN keeps what was freed", False),
                ("linux-of-somebody", "powernv9", "faults: x", "whatever it is", True)):
            self.assertEqual(not unexpected(Host("selftest", kernel, machine), {test: reason}),
                             good, (kernel, machine, reason))
        for kernel, reason, good in (("6.12-be", "the CPU's pages have 4K", True),
                                     ("6.12-64k", "the CPU's pages have 4K", False),
                                     ("kunit-kcsan", "the CPU's pages have 4K", True),
                                     ("kunit-6.12-4k", "this machine has no such memory", False),
                                     ("6.12-be", "this machine has no such memory", False)):
            self.assertEqual(not unexpected(Host("kunit", kernel, "powernv9"), {"s.c": reason}),
                             good, (kernel, reason))

    def test_console(self):
        """It fails the host, though all else has passed there."""
        text = ("\nVM-START\nKTAP version 1\n1..2\nok 1 a: x\nok 2 a: y # SKIP the platform has "
                "one window\nVM-END\n")
        log = self.file("x.log", text)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertTrue(ktap.summary(log))
            self.assertFalse(ktap.summary(log, Host("selftest", "6.12-4k", "pseries")))
        self.assertIn("does not allow on 6.12-4k pseries: a: y (the platform has one window)",
                      said.getvalue())

    def test_rules(self):
        """Each is about a machine and a kernel that there are, and a reason that somebody gives."""
        sources = "".join(file.read_text() for place in ("selftests", "kunit")
                          for file in (ROOT / place).rglob("*.[ch]"))
        given = {re.sub(r"%l*x", size, reason) for reason in re.findall(r'"([^"\n]*)"', sources)
                 for size in ("10000", "1000000")}
        for who, kernels, machines, reason in skips.rules():
            self.assertIn(reason, given)
            self.assertTrue(any(matches(kernel, kernels)
                                for kernel in (*steps.BOOTED, *steps.MORE)), kernels)
            self.assertTrue(any(matches(machine, machines) for machine in MACHINES), machines)
            self.assertLessEqual(set(who.split(",")), {"root", "user", "kunit"})
