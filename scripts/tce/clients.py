# SPDX-License-Identifier: GPL-2.0-only
"""Clients that others wrote, with both drivers."""
import re
import subprocess
from collections.abc import Iterable, Iterator

from tce import results
from tce.cli import die, output, parser, path_from
from tce.paths import OUT, ROOT, SCRIPTS
from tce.tables import rst_table

PACKAGES = ("dpdk", "dpdk-dev", "librte-net-e1000-25", "iproute2", "iputils-ping",
            "qemu-system-ppc", "qemu-utils")
CLIENTS = ("dpdk", "suite", "type1")
ROW = re.compile(r">> client\|([^|]*)\|([^|]*)\|(ours|intree)\|([^|\r\n]*)")
HEAD = ("client", "what it does", "in-tree", "ours")
# The client's card, and that at the other end of its wire, which the host keeps
CARDS = ("e1000e", "e1000e")


def table(lines: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """A row for each client and what it does, in the order in which they ran, from the lines of the guest."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for match in filter(None, map(ROW.search, lines)):
        client, what, driver, result = match.groups()
        found.setdefault((client, what), {})[driver] = result
    return [(client, what, got.get("intree", "-"), got.get("ours", "-")) for (client, what), got in found.items()]


def cards() -> Iterator[str]:
    for n, model in enumerate(CARDS):
        yield from ("-netdev", f"hubport,id=wire{n},hubid=1",
                    "-device", f"{model},romfile=,netdev=wire{n},mac=52:54:00:00:00:1{n},bus=pcie.{n},addr=0x0")


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("client", nargs="*")
    clients = p.parse_args().client or list(CLIENTS)
    if not set(clients) <= set(CLIENTS):
        die(f"which clients? One or more of {', '.join(CLIENTS)}")
    debian = path_from("debian-image", *PACKAGES)
    module, place = output("debian-module", debian).split()
    options = ["--file", f"{module}:{place}", "--file", f"{ROOT / 'tools/tcestat'}:/usr/local/bin/tcestat",
               "--file", f"{output('build-suite')}:/suite", *(f"--qemu={arg}" for arg in cards())]
    said: list[str] = []
    for driver in ("ours", "intree"):
        log = OUT / "clients" / f"{driver}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        status = subprocess.run([SCRIPTS / "vm", "--debian", debian, "--run", "clients", "--huge-pages", "--mem", "4G", "--log", log,
                                 "--timeout", "3000", "--stall", "600", *options,
                                 *(f"--arg={arg}" for arg in (driver, *clients))]).returncode
        said += log.read_text(encoding="utf-8", errors="replace").splitlines()
        said.append(f">> client|Linux|ends the boot without a complaint|{driver}|{'FAILED' if status else 'ok'}")
    rows = table(said)
    ours = [row[3] for row in rows]
    passed, skipped = ours.count("ok"), sum(result.startswith("skipped") for result in ours)
    failed = len(ours) - passed - skipped
    print(rst_table([HEAD, *rows]))
    if not failed and set(clients) == set(CLIENTS):
        results.save("clients", [HEAD, *rows])
    print(f">> clients: {passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)
