# SPDX-License-Identifier: GPL-2.0-only
"""tools/tcestat on files that look like a host's: does it show what is there, and miss nothing that
a card lacks?"""
import json
import os
import re
import shutil
import subprocess
import unittest
from unittest import mock

from harness.paths import ROOT
from harness.tests import Scratch, load

PROGRAM = ROOT / "tools/tcestat"
DEVICE = "0000:01:00.0"
NAME = "vfio_iommu_spapr_tce"

# The state's lines may go on here.
STATE = r"""module format=4 page_size=65536 closing=1 kvm_tables=1 leaked=0 leaked_tables=0
process id=7 tgid=4711 table_leaked=0 kvm=1 locked_vm=4294967296 alive=1 comm=qemu\040\033[31m\134x
region process=7 ua=0x7f0000000000 size=4294967296 page_shift=16 kvm_list=1 mapped=? written=1 \
containers=3,2
region process=7 ua=0x7f8000000000 size=65536 page_shift=16 kvm_list=0 mapped=16 written=0 \
containers=-
container id=3 version=2 process=7 enabled=1 default_pending=0 pinned=0 charged=0 uncharge=0
group container=3 number=5
window container=3 number=0 start=0x0 size=1073741824 page_shift=16 levels=1 \
mapped=16384 by_kvm=16000 charged=131072 kvm=1
window container=3 number=1 start=0x800000000000000 size=4294967296 page_shift=16 levels=2 \
mapped=0 by_kvm=0 charged=0 kvm=0
container id=2 version=1 process=0 enabled=0 default_pending=1 pinned=65536 \
charged=131072 uncharge=65536
""".replace("\\\n", "")

LIMITS = "Limit                     Soft Limit           Hard Limit           Units\n" \
         "Max locked memory         {:<20} {:<20} bytes\n" \
         "Max open files            1024                 1048576              files\n"


tcestat = load(PROGRAM)


class Host(Scratch):
    """A tree of files in which all is well."""

    def setUp(self):
        super().setUp()
        self.file("proc/sys/kernel/osrelease", "6.12.95\n")
        self.file("proc/sys/kernel/version", "#1 SMP Debian 6.12.95-1\n")
        self.file("proc/self/limits", LIMITS.format("unlimited", "unlimited"))
        self.file("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n")
        self.file("proc/meminfo", "MemTotal: 8000000 kB\nHugePages_Total:       0\nHugePages_Free: "
                  "       0\nHugepagesize:       2048 kB\n")
        self.file(f"sys/module/{NAME}/srcversion", "ABC123\n")
        self.file(f"sys/module/{NAME}/version", "1.0\n")
        self.file(f"sys/module/{NAME}/refcnt", "4\n")
        self.file(f"sys/kernel/debug/{NAME}/state", STATE)
        self.file("dev/kvm", "")
        self.file("dev/vfio/5", "")
        self.device(DEVICE, "5", "vfio-pci", "0x020000")
        self.device("0000:00:00.0", "5", "pcieport", "0x060400")
        self.modinfo(f"/lib/modules/6.12.95/updates/dkms/{NAME}.ko", "ABC123")

    def device(self, address, group, driver, kind):
        at = self.top / f"sys/bus/pci/devices/{address}"
        self.file(f"sys/bus/pci/devices/{address}/class", kind + "\n")
        self.file(f"sys/bus/pci/devices/{address}/reset_method", "flr bus\n")
        self.file(f"sys/bus/pci/devices/{address}/power/runtime_status", "active\n")
        (at / "driver").unlink(missing_ok=True)
        if driver:
            (at / "driver").symlink_to(f"../../drivers/{driver}")
        (at / "iommu_group").unlink(missing_ok=True)
        (at / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group}")
        self.file(f"sys/kernel/iommu_groups/{group}/devices/{address}", "")

    def modinfo(self, file, srcversion):
        """What modprobe would load."""
        path = self.program("bin/modinfo", f"""
            [ "$3" != -k ] || {{ cat {self.top}/lib/modules/$4/says; exit; }}
            case $2 in filename) echo {file};; srcversion) echo {srcversion};; esac""")
        os.environ["PATH"] = f"{path.parent}:{os.environ['PATH']}"
        self.addCleanup(os.environ.__setitem__, "PATH", os.environ["PATH"].partition(":")[2])

    def run_it(self, *argv):
        done = subprocess.run([PROGRAM, "--root", self.top, *argv], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr


class State(Host):
    def test_table(self):
        code, said, errors = self.run_it()
        self.assertEqual((code, errors), (0, ""))
        for text in (f"{NAME} 1.0, srcversion ABC123, Linux 6.12.95",
                     "2 open containers, 1 closed container still in use, 1 table\n",
                     "container 3: version 2, process 4711 qemu",
                     f"group 5: 0000:00:00.0 (pcieport), {DEVICE} (vfio-pci)",
                     "container 2: version 1, not bound to a process yet, not enabled",
                     "the default window is created by the first MAP", "pinned 64K, charged 128K",
                     "VmLck 4G, 2 regions of 4194368K, has KVM"):
            self.assertIn(text, said)
        rows = [line.split() for line in said.splitlines()]
        self.assertIn(["0", "0x0", "1G", "64K", "1", "16384", "16000", "128K", "yes"], rows)
        self.assertIn(["0x7f0000000000", "4G", "64K", "?", "yes", "3,2"], rows)
        self.assertIn(["0x7f8000000000", "64K", "64K", "16", "no", "closed"], rows)
        self.assertNotIn("LOST", said)

    def test_a_name_does_nothing_to_a_terminal(self):
        self.assertNotIn("\033", self.run_it()[1])

    def test_what_is_lost(self):
        self.file(f"sys/kernel/debug/{NAME}/state",
                  STATE.replace("leaked=0 leaked_tables=0", "leaked=131072 leaked_tables=1"))
        self.assertIn("LOST until the next boot: 128K of memory, 1 table ", self.run_it()[1])

    def test_what_can_not_be_read(self):
        for text in ("", "nonsense\n", STATE.replace("format=4", "format=5"),
                     STATE + "window container\n"):
            self.file(f"sys/kernel/debug/{NAME}/state", text)
            code, said, errors = self.run_it()
            self.assertEqual((code, said), (2, ""), text)
            self.assertIn("tcestat: ", errors)

    def test_no_file(self):
        (self.top / f"sys/kernel/debug/{NAME}/state").unlink()
        self.assertIn("another driver is loaded", self.run_it()[2])
        shutil.rmtree(self.top / "sys/module")
        code, _, errors = self.run_it()
        self.assertEqual(code, 2)
        self.assertIn("is not loaded", errors)

class Doctor(Host):
    """Each thing that is missing is found, with a command; nothing else is."""

    def setUp(self):
        super().setUp()
        root = mock.patch.object(tcestat.os, "geteuid", lambda: 0)
        root.start()
        self.addCleanup(root.stop)

    def look(self, device=DEVICE, info=(32, 1, 0, 1 << 30, 1 << 12 | 1 << 16, 2, 5), **client):
        def ask(_system, group):
            self.assertEqual(group, "5")
            if isinstance(info, OSError):
                raise info
            return info
        return tcestat.examine(tcestat.System(str(self.top)), device, tcestat.Client(**client),
                               ask)

    def host(self, loaded=False):
        """What is checked without a device"""
        system = tcestat.System(str(self.top))
        return [*tcestat.loaded_and_installed(system, False),
                *([] if loaded else tcestat.other_kernels(system))]

    def bad(self, **options):
        lines = self.host() if options.get("device", DEVICE) is None else self.look(**options)
        return [(line.what, line.command) for line in lines if line.command]

    def finds(self, *wanted, **options):
        """These and no others"""
        self.assertEqual([what for what, _ in self.bad(**options)], list(wanted))

    def test_all_ok(self):
        lines = self.look()
        self.assertEqual([line.command for line in lines], [None] * len(lines))
        self.assertEqual([line.what for line in lines],
                         ["kernel", "module", "device", "group", "access", "windows", "reset",
                          "memlock", "KVM", "preemption",
                          "huge pages"])
        self.assertIn("1024 MiB at 0x0 for DMA of 32 bits; 2 in all, pages of 4K 64K, up to 5 "
                      "levels", lines[5].said)

    def test_other_module(self):
        """The kernel's own is on the disk, and an older one is loaded."""
        for file in (f"/lib/modules/6.12.95/kernel/drivers/vfio/{NAME}.ko.xz", ""):
            self.modinfo(file, "ABC123")
            self.finds("kernel", "windows")
        self.file(f"sys/module/{NAME}/srcversion", "0LD\n")
        self.modinfo(f"/lib/modules/6.12.95/updates/dkms/{NAME}.ko", "ABC123")
        self.assertEqual(self.bad()[0], ("module", f"modprobe -r {NAME} && modprobe {NAME}"))

    def test_modprobe_refuses(self):
        """SUSE's configuration, of which /etc has the last word, or a kernel that wants signed
        modules."""
        (self.top / f"sys/module/{NAME}/srcversion").unlink()
        allow = ("module", f"modprobe {NAME}")
        self.assertEqual(self.bad()[0], allow)
        conf = "modprobe.d/10-unsupported-modules.conf"
        self.file(f"lib/{conf}", "# text\nallow_unsupported_modules 0\n")
        self.assertEqual(self.bad()[0],
                         ("module", f"echo allow_unsupported_modules 1 >/etc/{conf}"))
        self.file(f"etc/{conf}", "allow_unsupported_modules 1\n")
        self.assertEqual(self.bad()[0], allow)
        for file, off, on in (("sys/module/module/parameters/sig_enforce", "N", "Y"),
                              ("sys/kernel/security/lockdown", "[none] integrity",
                               "none [integrity]")):
            for said, refused in ((on, True), (off, False)):
                self.file(file, said + "\n")
                self.assertEqual("/sign-file sha256 KEY CERT /lib/" in self.bad()[0][1], refused,
                                 (file, said))
            self.file(file, on + "\n")
            with mock.patch.object(tcestat, "modinfo", lambda field,
                                   **_: {"signer": "me", "filename": "/x.ko"}.get(field)):
                self.assertEqual(self.bad()[0], allow)
                self.assertIn("me", self.look()[1].said)
                # the kernel may not know that key
                self.assertEqual(self.bad(device=None), [allow])
            # sign-file can't sign what is compressed
            with mock.patch.object(tcestat, "modinfo", lambda field,
                                   **_: {"filename": "/x.ko.xz"}.get(field)):
                self.assertRegex(self.bad()[0][1],
                                 "^xz -d /x.ko.xz && .*/sign-file sha256 KEY CERT /x.ko && depmod$")
            self.file(file, off + "\n")

    def test_next_kernel(self):
        """Without a device: will each installed kernel load this module? A directory without an
        index is no kernel's."""
        ours, intree = f"updates/dkms/{NAME}.ko", f"kernel/drivers/vfio/{NAME}.ko.xz"
        for release, file in (("6.12.95", intree), ("6.12.107", ours), ("6.12.9", "")):
            self.file(f"lib/modules/{release}/modules.dep", "")
            self.file(f"lib/modules/{release}/says", f"/lib/modules/{release}/{file}\n" if file
                      else "")
            self.file(f"lib/modules/{release}/{file or 'other.ko'}", "")
        (self.top / "lib/modules/7.1").mkdir()
        self.finds(device=None)
        self.assertEqual([line.what for line in self.host()], ["kernel", "module", "next kernel"])
        self.file("lib/modules/6.12.113/modules.dep", "")
        self.file("lib/modules/6.12.113/says", f"/lib/modules/6.12.113/{intree}\n")
        # DKMS 3.2 leaves the index of a kernel that is removed as it was, and the kernel may be
        # installed again
        self.assertEqual(self.bad(device=None), [("next kernel", "depmod 6.12.113")])
        self.file(f"lib/modules/6.12.113/{intree}", "")
        # Headers build it on Debian. If they are there already, DKMS has not been asked, or failed.
        for there, build in (("apt", "apt install linux-headers-6.12.113"),
                             ("dnf", "dnf install kernel-devel-6.12.113 && dkms autoinstall -k "
                              "6.12.113"),
                             ("zypper", "zypper install kernel-default-devel && dkms autoinstall "
                              "-k 6.12.113")):
            with mock.patch.object(tcestat.shutil, "which", lambda name, there=there,
                                   **_: name if name == there else None):
                self.assertEqual(tcestat.build(tcestat.System(str(self.top)), "6.12.113"), build)
        self.file("lib/modules/6.12.113/build/Makefile", "")
        self.assertEqual(self.bad(device=None), [("next kernel", "dkms autoinstall -k 6.12.113")])
        # An older kernel is a fallback, whether DKMS skips it or not. For the running one nothing
        # is installed here.
        package = "usr/src/vfio-iommu-spapr-tce-1.0"
        build, manual = "dkms autoinstall -k 6.12.113", f"man 4 {NAME}"
        newer = "6.13.0-1-powerpc64le"
        for pattern, running, bad in ((r"^6\.1[0-9]+", "6.12.95", [("next kernel", build)]),
                                      ("^7", "6.12.95", [("next kernel", manual)]),
                                      (r"^6\.1[0-9]+", newer, []), ("^7", newer, [])):
            self.file(f"{package}/dkms.conf", f'#\nBUILD_EXCLUSIVE_KERNEL="{pattern}"\n')
            self.file("proc/sys/kernel/osrelease", f"{running}\n")
            with mock.patch.object(tcestat.shutil, "which", lambda name, **_: name):
                self.assertEqual(self.bad(device=None), bad)
        self.file("proc/sys/kernel/osrelease", "6.12.95\n")
        self.modinfo(f"/lib/modules/6.12.95/{intree}", "INTREE")
        self.assertEqual(self.bad(device=None)[0], ("kernel", f"man 4 {NAME}"))
        self.file("etc/dkms/vfio-iommu-spapr-tce.conf", "# all the same\nFORCE=1\n")
        self.assertIn(("next kernel", build), self.bad(device=None))
        self.modinfo(f"/lib/modules/6.12.95/{ours}", "ABC123")
        # the in-tree driver is loaded, as after a boot of such a kernel
        self.file(f"sys/module/{NAME}/srcversion", "INTREE\n")
        self.finds("module", "next kernel", device=None)

    def test_nobody_served(self):
        """The package's script "supported" is asked about this machine, and nothing is run from
        another directory."""
        package = "usr/src/vfio-iommu-spapr-tce-1.0"
        self.file(f"{package}/dkms.conf", 'BUILD_EXCLUSIVE_KERNEL="^6"\n')
        self.file(f"{package}/scripts/release/supported", f"touch {self.top}/ran; exit 1\n")
        system = tcestat.System(str(self.top))
        self.assertFalse(tcestat.is_skipped(system, "6.12.113"))
        self.assertFalse((self.top / "ran").exists())
        system.real = True
        for code, skipped in ((1, True), (0, False), (2, False), (127, False)):
            with mock.patch.object(tcestat.subprocess, "run",
                                   return_value=mock.Mock(returncode=code)) as run:
                self.assertEqual(tcestat.is_skipped(system, "6.12.113"), skipped)
            self.assertEqual(run.call_args[0][0], ["bash", f"/{package}/scripts/release/supported",
                                                   "/lib/modules/6.12.113/build"])

    def test_not_loaded_yet(self):
        """That harms nobody who has no device to give away, unless the kernel would refuse it."""
        (self.top / f"sys/module/{NAME}/srcversion").unlink()
        self.finds(device=None)
        self.finds("module", "windows")
        # once more, with all that was typed
        _, said, _ = self.run_it("doctor", DEVICE, "--mem", "32G")
        self.assertIn(f"      tcestat --root {self.top} doctor {DEVICE} --mem 32G\n", said)
        # VFIO is there, and has loaded none.
        (self.top / "sys/module/vfio").mkdir()
        self.finds("module", device=None)
        (self.top / "sys/module/vfio").rmdir()
        self.file("sys/module/module/parameters/sig_enforce", "Y\n")
        self.finds("module", device=None)

    def test_without_a_device(self):
        code, said, _ = self.run_it("doctor")
        self.assertEqual((code, said.splitlines()[-1]),
                         (0, ">> doctor: this host: all 2 checks passed"))
        self.file(f"sys/module/{NAME}/srcversion", "INTREE\n")
        code, said, _ = self.run_it("doctor")
        self.assertEqual(code, 1)
        # the reason, and then the command
        self.assertRegex(said, "do: module: the in-tree driver or another build is loaded, .* "
                         "srcversion INTREE; .*\n"
                              f"      (sudo .*)?modprobe -r {NAME} &&")

    def test_group_of_the_file(self):
        """IBM's tools give the files to another group than ours; and root's group is not one to
        join."""
        for gid, mode, command in ((4711, 0o660, "usermod -aG sentient "),
                                   (4711, 0o600, f"chown {tcestat.user()} /dev/vfio/5"),
                                   (0, 0o660, f"chown {tcestat.user()} /dev/vfio/5")):
            stat = mock.Mock(st_gid=gid, st_mode=0o020000 | mode)
            with mock.patch.object(tcestat.grp, "getgrgid",
                                   lambda gid: mock.Mock(
                                       gr_name={0: "root", 4711: "sentient"}[gid])):
                self.assertTrue(tcestat.join_group("dev/vfio/5", stat)[1].startswith(command),
                                (gid, mode))
        with mock.patch.object(tcestat.System, "usable", lambda _self, name: "vfio" not in name):
            self.finds("access", "windows")

    def test_managed(self):
        """libvirt binds the device by itself, but of the others in its group only what the guest
        has, too."""
        self.device(DEVICE, "5", "e1000e", "0x020000")
        self.finds("device", "windows")
        self.finds(managed=True)
        self.file("proc/self/limits", LIMITS.format(65536, 65536))
        self.finds(managed=True)
        self.device("0000:01:00.1", "5", "ahci", "0x010601")
        self.assertEqual(self.bad(managed=True),
                         [("group", "virsh nodedev-detach pci_0000_01_00_1")])

    def test_selinux(self):
        self.file("proc/self/attr/current", "system_u:system_r:container_t:s0:c1,c2\0")
        self.finds()
        with mock.patch.object(tcestat.System, "usable", lambda _self, name: "vfio" not in name):
            self.finds("SELinux", "access", "windows")
            self.file("proc/self/attr/current", "system_u:system_r:spc_t:s0\0")
            self.finds("access", "windows")

    def test_unit(self):
        """A service has limits of its own, whatever those of the shell are."""
        def says(state, limit):
            self.program("bin/systemctl", f"printf 'LoadState={state}\\nLimitMEMLOCK={limit}\\n'")

        need = self.need(4 << 30)
        for limit, good in ((str(need), True), (str(need - 1), False), ("infinity", True)):
            says("loaded", limit)
            bad = self.bad(unit="podman.service")
            self.assertEqual(bad == [], good, limit)
        self.file("proc/self/limits", LIMITS.format(65536, 65536))
        self.finds(unit="podman.service")
        says("loaded", 65536)
        what, command = self.bad(unit="podman.service")[0]
        self.assertEqual(what, "memlock")
        self.assertIn(f'LimitMEMLOCK={need}\\n" >/etc/systemd/system/podman.service.d/memlock.conf',
                      command)
        says("not-found", 65536)
        with self.assertRaises(tcestat.Stop):
            self.look(unit="podman.service")

    def test_cards_that_d3_stops(self):
        self.file("sys/module/vfio_pci/parameters/disable_idle_d3", "N\n")
        status = f"sys/bus/pci/devices/{DEVICE}/power/runtime_status"
        for name, number in (("vendor", "0x1014"), ("device", "0x06a7")):
            self.finds()
            self.file(f"sys/bus/pci/devices/{DEVICE}/{name}", number + "\n")
        self.finds("D3")
        self.file(status, "suspended\n")
        self.assertIn("has put", self.look()[4].said)
        # the parameter was changed when vfio-pci was loaded already, which looks at it once
        self.file("sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n")
        self.assertEqual(self.bad(), [("D3", "modprobe -r vfio-pci; modprobe vfio-pci")])
        self.file(status, "active\n")
        # IBM's library may be probing them
        self.finds(info=OSError(16, "busy"))
        # crun wants as many open files as IBM's tools ask for
        self.finds("files", cards=1)
        self.file("proc/self/limits",
                  LIMITS.format("unlimited", "unlimited").replace("1048576  ", "134217728"))
        self.finds(cards=1)

    def test_our_own_limits(self):
        """A kernel that is preempted, if it has KVM, and a card that can't be reset"""
        self.file("proc/sys/kernel/version", "#1 SMP PREEMPT Debian 7.2.11-1\n")
        self.finds("preemption")
        self.finds(cards=1)
        (self.top / f"sys/bus/pci/devices/{DEVICE}/reset_method").unlink()
        self.finds("reset", "preemption")

    def test_others_of_the_group(self):
        self.device("0000:01:00.1", "5", "ahci", "0x010601")
        self.finds("group", "windows")
        self.assertIn("0000:01:00.1", self.bad()[0][1])
        # whoever has no driver harms nobody
        self.device("0000:01:00.1", "5", None, "0x010601")
        self.finds()
        # pcieport has bridges only
        self.device("0000:01:00.1", "5", "pcieport", "0x010601")
        self.assertEqual(self.bad()[0][0], "group")

    def test_windows(self):
        self.assertEqual(self.bad(info=OSError(16, "busy")), [("windows", "fuser -v /dev/vfio/5")])
        # EPERM is RHEL 9's, with KVM
        for errno in (1, 22):
            self.assertEqual(self.bad(info=OSError(errno, "")), [("windows", "dmesg | tail")])
        self.assertIn("no others", self.look(info=(32, 0, 0, 1 << 30, 0, 0, 0))[5].said)

    def need(self, mem, maxmem=8 << 30):
        return tcestat.total(tcestat.guest_parts(tcestat.host_of(tcestat.System(str(self.top))),
                                                 mem, maxmem))

    def test_locked_memory(self):
        need = self.need(4 << 30)
        for soft, hard, command in ((need, need, None),
                                    (need - 1, need, f"ulimit -l {need // 1024}"),
                                    (65536, need - 1, f"prlimit --pid $$ --memlock={need}"),
                                    (65536, "unlimited", f"ulimit -l {need // 1024}")):
            self.file("proc/self/limits", LIMITS.format(soft, hard))
            self.assertEqual(self.bad(), [("memlock", command)] if command else [], (soft, hard))
        # as much as the guest is large, and its tables grow with what it may become
        self.file("proc/self/limits", LIMITS.format(need, need))
        self.assertEqual(self.bad(mem=1 << 40)[0][0], "memlock")
        self.assertEqual(self.bad(maxmem=1 << 40)[0][0], "memlock")
        # root has no limit
        self.file("proc/self/status", "CapEff:\t000001ffffffffff\n")
        self.finds(mem=1 << 40)

    def test_kvm(self):
        """A kernel without KVM leaves nothing to do."""
        (self.top / "dev/kvm").unlink()
        self.assertEqual(self.bad(),
                         [("KVM", tcestat.as_root("modprobe kvm-hv || modprobe kvm-pr"))])
        with mock.patch.object(tcestat, "modinfo", lambda field, release=None, name=NAME:
                               None if name.startswith("kvm")
                               else {"filename": "/x.ko", "srcversion": "ABC123"}[field]):
            self.finds()
            self.assertIn("this kernel has none", self.look()[8].said)
            self.assertNotIn("preemption", [line.what for line in self.look()])

    def test_cards(self):
        """A program without a guest needs neither KVM nor a free group."""
        need = tcestat.total(tcestat.card_parts(tcestat.host_of(tcestat.System(str(self.top))),
                                                128 << 30, 3))
        (self.top / "dev/kvm").unlink()
        # another program's search for a free card is not disturbed
        self.finds(mem=128 << 30, cards=3, info=OSError(16, "busy"))
        for limit, command in ((need, []),
                               (need - 1, [("memlock", f"prlimit --pid $$ --memlock={need}")])):
            self.file("proc/self/limits", LIMITS.format(limit, limit))
            self.assertEqual(self.bad(mem=128 << 30, cards=3), command)
        # PowerNV has the table, too
        self.file("proc/cpuinfo", "platform\t: PowerNV\n")
        self.file("proc/self/limits", LIMITS.format(need, need))
        self.finds("memlock", mem=128 << 30, cards=3)

    def test_rootless_container(self):
        """What it was not started with: the groups of its user, memory to lock. Its capabilities
        are none."""
        self.file("proc/self/uid_map", "0 0 4294967295\n")
        self.finds()
        self.file("proc/self/uid_map", "0 1 1000\n1000 0 1\n")
        self.file("proc/self/status", "CapEff:\t000001ffffffffff\n")
        self.finds()
        self.file("proc/self/limits", LIMITS.format(65536, 65536))
        self.finds("memlock")
        self.assertIn("podman run --ulimit memlock=", self.bad()[0][1])
        (self.top / "dev/vfio/5").unlink()
        what, command = self.bad()[0]
        self.assertEqual(what, "access")
        self.assertIn("--group-add=keep-groups", command)

    def test_huge_pages(self):
        self.assertEqual(self.bad(huge_pages=True), [("huge pages", "sysctl vm.nr_hugepages=2048")])
        self.file("proc/meminfo",
                  "HugePages_Total: 2100\nHugePages_Free: 2048\nHugepagesize: 2048 kB\n")
        self.finds(huge_pages=True)
        self.assertEqual(self.bad(huge_pages=True, mem=(4 << 30) + 1),
                         [("huge pages", "sysctl vm.nr_hugepages=2101")])
        self.file("proc/meminfo", "MemTotal: 1 kB\n")
        self.assertEqual(self.bad(huge_pages=True)[0][0], "huge pages")
        self.finds()


class Amounts(unittest.TestCase):
    """Locked memory: no page has a number of its own. scripts/system memlock compares them with the
    module's."""

    def test_pages_quote_it(self):
        """Each command "tcestat memlock" that a page shows with what it prints, and the numbers of
        the examples"""
        shown = 0
        for page in [*(ROOT / "Documentation").glob("*.rst"), ROOT / "README.md",
                     ROOT / "tools/tcestat.8"]:
            lines = [line.strip() for line in page.read_text().replace("\\-", "-").splitlines()]
            for i, line in enumerate(lines):
                if line.startswith("$ tcestat memlock "):
                    done = subprocess.run([PROGRAM, *line.split()[2:]], stdout=subprocess.PIPE,
                                          text=True, check=True)
                    said = [text.strip() for text in done.stdout.splitlines()]
                    self.assertEqual(lines[i + 1:i + 1 + len(said)], said, page.name)
                    shown += 1
        self.assertGreaterEqual(shown, 3)
        need = tcestat.total(tcestat.guest_parts(tcestat.Host(4096, True), 4 << 30, 8 << 30))
        self.assertIn(f"@vfio - memlock {need // 1024}\n",
                      (ROOT / "tools/examples/limits.conf").read_text())
        self.assertIn(f"LimitMEMLOCK={need}\n",
                      (ROOT / "tools/examples/service-memlock.conf").read_text())


class Interface(Host):
    def test_refused(self):
        """What needs a device, what excludes each other, and amounts of nonsense"""
        for words in ("doctor --mem 1G", "doctor --maxmem 1G", "doctor --cards 8",
                      "doctor --unit podman.service", "doctor --managed", "doctor --huge-pages",
                      "memlock --mem 8G --maxmem 4G", "memlock --cards 2 --maxmem 8G",
                      "memlock --highest 1100e00000 --cards 2",
                      "memlock --highest 1100e00000 --maxmem 8G", "memlock --cards -1",
                      "memlock --highest 0x10 --huge-page 3M", "memlock --highest xyz",
                      "memlock --mem 0", "memlock --page 16K"):
            code, said, error = self.run_it(*words.split())
            self.assertEqual((code, said), (2, ""), words)
            self.assertIn("tcestat doctor DEVICE" if words.startswith("doctor")
                          else words.split()[-2], error)

    def test_broken_pipe(self):
        """As with "tcestat | head\""""
        for command in ([], ["memlock"]):
            read, write = os.pipe()
            os.close(read)
            done = subprocess.run([PROGRAM, "--root", self.top, *command], stdout=write,
                                  stderr=subprocess.PIPE, text=True)
            os.close(write)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_json(self):
        """A format, which monitoring can rely on"""
        code, said, _ = self.run_it("doctor", "--loaded", "--json")
        state = json.loads(said)
        self.assertEqual((code, state["format"], state["ok"], state["device"]), (0, 1, True, None))
        self.assertEqual([sorted(check) for check in state["checks"]],
                         [["do", "ok", "said", "what"]] * 2)

    def test_textfile(self):
        """The example for Prometheus has the metrics of the page on monitoring, and no others,
        whether the module is loaded or not"""
        self.program("bin/tcestat", f'exec {PROGRAM} --root {self.top} "$@"')
        page = set(re.findall(r"^``(tce_\w+)", (ROOT / "Documentation/monitoring.rst").read_text(),
                              re.M))

        def metrics():
            done = subprocess.run([ROOT / "tools/examples/tcestat-textfile.py"],
                                  stdout=subprocess.PIPE, text=True, check=True)
            return dict(line.split(" ") for line in done.stdout.splitlines())
        found = metrics()
        self.assertEqual({re.sub("{.*", "", name) for name in found}, page)
        self.assertEqual((found["tce_doctor_exit_code"], found["tce_loaded"],
                          found['tce_locked_bytes{pid="4711"}']),
                         ("0", "1", "4294967296"))
        shutil.rmtree(self.top / "sys/module" / NAME)
        (self.top / f"sys/kernel/debug/{NAME}/state").unlink()
        self.assertEqual(metrics(),
                         {"tce_doctor_exit_code": "0", "tce_checks_failed": "0", "tce_loaded": "0"})

    def test_loaded(self):
        """The running kernel alone: what decides whether a guest may start now"""
        release = "6.12.113"
        self.file(f"lib/modules/{release}/modules.dep", "")
        self.file(f"lib/modules/{release}/says",
                  f"/lib/modules/{release}/kernel/drivers/vfio/{NAME}.ko\n")
        self.file(f"lib/modules/{release}/kernel/drivers/vfio/{NAME}.ko", "")
        self.assertEqual((self.run_it("doctor")[0], self.run_it("doctor", "--loaded")[0]), (1, 0))
        self.file(f"sys/module/{NAME}/srcversion", "INTREE\n")
        self.assertEqual(self.run_it("doctor", "--loaded")[0], 1)
        self.assertEqual(self.run_it("doctor", DEVICE, "--loaded")[0], 2)
