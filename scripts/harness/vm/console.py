# SPDX-License-Identifier: GPL-2.0-only
"""What a guest's console says, and what that is worth."""
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from harness.paths import DATA

PASS, FAIL, USAGE, SPLAT, TIMEOUT, NO_VERDICT, QEMU_ERROR = range(7)
MEANING = ("passed", "the guest script failed", "not run", "the kernel complained", "time limit",
           "no verdict", "QEMU failed")

# What a healthy kernel never prints, one regular expression a line.
SPLATS = re.compile("|".join(line for line in (DATA / "complaints").read_text().splitlines()
                             if line and line[0] != "#"))

# A guest inside the guest has no nvram that its firmware has prepared.
HARMLESS = "WARNING: nvram corruption detected: 0-length partition"

# With multitce=off the kernel warns at its start that this was not to be changed any more.
NO_MULTITCE = re.compile(r"^.*cut here.*\n.*Firmware features changed.*\n"
                         r".*WARNING: .* check_features\b(?:.*\n)*?.*end trace.*\n", re.M)

# KCSAN's report of a data race: its title, and its stacks, of which two lines each are the access
# and what called it.
RACE = re.compile(r"^.*BUG: (KCSAN: .*)\n((?:.*\n)*?).*={40,}", re.M)
ACCESS = re.compile(r"^.*(?:read|write|assert).* by (?:task|interrupt).*\n((?:.*\n){,2})", re.M)

# The firmware's messages, which come in the midst of a line, too: a host that is busy has it say
# that its timer is stuck.
FIRMWARE = re.compile(r"\[ *\d+\.\d{9},\d\] .*")

# Escape sequences, which systemd writes in front of the kernel's messages
ESCAPES = re.compile(r"\x1b[]P][^\x1b\a]*(?:\x1b\\|\a)|\x1b\[[0-9;?]*[A-Za-z]")

# What the kernel and the firmware may still say after the verdict.
AFTER_VERDICT = re.compile(r"\[ *\d+\.\d+[],]|$")


class Console:
    """Follows the guest's console: writes the log, shows what is wanted, finds the verdict."""

    def __init__(self, log: TextIO, show: str) -> None:
        self.log, self.show = log, show
        self.verdict: int | None = None
        self.taken_back = ""    # the line that came after a verdict
        self.last: list[str] = []       # of a silent machine, before it was asked
        self.lines: list[str] = []
        self.in_script = False
        self.torn = ""      # the beginning of a line that such a message has hit

    def line(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").replace("\r", "").rstrip("\n")
        text = ESCAPES.sub("", text)
        message = FIRMWARE.search(text)
        if message:
            self.torn += text[:message.start()]
            text = message[0]
        else:
            text, self.torn = self.torn + text, ""
        self.log.write(text + "\n")
        self.log.flush()
        self.lines.append(text)
        if self.verdict is not None and not AFTER_VERDICT.match(text):
            self.verdict, self.taken_back = None, text      # it was not the last word
        m = re.fullmatch(r"VM-VERDICT: (\d+)", text.strip())
        if m:
            self.verdict = int(m[1])
        if text.startswith("VM-START"):
            self.in_script = True
        elif text.startswith("VM-END"):
            self.in_script = False
        elif self.in_script and self.show == "script":
            print(text, flush=True)


def complaints(lines: Iterable[str], append: str = "") -> tuple[list[str], list[str]]:
    """(the lines in which the kernel complains, the titles of data races that have nothing to do
    with the module). @append is what its command line has."""
    others: list[str] = []

    def unless_of_others(report: re.Match[str]) -> str:
        accesses = ACCESS.findall(report[2])
        if not accesses or "[vfio_iommu_spapr_tce" in "".join(accesses):
            return report[0]
        others.append(report[1])
        return ""

    # What comes then is the kernel's log, which repeats all reports.
    said, _, log = "".join(f"{line}\n" for line in lines).partition("\nVM-END")
    if "multitce=off" in append.split():
        said, log = NO_MULTITCE.sub("", said, 1), NO_MULTITCE.sub("", log, 1)
    text = RACE.sub(unless_of_others, said) + re.sub(".*BUG: KCSAN: .*", "", log)
    return [line for line in text.splitlines() if SPLATS.search(line.replace(HARMLESS, ""))], others


def judge(console: Console, complaints: Sequence[str], qemu_status: int, late: bool) -> int:
    if late:
        return TIMEOUT
    if complaints:
        return SPLAT
    if qemu_status:
        return QEMU_ERROR
    if console.verdict is None:
        return NO_VERDICT
    return PASS if console.verdict == 0 else FAIL
