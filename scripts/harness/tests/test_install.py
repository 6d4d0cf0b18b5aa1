# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/after-install, reload-hint, supported and dkms-all: is it said which file wins,
that an old one is loaded, that the module would serve no client, and for which kernels it was
built?"""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.paths import ROOT, SCRIPTS

NAME = "vfio_iommu_spapr_tce"
MODULE = '__attribute__((section(".modinfo"), used)) static const char s[] = "srcversion={}";' \
         '__attribute__((section(".modinfo"), used)) static const char l[] = "license=GPL";'


class Paths(unittest.TestCase):
    def test_paths(self):
        """What DKMS, the packages and tcestat call is installed by its path in the source."""
        makefile = (ROOT / "Makefile").read_text()
        installed = re.search(r"\(addprefix scripts/release/,(.*?)\)", makefile)[1].split()
        for file in ("dkms.conf", "tools/tcestat", "rpm/vfio-iommu-spapr-tce.spec"):
            named = re.findall(r"\bscripts/release/([\w-]+)", (ROOT / file).read_text())
            self.assertTrue(named)
            self.assertLessEqual(set(named), set(installed), file)
        beside = re.findall(r'\(dirname "\$0"\)/([\w-]+)',
                            (SCRIPTS / "release/after-install").read_text())
        for name in [*installed, *beside]:
            self.assertTrue((SCRIPTS / "release" / name).exists(), name)


class Install(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.root = Path(tmp.name)
        self.release = os.uname().release
        self.kernel = self.root / "lib/modules" / self.release
        self.kernel.mkdir(parents=True)
        (self.kernel / "modules.order").touch()
        (self.kernel / "modules.builtin").touch()
        (self.root / "include/generated").mkdir(parents=True)
        (self.root / "include/generated/utsrelease.h").write_text(
            f'#define UTS_RELEASE "{self.release}"\n')

    def module(self, where, version):
        path = self.kernel / where / f"{NAME}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-c", "-x", "c", "-", "-o", path], input=MODULE.format(version),
                       text=True, check=True)
        return path

    def after(self, chosen=None, what="install"):
        """What it says; @chosen: the file that modprobe would take, where that is a matter of
        chance."""
        env = dict(os.environ)
        if chosen:
            fake = self.root / "bin/modinfo"
            fake.parent.mkdir(exist_ok=True)
            fake.write_text(f'#!/bin/sh\ncase $* in *-k*) echo {chosen};; *) '
                            'PATH=/sbin:/usr/sbin:/usr/bin exec modinfo "$@";; esac\n')
            fake.chmod(0o755)
            env["PATH"] = f"{fake.parent}:{env['PATH']}"
        done = subprocess.run([SCRIPTS / "release/after-install", what, self.root, self.root],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=env)
        return done.returncode, done.stdout

    def test_dkms(self):
        """DKMS of Debian, and of RHEL, where it puts modules that depmod looks at last."""
        ours = self.module("updates", "NEW")
        for where in ("updates/dkms", "extra"):
            theirs = self.module(where, "OTHER")
            for chosen, wanted in ((ours, 0), (theirs, 1)):
                code, said = self.after(chosen)
                self.assertEqual(code, wanted, said)
                self.assertIn(f"now loads {chosen}\n", said)
                self.assertIn(f"*** DKMS has installed {theirs}", said)
            theirs.unlink()

    def test_uninstall(self):
        self.module("updates", "NEW")
        theirs = self.module("extra", "OLD")
        code, said = self.after(what="uninstall")
        self.assertEqual((code, (self.kernel / "updates").exists()), (0, False), said)
        self.assertIn(f"now loads {theirs}\n", said)

    def test_target(self):
        """What a kernel's configuration says of VFIO."""
        (self.root / "Makefile").touch()
        config = self.root / "include/config/auto.conf"
        config.parent.mkdir(parents=True)
        some = "CONFIG_PPC64=y\nCONFIG_SPAPR_TCE_IOMMU=y\nCONFIG_VFIO=m\n"
        for more, code in (("", 0), ("CONFIG_VFIO_CONTAINER=y\n", 0), ("CONFIG_IOMMUFD=m\n", 1),
                           ("CONFIG_IOMMUFD=m\nCONFIG_VFIO_CONTAINER=y\n", 0)):
            config.write_text(some + more)
            done = subprocess.run([SCRIPTS / "release/buildable", self.root],
                                  stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, "no containers" in done.stderr), (code, bool(code)),
                             more)

    def test_serves(self):
        """Nobody where KVM has real mode, or the platform no windows; by the headers of the kernel,
        wherever they are."""
        cpuinfo = self.root / "cpuinfo"
        config = self.root / "include/config/auto.conf"
        config.parent.mkdir(parents=True)
        old = "void (*release_ownership)(struct iommu_table_group *table_group);\n"
        new = ("void (*release_ownership)(struct iommu_table_group *table_group,\n\t\tstruct "
               "device *dev);\n")
        real = ("int (*xchg_no_kill)(struct iommu_table *tbl,\n\t\tenum dma_data_direction "
                "*direction,\n\t\tbool realmode);\n")
        kvm = "CONFIG_KVM_BOOK3S_HV_POSSIBLE=y\n"
        for place in ("", "source", "common"):
            header = self.root / place / "arch/powerpc/include/asm/iommu.h"
            header.parent.mkdir(parents=True)
            (self.root / "Makefile").write_text(f"include {self.root}/common/Makefile\n"
                                                if place == "common" else "")
            for machine, text, options, reason in (
                    ("pSeries", new, kvm, ""), ("pSeries", new + real, kvm, ""),
                    ("pSeries", old, kvm, "Linux 6.11"), ("PowerNV", old, kvm, ""),
                    ("PowerNV", old + real, "", ""), ("PowerNV", old + real, kvm, "real mode"),
                    ("other", old + real, kvm, "")):
                cpuinfo.write_text(f"cpu\t\t: POWER9\nplatform\t: {machine}\n")
                header.write_text(text)
                config.write_text(options)
                done = subprocess.run([SCRIPTS / "release/supported", self.root],
                                      stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, "TCE_CPUINFO": str(cpuinfo)})
                said = done.returncode, len(done.stderr.splitlines())
                self.assertEqual(said, (1, 1) if reason else (0, 0),
                                 (place, machine, text, options))
                self.assertIn(reason, done.stderr)
            header.unlink()

    def test_serves_in_an_image(self):
        """An image that is built in a partition may be for another machine."""
        header = self.root / "arch/powerpc/include/asm/iommu.h"
        header.parent.mkdir(parents=True)
        header.write_text("void (*release_ownership)(struct iommu_table_group *table_group);\n")
        (self.root / "cpuinfo").write_text("platform\t: pSeries\n")
        # /proc/cpuinfo can't be another one here: the script with another path in it
        script = self.root / "supported"
        script.write_text((SCRIPTS / "release/supported").read_text().replace(
            "-/proc/cpuinfo}", f"-{self.root}/cpuinfo}}"))
        fake = self.root / "bin/systemd-detect-virt"
        fake.parent.mkdir()
        for where, code in (("--container", 0), ("--chroot", 0), ("nowhere", 1)):
            fake.write_text(f'#!/bin/sh\n[ "$2" = {where} ]\n')
            fake.chmod(0o755)
            done = subprocess.run(["bash", script, self.root], stderr=subprocess.DEVNULL,
                                  env={**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"})
            self.assertEqual(done.returncode, code, where)

    def test_dkms_all(self):
        """Each kernel that has headers, one after the other, and never an error: what the .rpm
        runs."""
        fake = self.root / "bin/dkms"
        fake.parent.mkdir()
        fake.write_text(f'#!/bin/sh\necho "$*" >>{self.root}/asked\n'
                        'case $* in *6.1-bad*) exit 10;; *4.18*) exit 77;; "add "*) exit 3;; '
                        'esac\n')
        fake.chmod(0o755)
        modules = self.root / "modules"
        for kernel, headers in (("6.1-bad", True), ("6.12-good", True), ("6.12-none", False),
                                ("4.18-old", True), ("7.1-good", True)):
            (modules / kernel / "build").mkdir(parents=True)
            if headers:
                (modules / kernel / "build/Makefile").touch()

        def run():
            env = {**os.environ, "TCE_MODULES": str(modules),
                   "PATH": f"{fake.parent}:{os.environ['PATH']}"}
            return subprocess.run([SCRIPTS / "release/dkms-all", "x", "1.0~rc1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, check=True, env=env).stdout
        said = run()
        self.assertIn("built for 6.12-good 7.1-good\n", said)
        self.assertIn("NOT built for 6.1-bad,", said)
        asked = (self.root / "asked").read_text().splitlines()
        self.assertEqual([line.split()[-1] for line in asked[1:]],
                         ["4.18-old", "6.1-bad", "6.12-good", "7.1-good"])
        # an image without a kernel
        for path in sorted(modules.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.assertIn("built for no kernel\n", run())

    def test_only_this_module(self):
        """The example that refuses the in-tree driver: its rule, as modprobe would run it"""
        rule = (ROOT / "tools/examples/vfio-only-this-module.conf").read_text().splitlines()[-1]
        command = rule.removeprefix(f"install {NAME} ").replace(
            "/dev/kmsg", str(self.root / "kmsg"))
        command = command.replace("/sbin/modprobe", str(self.root / "modprobe"))
        self.assertNotEqual(command, rule)
        modprobe = self.root / "modprobe"
        for file, ours in ((f"updates/dkms/{NAME}.ko.xz", True), (f"updates/{NAME}.ko", True),
                           (f"extra/{NAME}.ko.xz", True),
                           (f"kernel/drivers/vfio/{NAME}.ko.xz", False), ("", False)):
            path = ("insmod /lib/modules/6.12/kernel/drivers/vfio/vfio.ko\ninsmod "
                    f"/lib/modules/6.12/{file}" if file else "")
            modprobe.write_text("#!/bin/sh\ncase $* in *--show-depends*) printf '%s\\n' "
                                f"'{path}';; *) touch {self.root}/inserted;; esac\n")
            modprobe.chmod(0o755)
            done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, (self.root / "inserted").exists()),
                             (0, True) if ours else (1, False), file)
            self.assertEqual("tcestat doctor" in done.stderr, not ours)
            (self.root / "inserted").unlink(missing_ok=True)

    def reload(self, release, loaded):
        sys = self.root / "sys/module" / NAME
        sys.mkdir(parents=True, exist_ok=True)
        (sys / "srcversion").write_text(f"{loaded}\n")
        files = [self.kernel / where / f"{NAME}.ko"
                 for where in ("updates/dkms", "extra", "updates")]
        return subprocess.run([SCRIPTS / "release/reload-hint", release, *files],
                              stdout=subprocess.PIPE, check=True, text=True,
                              env={**os.environ, "TCE_SYS": str(self.root / "sys")}).stdout

    def test_reload(self):
        path = self.module("updates", "NEW")
        subprocess.run(["xz", path], check=True)
        self.assertEqual(self.reload(self.release, "NEW"), "")
        self.assertIn("srcversion OLD, the new one is NEW", self.reload(self.release, "OLD"))
        self.assertEqual(self.reload("6.1.0-other", "OLD"), "")
