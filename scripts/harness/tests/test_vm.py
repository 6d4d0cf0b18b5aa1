# SPDX-License-Identifier: GPL-2.0-only
"""scripts/vm: what a console is worth."""
import io
import os
import time
from unittest.mock import patch

from harness.paths import SCRIPTS
from harness.tests import Scratch, load, printed
from harness.vm import console as vm

command = load(SCRIPTS / "vm")


class Vm(Scratch):
    def judge(self, *lines, status=0, late=False):
        console = vm.Console(io.StringIO(), "none")
        for line in lines:
            console.line(line.encode() + b"\r\n")
        return vm.judge(console, vm.complaints(console.lines)[0], status, late)

    def test_without_multitce(self):
        """The kernel's own warning about it, once in that boot, and no other"""
        warning = ["[    0.9] ------------[ cut here ]------------",
                   "[    0.9] Firmware features changed after feature patching!",
                   "[    0.9] WARNING: CPU: 0 PID: 1 at {}+0x20/0x40",
                   "[    0.9] Modules linked in:",
                   "[    0.9] ---[ end trace 0000000000000000 ]---"]

        def said(append: str, *functions: str) -> list[str]:
            return vm.complaints([line.format(f"arch/powerpc/lib/feature-fixups.c:697 {name}")
                                  for name in functions for line in warning], append)[0]

        off = "quiet multitce=off"
        self.assertEqual(said(off, "check_features"), [])
        for append, *functions in (("", "check_features"), (off, "another"),
                                   (off, "check_features", "check_features"),
                                   (off, "another", "check_features")):
            self.assertEqual(len(said(append, *functions)), 2, functions)

    def test_torn_line(self):
        """A message of the firmware in the midst of a line, and the next one: the line is whole
        again."""
        console = vm.Console(io.StringIO(), "none")
        for line in ("VM-START", "ok 5 a r[  197.291879308,3] SBE: Timer stuck",
                     "[  197.292121603,3] SBE: You", "ow",
                     "[    9.1] it", "VM-VERDICT: 0"):
            console.line(line.encode() + b"\r\n")
        self.assertEqual(console.log.getvalue().splitlines(), [
            "VM-START", "[  197.291879308,3] SBE: Timer stuck", "[  197.292121603,3] SBE: You",
            "ok 5 a row", "[    9.1] it",
            "VM-VERDICT: 0"])
        self.assertEqual(console.verdict, 0)

    def test_busy_machine_has_time(self):
        """What it could not run is no time of its own."""
        begin = time.monotonic()
        for late, delay in ((False, lambda _: time.monotonic() - begin), (True, lambda _: 0)):
            console = vm.Console(io.StringIO(), "none")
            with patch.object(command, "SYSRQ_SECONDS", 0.1), patch("signal.signal"), \
                    patch.object(command, "waited", delay):
                _, ended = command.boot(["sh", "-c", "echo a; sleep 1.2; exec <&-"], console, 0.6,
                                        60)
            self.assertEqual((ended, console.last), (late, ["a"] * late))
        self.assertLess(command.waited(os.getpid()), time.monotonic() - begin + 3600)

    def test_verdict(self):
        """It has to be the last word, but for what kernel and firmware say."""
        for code, status, *lines in (
                (vm.PASS, 0, "VM-START", "VM-VERDICT: 0", "[    9.1] reboot: Power down",
                 "\x1b]3008;end=4\x1b\\\x1bP+q6E\x1b\\\x1b[J[    9.2] bye"),
                (vm.NO_VERDICT, 0, "VM-START"), (vm.NO_VERDICT, 0, "echo VM-VERDICT: 0"),
                (vm.NO_VERDICT, 0, "VM-VERDICT: 0", "a test program goes on"),
                (vm.FAIL, 0, "VM-VERDICT: 1"), (vm.QEMU_ERROR, 1, "qemu: no such device"),
                (vm.QEMU_ERROR, 1, "VM-VERDICT: 0")):
            self.assertEqual(self.judge(*lines, status=status), code, lines)
        self.assertEqual(self.judge("VM-VERDICT: 0", late=True), vm.TIMEOUT)

    def test_splats(self):
        for line in (
                "Oops: Kernel access of bad area, sig: 11 [#1]",
                "WARNING: CPU: 0 PID: 57 at arch/powerpc/mm/init.c:1 destroy_context+0x1/0x2",
                "Kernel panic - not syncing: Fatal exception",
                "rcu: INFO: rcu_sched self-detected stall on CPU",
                "INFO: task abi:61 blocked for more than 60 seconds.",
                "UBSAN: shift-out-of-bounds in tce_table.c:1:2",
                "list_del corruption. prev->next should be 1",
                "refcount_t: underflow; use-after-free.",
                "WARNING: at mm/gup.c:1 try_get_folio",
                "INFO: possible irq lock inversion dependency detected",
                "INFO: trying to register non-static key.",
                "BUG kmalloc-64 (Tainted: G           O     ): Right Redzone overwritten",
                "BUG: KASAN: slab-use-after-free in tce_x+0x1/0x2",
                "BUG: KCSAN: data-race in tce_x / tce_y",
                "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
                "watchdog: BUG: soft lockup - CPU#0 stuck for 67s! [abi:61]",
                "watchdog: CPU 1 Hard LOCKUP",
        ):
            self.assertEqual(self.judge(f"[    5.000000] {line}", "VM-VERDICT: 0"), vm.SPLAT, line)
        for line in ("vfio_iommu_spapr_tce: loading out-of-tree module taints kernel.",
                     "vfio_iommu_spapr_tce: module verification failed: signature and/or required "
                     "key missing",
                     "pci 0000:01     : [PE# fd] Disabling 64-bit DMA bypass",
                     "WARNING: nvram corruption detected: 0-length partition"):
            self.assertEqual(self.judge(f"[    5.000000] {line}", "VM-VERDICT: 0"), vm.PASS, line)

    race = """[    2.0] ==================================================================
[    2.0] BUG: KCSAN: data-race in rcu_a / rcu_b
[    2.0]
[    2.0] write (marked) to 0xc0000000bff26415 of 1 bytes by task 14 on cpu 0:
[    2.0]  rcu_b+0x148/0x8f4
[    2.0]  rcu_gp_kthread+0x210/0x244
[    2.0]
[    2.0] read to 0xc0000000bff26415 of 1 bytes by task 1863 on cpu 1:
[    2.0]  rcu_a+0x54/0x178
[    2.0]  __cond_resched+0x2c/0x80
[    2.0]  tce_vfio_ioctl+0x10bc/0x1424 [vfio_iommu_spapr_tce]
[    2.0] =================================================================="""

    def test_data_races(self):
        """That of an access which the module has made, or what it called, is a complaint. The log
        at the end has all once more."""
        def judged(race, *more):
            return self.judge("VM-START", *race.splitlines(), *more, "VM-END",
                              "[    2.0] BUG: KCSAN: the same", "VM-VERDICT: 0")
        self.assertEqual(judged(self.race), vm.PASS)
        self.assertEqual(judged(self.race + "\n" + self.race), vm.PASS)
        self.assertEqual(judged(self.race, "WARNING: CPU: 0 PID: 1"), vm.SPLAT)
        for ours in ("rcu_a+0x54/0x178", "__cond_resched+0x2c/0x80", "rcu_b+0x148/0x8f4"):
            for module in ("vfio_iommu_spapr_tce", "vfio_iommu_spapr_tce_kunit"):
                race = self.race.replace(ours, f"tce_x+0x54/0x178 [{module}]")
                self.assertEqual(judged(race), vm.SPLAT, ours)
                self.assertEqual(judged(self.race + "\n" + race), vm.SPLAT, ours)
        self.assertEqual(judged("BUG: KCSAN: assert: race in x"), vm.SPLAT)

    def health(self, tainted, before=0, lockdep=None):
        """What a guest says of its kernel when it ends."""
        self.file("sys/kernel/tainted", f"{tainted}\n")
        if lockdep:
            self.file("lockdep_stats", f" lock-classes:  10 [max: 8192]\n{lockdep}\n")
        return printed("sh", "-e", SCRIPTS / "guest/health.sh", str(before), self.top)

    def test_what_the_kernel_did_not_say(self):
        self.assertEqual(self.health(0), "")
        self.assertEqual(self.health(1 << 12 | 1 << 13 | 1 << 18,
                                     lockdep=" debug_locks:                             1"), "")
        self.assertEqual(self.health(512 | 1 << 12, before=512), "")
        for said in (self.health(512), self.health(513, before=1),
                     self.health(0, lockdep=" debug_locks:                             0")):
            self.assertEqual(self.judge("VM-END", *said.splitlines(), "VM-VERDICT: 0"), vm.SPLAT,
                             said)
        # each guest is asked for it
        self.assertRegex((SCRIPTS / "guest/init").read_text(),
                         r'(?m)^sh /guest/health.sh "\$tainted"\necho "VM-VERDICT')
