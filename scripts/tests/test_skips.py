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
    def judge(self, *reasons, whole=True):
        """What is wrong with tests that were skipped for these reasons."""
        pins = skips.load("host\n\n 2 why\n * it depends\n")
        return skips.judge({str(n): reason for n, reason in enumerate(reasons)}, pins["host"], whole)

    def test_judge(self):
        self.assertEqual(self.judge("why", None, "why"), [])
        for wrong in (("why",), ("why", "why", "why"), (), ("why", "why", "other"), ("why", "other")):
            self.assertEqual(len(self.judge(*wrong)), 2 if wrong == ("why", "other") else 1, wrong)
        self.assertEqual(self.judge("why", "why", "it depends"), [])
        # somebody has named some tests
        self.assertEqual(self.judge("why", whole=False), [])
        self.assertEqual(len(self.judge("why", "why", "why", whole=False)), 1)

    def test_hosts_of_check(self):
        """What make check runs is pinned."""
        pins = skips.load(skips.FILE.read_text())
        self.assertLessEqual({f"selftest-{kernel}-{machine}:{user}" for kernel, machine, user, *_ in SELFTESTS}, set(pins))
        self.assertIn("kunit-6.12-be-powernv9", pins)

    def console(self, *rows, options="--safe"):
        return "\n".join(("\nVM-START", f">> a {options}", "KTAP version 1", f"1..{len(rows)}", *rows)) + "\n"

    def test_log(self):
        with tempfile.TemporaryDirectory() as tmp, patch("tce.skips.FILE", Path(tmp) / "skips"), \
                contextlib.redirect_stdout(io.StringIO()) as out:
            log = Path(tmp) / "selftest-x-ours.log"
            skips.FILE.write_text("# head\n")
            log.write_text(self.console("ok 1 user: a: b # SKIP why", "ok 2 user: a: c", "ok 3 a: b"))
            self.assertTrue(ktap.summary(log))          # of an unknown host
            self.assertIn("note: scripts/data/skips does not say what selftest-x:user may skip", out.getvalue())
            out.truncate(0)
            skips.FILE.write_text("# head\n\nselftest-x:user\nselftest-x:root\n\n  1   .  why\n")
            self.assertTrue(ktap.summary(log))
            self.assertNotIn("note: ", out.getvalue())
            for wrong in (["ok 1 user: a: b", "ok 2 user: a: c"], ["ok 1 user: a: b # SKIP why", "ok 2 user: a: c # SKIP why"]):
                log.write_text(self.console(*wrong))
                self.assertFalse(ktap.summary(log), wrong)
            log.write_text(self.console("ok 1 user: a: c"))
            self.assertFalse(ktap.summary(log))
            log.write_text(self.console("ok 1 user: a: c", options="--safe --uid 1 --test c"))
            self.assertTrue(ktap.summary(log))
