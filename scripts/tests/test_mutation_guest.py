# SPDX-License-Identifier: GPL-2.0-only
"""scripts/guest/mutation.sh: what is a verdict on a mutant in the guest."""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.mutation.events import outcome, read_events
from tce.paths import SCRIPTS
from tce.vm.console import COMPLAINTS


class MutationGuest(unittest.TestCase):
    """The guest's part of scripts/mutation, run in a directory with a module loader, a
    kernel log and a test program of our own making."""
    # The first line of a module says how it behaves: pass, fail, fewer (a result is
    # missing) or warn. The test takes that line away.
    test = """#!/bin/sh
        how=$(head -n 1 "$(cat BOX/loaded)"); sed -i 1d "$(cat BOX/loaded)"
        [ "$how" != warn ] || echo "[    1.0] WARNING: CPU: 0 at x.c:1" >>BOX/log
        [ -z "$1" ] || echo "${1}tce_kunit: case t"
        if [ "$how" = fail ]; then echo "${1}not ok 1 t"; else echo "${1}ok 1 t"; fi
        [ "$how" = fewer ] || echo "${1}ok 1 s"
        [ "$how" != fail ]"""
    fakes = {
        "selftests/s": test,
        "bin/kunit": test,
        "bin/insmod": """#!/bin/sh
            echo "$1" >BOX/loaded
            [ $TCE_STAGE = selftest ] || kunit "[    1.0] " >>BOX/log || :""",
        "bin/rmmod": "#!/bin/sh\n",
        "bin/dmesg": """#!/bin/sh
            cat BOX/log; [ "$1" != -c ] || : >BOX/log""",
        "guest/lib.sh": 'say() { echo ">> $*"; }; die() { echo "!! $*"; exit 1; }; prepare_suites() { :; }; pci_find() { :; }\n',
        "guest/complaints": COMPLAINTS, "mutants/list": "b s\n", "mutants/expected": "s 2 0\n", "log": "",
        "sys/module/kunit/parameters/filter_glob": "", "proc/sys/kernel/panic_on_oops": "", "proc/sys/vm/nr_hugepages": "", "tmp/out": "",
    }

    def judged(self, good, mutant, stage="kunit", confirm=""):
        """(verdict, doubt) about the mutant b. Both modules are given by one word for each
        run of the test."""
        with tempfile.TemporaryDirectory() as box:
            script = (SCRIPTS / "guest/mutation.sh").read_text()
            # It touches nothing outside of this directory, whatever is added to it.
            script = re.sub(r"(?<![\w$}.*/])/(?=(?!dev/null|proc/uptime)[a-z]+[/.])", f"{box}/", script)
            for name, text in {**self.fakes, "mutants/good.ko": good.replace(" ", "\n"),
                               "mutants/b.ko": mutant.replace(" ", "\n")}.items():
                path = Path(box, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace("BOX", box))
                path.chmod(0o755)
            text = "\n" + subprocess.run(
                ["sh", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                env={"PATH": f"{box}/bin:{os.environ['PATH']}", "TCE_STAGE": stage, "TCE_CONFIRM": confirm}).stdout
            if stage == "kunit":
                self.assertEqual(Path(box, "sys/module/kunit/parameters/filter_glob").read_text()[:1], "s")
        found, doubt = outcome(read_events(text), text)
        return found.get("b", (None,))[0], doubt and doubt[:2]

    def test_verdicts(self):
        for stage in "kunit", "selftest":
            for how in "fail", "fewer":
                self.assertEqual(self.judged("pass", f"{how} {how}", stage), ("caught", None))
                # a failure that does not come back, and one that is the good module's as well
                self.assertEqual(self.judged("pass", f"{how} pass", stage), (None, ("b", "s")))
                self.assertEqual(self.judged("fail", f"{how} {how}", stage), (None, ("b", "s")))
            # the kernel's word is enough
            self.assertEqual(self.judged("pass", "warn pass", stage), ("caught", None))
            self.assertEqual(self.judged("", "pass", stage), ("survived", None))

    def test_looking_into_a_doubt(self):
        """The good module comes first, and the mutant has failed once before."""
        self.assertEqual(self.judged("pass pass", "fail", confirm="1"), ("caught", None))
        self.assertEqual(self.judged("pass", "pass", confirm="1"), ("survived", None))
