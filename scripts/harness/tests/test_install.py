# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/after-install and supported: is it said which file wins, and that the module
would serve no client?"""
import os

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, printed, run

NAME = "vfio_iommu_spapr_tce"


class Install(Scratch):
    def setUp(self):
        super().setUp()
        self.release = os.uname().release
        self.kernel = self.top / "lib/modules" / self.release
        for name in ("modules.order", "modules.builtin"):
            self.file(self.kernel / name, "")
        self.file("include/generated/utsrelease.h", f'#define UTS_RELEASE "{self.release}"\n')
        self.path = f"{self.top / 'bin'}:{os.environ['PATH']}"

    def module(self, where):
        path = self.kernel / where / f"{NAME}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        printed("gcc", "-c", "-x", "c", "/dev/null", "-o", path)
        return path

    def test_dkms(self):
        """DKMS of Debian, and of RHEL, where it puts modules that depmod looks at last. Which one
        modprobe would take is a matter of chance."""
        ours = self.module("updates")
        for where in ("updates/dkms", "extra"):
            theirs = self.module(where)
            for chosen, wanted in ((ours, 0), (theirs, 1)):
                self.program("bin/modinfo", f"echo {chosen}")
                code, said, errors = run(SCRIPTS / "release/after-install", "install", self.top,
                                         self.top, PATH=self.path)
                self.assertEqual(code, wanted, errors)
                self.assertIn(f"now loads {chosen}\n", said)
                self.assertIn(f"*** DKMS has installed {theirs}", errors)
            theirs.unlink()

    def test_uninstall(self):
        """Also when the kernel's headers are gone"""
        ours = self.module("updates")
        (self.top / "include/generated/utsrelease.h").unlink()
        code, _, errors = run(SCRIPTS / "release/after-install", "uninstall",
                              f"/lib/modules/{self.release}/build", self.top, PATH=self.path)
        self.assertEqual((code, ours.exists()), (0, False), errors)

    def supported(self, *args, machine="other", virt="nowhere"):
        """(exit code, the lines that it says); @virt: where systemd finds itself"""
        self.program("bin/systemd-detect-virt", f'[ "$2" = {virt} ]')
        cpuinfo = self.file("cpuinfo", f"cpu\t\t: POWER9\nplatform\t: {machine}\n")
        code, _, errors = run(SCRIPTS / "release/supported", self.top, *args, PATH=self.path,
                              TCE_CPUINFO=str(cpuinfo))
        return code, errors.splitlines()

    def test_unfit(self):
        """What a kernel's configuration says, whether it is only to be built for or not."""
        code, said = self.supported("build")
        self.assertEqual((code, len(said), "there is no" in said[0]), (1, 1, True), said)
        for args in ((), ("FORCE=1",)):
            self.assertEqual(self.supported(*args), (0, []))
        self.file("Makefile", "")
        for text, reason in (("PPC64 SPAPR_TCE_IOMMU VFIO", ""),
                             ("X86 VFIO", "64-bit POWER"),
                             ("PPC64 SPAPR_TCE_IOMMU VFIO VFIO_IOMMU_SPAPR_TCE", "built in"),
                             ("PPC64 VFIO", "SPAPR_TCE_IOMMU"), ("PPC64 SPAPR_TCE_IOMMU", "VFIO"),
                             ("PPC64 SPAPR_TCE_IOMMU VFIO VFIO_CONTAINER", ""),
                             ("PPC64 SPAPR_TCE_IOMMU VFIO IOMMUFD", "no containers"),
                             ("PPC64 SPAPR_TCE_IOMMU VFIO IOMMUFD VFIO_CONTAINER", "")):
            self.file("include/config/auto.conf",
                      "".join(f"CONFIG_{option}=y\n" for option in text.split()))
            for args in ((), ("build",), ("FORCE=1",)):
                code, said = self.supported(*args)
                self.assertEqual((code, len(said)), (1, 1) if reason else (0, 0), (text, said))
                self.assertIn(reason, "".join(said))

    def test_serves(self):
        """Nobody where KVM has real mode, or the platform no windows; by the headers of the kernel,
        wherever they are. An image may be for another machine."""
        old = "void (*release_ownership)(struct iommu_table_group *table_group);\n"
        new = ("void (*release_ownership)(struct iommu_table_group *table_group,\n\t\tstruct "
               "device *dev);\n")
        real = ("int (*xchg_no_kill)(struct iommu_table *tbl,\n\t\tenum dma_data_direction "
                "*direction,\n\t\tbool realmode);\n")
        fit = "".join(f"CONFIG_{o}=y\n" for o in ("PPC64", "SPAPR_TCE_IOMMU", "VFIO"))
        kvm = "CONFIG_KVM_BOOK3S_HV_POSSIBLE=y\n"
        for place in ("", "source", "common"):
            self.file("Makefile", f"include {self.top}/common/Makefile\n" * (place == "common"))
            self.file("include/config/auto.conf", fit)
            self.file(self.top / place / "arch/powerpc/include/asm/iommu.h", new)
            claim = self.file(self.top / place / "include/linux/iommu.h", "")
            for args in ((), ("build",), ("FORCE=1",)):
                self.assertIn("Linux 5.19", "".join(self.supported(*args)[1]))
            claim.write_text("int iommu_group_claim_dma_owner(struct iommu_group *group);\n")
            for machine, text, options, reason in (
                    ("pSeries", new, kvm, ""), ("pSeries", new + real, kvm, ""),
                    ("pSeries", old, kvm, "Linux 6.11"), ("PowerNV", old, kvm, ""),
                    ("PowerNV", old + real, "", ""), ("PowerNV", old + real, kvm, "real mode"),
                    ("other", old + real, kvm, "")):
                header = self.file(self.top / place / "arch/powerpc/include/asm/iommu.h", text)
                self.file("include/config/auto.conf", fit + options)
                code, said = self.supported(machine=machine)
                self.assertEqual((code, len(said)), (1, 1) if reason else (0, 0),
                                 (place, machine, text, options))
                self.assertIn(reason, "".join(said))
                if reason:
                    for what in ("build", "FORCE=1"):
                        self.assertEqual(self.supported(what, machine=machine), (0, []))
                    for virt in ("--container", "--chroot"):
                        self.assertEqual(self.supported(machine=machine, virt=virt), (0, []))
            header.unlink()

    def test_only_this_module(self):
        """The example that refuses the in-tree driver: its rule, as modprobe would run it"""
        rule = (ROOT / "tools/examples/vfio-only-this-module.conf").read_text().splitlines()[-1]
        command = rule.removeprefix(f"install {NAME} ").replace(
            "/dev/kmsg", str(self.top / "kmsg"))
        command = command.replace("/sbin/modprobe", str(self.top / "modprobe"))
        self.assertNotEqual(command, rule)
        for file, ours in ((f"updates/dkms/{NAME}.ko.xz", True), (f"updates/{NAME}.ko", True),
                           (f"extra/{NAME}.ko.xz", True),
                           (f"kernel/drivers/vfio/{NAME}.ko.xz", False), ("", False)):
            path = ("insmod /lib/modules/6.12/kernel/drivers/vfio/vfio.ko\ninsmod "
                    f"/lib/modules/6.12/{file}" if file else "")
            self.program("modprobe", f"case $* in *--show-depends*) printf '%s\\n' '{path}';; "
                         f"*) touch {self.top}/inserted;; esac")
            code, _, errors = run("sh", "-c", command)
            self.assertEqual((code, (self.top / "inserted").exists()),
                             (0, True) if ours else (1, False), file)
            self.assertEqual("tcestat doctor" in errors, not ours)
            (self.top / "inserted").unlink(missing_ok=True)
