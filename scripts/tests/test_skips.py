# SPDX-License-Identifier: GPL-2.0-only
"""data/skips: what is skipped on each host, and nothing else."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tce import ktap, skips
from tce.steps import SELFTESTS


class Skips(unittest.TestCase):
    said = {"kvm: a": "no KVM", "kvm: b": "no KVM", "dma: v1: x": "why", "dma: v2: x": "why", "dma: v1: y": None,
            "s.a: p": "no page", "s.b: p": "no page", "s.b: q": None, "odd [1]": "why"}

    def pinned(self):
        pins = {}
        skips.pin(pins, "host", self.said)
        return pins

    def judge(self, changed, whole=True):
        return skips.judge({**self.said, **changed}, self.pinned()["host"], whole)

    def test_patterns(self):
        self.assertEqual(self.pinned()["host"], {("kvm: *", "no KVM"), ("dma: v?: x", "why"), ("s.*: p", "no page"), ("odd [[]1]", "why")})
        self.assertEqual(skips.load(skips.dump(self.pinned())), self.pinned())

    def test_nothing(self):
        pins = {}
        skips.pin(pins, "host", {"a": None})
        self.assertEqual(skips.load(skips.dump(pins)), {"host": set()})
        self.assertTrue(skips.judge({"a": "why"}, pins["host"], True))

    def test_judge(self):
        self.assertEqual(self.judge({}), [])
        self.assertTrue(self.judge({"dma: v1: y": "why"}))          # new
        self.assertTrue(self.judge({"dma: v1: x": None}))           # gone
        self.assertTrue(self.judge({"dma: v1: x": "other"}))
        self.assertTrue(self.judge({"kvm: c": None}))
        self.assertEqual(self.judge({"kvm: c": "no KVM"}), [])

    def test_no_such_test(self):
        pinned = self.pinned()["host"]
        said = {name: why for name, why in self.said.items() if not name.startswith("kvm")}
        self.assertTrue(skips.judge(said, pinned, True))
        self.assertEqual(skips.judge(said, pinned, False), [])      # somebody has named some tests

    def test_varies(self):
        pins = skips.load("why (varies)\n\thost\n\t\tdma: *\n")
        skips.pin(pins, "host", self.said)
        self.assertIn(("dma: *", "why (varies)"), pins["host"])
        self.assertNotIn(("dma: v?: x", "why"), pins["host"])
        for state in "why", None:
            self.assertEqual(skips.judge({**self.said, "dma: v1: y": state}, pins["host"], True), [])
        self.assertTrue(skips.judge({**self.said, "dma: v1: y": "other"}, pins["host"], True))

    def test_hosts_of_check(self):
        """What make check runs is pinned."""
        pins = skips.load(skips.FILE.read_text())
        self.assertLessEqual({f"selftest-{kernel}-{machine}:{user}" for kernel, machine, user, *_ in SELFTESTS}, set(pins))
        self.assertIn("kunit-6.12-be-powernv9", pins)

    def console(self, *rows, options="--safe"):
        return "\n".join(("\nVM-START", f">> a {options}", "KTAP version 1", f"1..{len(rows)}", *rows)) + "\n"

    def test_log(self):
        with tempfile.TemporaryDirectory() as tmp, patch("tce.skips.FILE", Path(tmp) / "skips"), contextlib.redirect_stdout(io.StringIO()):
            log = Path(tmp) / "selftest-x-ours.log"
            skips.FILE.write_text("# head\n")
            log.write_text(self.console("ok 1 user: a: b # SKIP why", "ok 2 user: a: c", "ok 3 a: b"))
            self.assertTrue(ktap.summary(log))          # of an unknown host
            ktap.pin_skips([log])
            self.assertEqual(skips.FILE.read_text(),
                             "# head\n\nwhy\n\tselftest-x:user\n\t\ta: b\n\nnothing is skipped\n\tselftest-x:root\n")
            self.assertTrue(ktap.summary(log))
            for wrong in (["ok 1 user: a: b", "ok 2 user: a: c"], ["ok 1 user: a: b # SKIP why", "ok 2 user: a: c # SKIP why"]):
                log.write_text(self.console(*wrong))
                self.assertFalse(ktap.summary(log), wrong)
            log.write_text(self.console("ok 1 user: a: c"))
            self.assertFalse(ktap.summary(log))
            log.write_text(self.console("ok 1 user: a: c", options="--safe --uid 1 --test c"))
            self.assertTrue(ktap.summary(log))
            before = skips.FILE.read_text()
            ktap.pin_skips([log])                       # only some of its tests
            self.assertEqual(skips.FILE.read_text(), before)
