# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machines, as QEMU's arguments."""
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from harness.cli import output

# The mitigations are hardware that TCG does not emulate.
PSERIES = ["-M", "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
           "-vga", "none"]
MACHINES = {
    "powernv8": ["-M", "powernv8"],
    "powernv9": ["-M", "powernv9"],
    "powernv10": ["-M", "powernv10"],
    "pseries": PSERIES,
    "pseries-hash": [*PSERIES, "-cpu", "power8"],   # which has no radix MMU
}
# What each offers to clients of v2, which the driver has to tell: windows, levels of a table, page
# sizes as a mask. This is written by hand, and never asked of the driver.
OFFERS = {
    "powernv8": "2 5 0x11011000",
    "powernv9": "2 5 0x40211000",
    "powernv10": "2 5 0x40211000",
    "pseries": "2 1 0x1211000",
    "pseries-hash": "2 1 0x1211000",
}

# Of a real Debian (scripts/image/debian-image): what would be at apt's lock, or at the console
MASKED = ("serial-getty@hvc0.service", "apt-daily.timer", "apt-daily-upgrade.timer")
DEBIAN_APPEND = ("root=/dev/vda rw systemd.show_status=0 "
                 + " ".join(f"systemd.mask={unit}" for unit in MASKED))
# At the other end of a network card's wire: a peer that only exists there, and a second one whose
# port 7 sends back all that it was sent. "restrict" keeps the rest of the machine out of reach.
ECHO = 'python3 -c "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"'
USER_NET = f"restrict=on,net=10.0.{{0}}.0/24,guestfwd=tcp:10.0.{{0}}.100:7-cmd:{ECHO}"
# The disks leave the first slots of a powernv9 or powernv10, which has six, to what is tested.
LAST_SLOTS = 4


def qemu_powernv(devices: Iterable[str]) -> list[str]:
    """QEMU arguments for powernv's firmware and its host bridges, those with something behind them:
    the firmware and the kernel take seconds for one that is empty."""
    argv = ["-bios", output("image/guest-programs", "firmware"), "-nodefaults",
            "-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-bt,bmc=bmc0,irq=10"]
    for n in sorted(set(re.findall(r"bus=pcie\.(\d)", " ".join(devices)))):
        argv += ["-device", f"pnv-phb,id=phb{n},index={n},chip-id=0",
                 "-device", f"pnv-phb-root-port,id=pcie.{n},bus=phb{n},slot={n}"]
    return argv


def with_huge_pages(argv: list[str], tree: Path) -> list[str]:
    """The same powernv machine, which knows what the MMU of POWER9 offers: pages of 4K, 64K, 2M and
    1G, and how TLB invalidations call them. QEMU leaves that out of the device tree, which is had
    from it for this."""
    subprocess.run([f"{arg},dumpdtb={tree}" if arg in MACHINES else arg for arg in argv],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True)
    cpus = subprocess.run(["fdtget", "-l", tree, "/cpus"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.split()
    for cpu in cpus:
        subprocess.run(["fdtput", "-t", "x", tree, f"/cpus/{cpu}",
                        "ibm,processor-radix-AP-encodings",
                        "c", "a0000010", "20000015", "4000001e"], check=True)
    at = argv.index("-append")      # the tree has it
    return [*argv[:at], *argv[at + 2:], "-dtb", str(tree)]


def qemu_devices(machine: str, devices: Iterable[str]) -> list[str]:
    """QEMU arguments which give every device an IOMMU group of its own. One that is called A/B has
    two functions, and A/ has one."""
    argv: list[str] = []
    for n, device in enumerate(devices):
        if machine.startswith("powernv"):
            bus, slot = f"pcie.{n}", "0x0"      # every root port is a host bridge
        else:
            bus, slot = ("pci.0" if n == 0 else f"phb{n}.0"), "0x1"
            if n > 0:
                argv += ["-device", f"spapr-pci-host-bridge,index={n},id=phb{n}"]
        # vfio-pci resets the bus at each open and close of the only device on it, which
        # takes the firmware 5 s. With a second function, which has no driver, it does not.
        for function, name in enumerate((device if "/" in device
                                         else f"{device}/pci-testdev").split("/")):
            kind, net = name.split(",")[0], f"net{n}.{function}"
            if not name:
                continue
            if kind == "e1000e":        # no ROM: that is a package of its own
                argv += ["-netdev", f"user,id={net},{USER_NET.format(n + 2)}"]
                name += f",romfile=,netdev={net}"
            elif kind == "edu" and "dma_mask" not in name:
                name += ",dma_mask=0xffffffffffffffff"    # also reaches windows high up
            place = f"bus={bus},addr={slot}"
            argv += ["-device", f"{name},{place}.{function}" if function
                     else f"{name},multifunction=on,{place}"]
    return argv


def debian_drives(disk: Path, more: Path, forget: bool) -> list[str]:
    """QEMU arguments for the disk of a real Debian and one with more; with @forget nothing that it
    writes is kept."""
    argv, snapshot = [], "on" if forget else "off"
    for n, file in enumerate((disk, more)):
        argv += ["-drive", f"file={file},format=raw,if=none,id=debian{n},cache=unsafe,"
                 f"snapshot={snapshot}",
                 "-device", f"virtio-blk-pci,drive=debian{n},bus=pcie.{LAST_SLOTS + n}"]
    return argv
