# SPDX-License-Identifier: GPL-2.0-only
"""README's table of distributions, the man page and the pictures say what scripts/release/supported
decides for the kernels of scripts/release/distributions."""
import re

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, run

PLATFORMS = {"PowerNV": "PowerNV", "Partition": "pSeries"}
RELEASE = "void (*release_ownership)(struct iommu_table_group *table_group{});\n"
XCHG = "int (*xchg_no_kill)(struct iommu_table *tbl{});\n"


def distributions():
    """{name: {what its kernel has: is that so?}}"""
    rows = [re.split(r"  +", line.strip()) for line in
            (SCRIPTS / "release/distributions").read_text().splitlines() if line[0] != "#"]
    return {name: dict(zip(("vfio", "windows", "real", "kvm"), (word == "yes" for word in words)))
            for name, *words in rows}


def names(cell):
    """"RHEL and AlmaLinux 8, 9.0 to 9.2, Ubuntu 22.04" is RHEL 8, RHEL 9.0, RHEL 9.1, …"""
    of = ""
    for part in re.split(", | and (?=[0-9])", cell.replace(" and AlmaLinux", "")):
        words = re.fullmatch(r"(?:(\w+) )?([\d.]+)(?: to ([\d.]+))?", part.strip())
        if not words:
            continue
        of = words[1] or of
        first, last = words[2], words[3] or words[2]
        major = first.split(".")[0]
        yield from ((f"{of} {major}.{n}" for n in range(int(first.split(".")[1]),
                                                       int(last.split(".")[1]) + 1))
                    if first != last else [f"{of} {first}"])


def table():
    """{name: {platform: what README says}}"""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in
            (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    head = next(i for i, row in enumerate(rows) if "PowerNV" in row[1] and len(row) == 3)
    return {name: {"PowerNV": row[1], "Partition": row[2]} for row in rows[head + 2:]
            if len(row) == 3 for name in names(row[0])}


class Supported(Scratch):
    def refused(self, has, machine):
        """By the script, which is shown a kernel that has this"""
        self.file("Makefile", "")
        self.file("include/config/auto.conf", "".join(
            f"CONFIG_{option}=y\n" for option in ("PPC64", "SPAPR_TCE_IOMMU", "VFIO",
                                                  "KVM_BOOK3S_HV_POSSIBLE")[:3 + has["kvm"]]))
        self.file("arch/powerpc/include/asm/iommu.h",
                  RELEASE.format(", struct device *dev" * has["windows"])
                  + XCHG.format(", bool realmode" * has["real"]))
        self.file("include/linux/iommu.h", "int iommu_group_claim_dma_owner(void);" * has["vfio"])
        self.program("bin/systemd-detect-virt", "false")
        cpuinfo = self.file("cpuinfo", f"platform\t: {machine}\n")
        code, _, _ = run(SCRIPTS / "release/supported", self.top, TCE_CPUINFO=str(cpuinfo),
                         PATH=f"{self.top / 'bin'}:/usr/bin:/bin")
        return code == 1

    def test_readme(self):
        known, said = distributions(), table()
        self.assertGreater(len(known), 10)
        for name, has in known.items():
            self.assertIn(name, said)
            for platform, machine in PLATFORMS.items():
                cell = re.split(r"[\s:;,(]", said[name][platform])[0]
                wanted = ("no", "only") if self.refused(has, machine) else ("yes", "not", "if")
                self.assertIn(cell, wanted, (name, platform))
        # What README says of others it has not from there.
        for name in set(said) - set(known):
            for platform, text in said[name].items():
                self.assertNotEqual(re.split(r"\W", text)[0], "yes", (name, platform))

    def test_others(self):
        """The man page and the pictures name RHEL 9 from its first release on that is supported."""
        known = distributions()
        for text, what, least in (
                (r"6\.1 to 7\.\d, (?:or|and the 5\.14 of) (RHEL 9[.\d]*\d)", "vfio", 2),
                (r"6\.11(?:,| or) (RHEL 9[.\d]*\d)", "windows", 3)):
            first = min(name for name in known if name.startswith("RHEL 9.") and known[name][what])
            found = [name for file in (*(ROOT / "Documentation").glob("*.svg"),
                                       ROOT / "tools/vfio_iommu_spapr_tce.4")
                     for name in re.findall(text, file.read_text())]
            self.assertGreaterEqual(len(found), least)
            self.assertEqual(set(found), {first})
