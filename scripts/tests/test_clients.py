# SPDX-License-Identifier: GPL-2.0-only
import unittest

from tce.paths import SCRIPTS
from tests import load

table = load(SCRIPTS / "clients").table


class Clients(unittest.TestCase):
    def test_table(self) -> None:
        said = [">> client|A 1|moves|ours|ok\r\n", ">> A 1: moves, intree\n", ">> client|A 1|moves|intree|FAILED\n",
                ">> client|B|waits|ours|skipped: no wire\n"]
        self.assertEqual(table(said), [("A 1", "moves", "FAILED", "ok"), ("B", "waits", "-", "skipped: no wire")])
