# SPDX-License-Identifier: GPL-2.0-only
"""tools/tcestat on files that look like a host's: does it show what is there, and miss nothing that
a card lacks?"""
import json
import os
import re
import shutil
import subprocess
from unittest import mock

from harness.paths import ROOT
from harness.tests import Scratch, load, printed, run

PROGRAM = ROOT / "tools/tcestat"
NAME = "vfio_iommu_spapr_tce"
tcestat = load(PROGRAM)

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


class Link(str):
    """Where a symbolic link leads to"""


def limits(memory="unlimited", hard=None, files=1048576):
    return (f"Max locked memory         {memory}   {hard or memory}   bytes\n"
            f"Max open files            1024   {files}   files\n")


def kernel(release, file, there=True):
    """The files of one that would load that"""
    at = f"lib/modules/{release}"
    return {f"{at}/modules.dep": "", f"{at}/says": f"/{at}/{file}\n" if file else "",
            **({f"{at}/{file}": ""} if file and there else {})}


DEVICE, OTHER = "0000:01:00.0", "0000:01:00.1"
MODULE, AT = f"sys/module/{NAME}", f"sys/bus/pci/devices/{DEVICE}"
GROUP, CLAIMED = "sys/kernel/iommu_groups/5/devices", f"sys/bus/pci/devices/{OTHER}/driver"
LOADED, DEBUG = f"{MODULE}/srcversion", f"sys/kernel/debug/{NAME}/state"
OURS, INTREE = f"updates/dkms/{NAME}.ko", f"kernel/drivers/vfio/{NAME}.ko.xz"
OSRELEASE, LIMITS = "proc/sys/kernel/osrelease", "proc/self/limits"
ROOTS = {"proc/self/status": "CapEff:\t000001ffffffffff\n"}

# A host in which all is well
GOOD = {
    OSRELEASE: "6.12.95\n", "proc/cpuinfo": "cpu\t\t: POWER9\nplatform\t: pSeries\n",
    "proc/sys/kernel/version": "#1 SMP Debian 6.12.95-1\n",
    LIMITS: limits(), "proc/self/status": "CapEff:\t0000000000000000\n",
    "proc/meminfo": "HugePages_Total:  0\nHugePages_Free:  0\nHugepagesize:  2048 kB\n",
    LOADED: "ABC123\n", f"{MODULE}/version": "1.0\n", f"{MODULE}/refcnt": "4\n", DEBUG: STATE,
    "dev/kvm": "", "dev/vfio/5": "", "dev/vfio/vfio": "",
    f"{AT}/driver": Link("../../drivers/vfio-pci"),
    f"{AT}/iommu_group": Link("../../../kernel/iommu_groups/5"), f"{AT}/reset_method": "flr bus\n",
    f"{AT}/power/runtime_status": "active\n", f"{GROUP}/{DEVICE}": "",
    f"{GROUP}/0000:00:00.0": "", "sys/bus/pci/devices/0000:00:00.0/class": "0x060400\n",
    "sys/bus/pci/devices/0000:00:00.0/driver": Link("../pcieport"),
    # what modinfo says of this module, and of KVM
    "modinfo/filename": f"/lib/modules/6.12.95/{OURS}", "modinfo/srcversion": "ABC123",
    "modinfo/version": "1.0",
    f"lib/modules/6.12.95/{OURS}": "",
    "modinfo/kvm": "/kvm.ko"}


class Host(Scratch):
    """A tree of files"""

    def setUp(self):
        super().setUp()
        # modinfo -F FIELD [-k RELEASE] NAME, and what systemd says of a unit
        self.program("bin/modinfo", f"""cd {self.top}; for name; do :; done
            [ "$3" != -k ] || exec cat "lib/modules/$4/says"
            case $name in kvm*) exec cat modinfo/kvm;; *) exec cat "modinfo/$2";; esac""")
        self.program("bin/systemctl", f"cat {self.top}/unit")
        self.program("bin/apt-cache", f"cat {self.top}/policy")
        path = mock.patch.dict(os.environ, PATH=f"{self.top}/bin:{os.environ['PATH']}")
        path.start()
        self.addCleanup(path.stop)
        self.put(GOOD)

    def put(self, files):
        """@files: {path: text, Link, or None if it is to go}"""
        for name, text in files.items():
            path = self.top / name
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            if isinstance(text, Link):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(text)
            elif text is not None:
                self.file(name, text)

    def run_it(self, *argv):
        return run(PROGRAM, "--root", self.top, *argv)


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
        self.assertNotIn("\033", said)      # of a process's name

    def test_what_is_lost(self):
        self.put({DEBUG: STATE.replace("leaked=0 leaked_tables=0",
                                       "leaked=131072 leaked_tables=1")})
        self.assertIn("LOST until the next boot: 128K of memory, 1 table ", self.run_it()[1])

    def test_what_can_not_be_read(self):
        for files, why in (({DEBUG: ""}, ""), ({DEBUG: "nonsense\n"}, "does not begin"),
                           ({DEBUG: STATE.replace("format=4", "format=5")}, "has format 5"),
                           ({DEBUG: STATE + "window container\n"}, "not understood"),
                           ({DEBUG: None}, "another driver is loaded"),
                           ({"sys/module": None}, "is not loaded")):
            self.put(files)
            code, said, errors = self.run_it()
            self.assertEqual((code, said), (2, ""), why)
            self.assertRegex(errors, f"tcestat: .*{why}")


def need(mem=4 << 30, maxmem=8 << 30, containers=1):
    host = tcestat.Host(os.sysconf("SC_PAGE_SIZE"), False)
    return tcestat.total(tcestat.guest_parts(host, mem, maxmem, containers))


def cards(powernv=False):
    host = tcestat.Host(os.sysconf("SC_PAGE_SIZE"), powernv)
    return tcestat.total(tcestat.card_parts(host, 128 << 30, 3))


THREE = {"mem": 128 << 30, "cards": 3}
BUSY = OSError(16, "busy")
HOST = {"device": None}     # without a device
NONE = {LOADED: None}       # not loaded yet
SUSE, ALLOW = tcestat.SUSE_CONF, "allow_unsupported_modules"
SIGNED = "sys/module/module/parameters/sig_enforce"
LOCKDOWN = "sys/kernel/security/lockdown"
NEXT = kernel("6.12.113", INTREE)
PACKAGE = "usr/src/vfio-iommu-spapr-tce-1.0"
BUILT, NOT_BUILT = ({f"{PACKAGE}/dkms.conf": f'#\nBUILD_EXCLUSIVE_KERNEL="{pattern}"\n'}
                    for pattern in (r"^6\.1[0-9]+", "^7"))
NEWER = {OSRELEASE: "6.13.0-1-powerpc64le\n"}
FORCED = {"etc/dkms/vfio-iommu-spapr-tce.conf": "# all the same\nFORCE=1\n"}
MAN, HEADERS, DKMS = f"man 4 {NAME}", "linux-headers-6.12.113", "dkms autoinstall -k 6.12.113"
DEB13, DEB12 = "6.12.113+deb13-powerpc64le-64k", "6.12.113+deb12-powerpc64le"
SPYRE = {f"{AT}/vendor": "0x1014\n", f"{AT}/device": "0x06a7\n"}
D3 = "sys/module/vfio_pci/parameters/disable_idle_d3"
ASLEEP = {f"{AT}/power/runtime_status": "suspended\n"}
USERNS = {"proc/self/uid_map": "0 1 1000\n1000 0 1\n", **ROOTS}
UNIT, NO_ACCESS = {"unit": "podman.service"}, {"closed": "dev/vfio/5"}
LABEL, CONTAINER = "proc/self/attr/current", "system_u:system_r:container_t:s0:c1,c2\0"
HUGE = {"proc/meminfo": "HugePages_Total: 2100\nHugePages_Free: 2048\nHugepagesize: 2048 kB\n"}
PREEMPT = {"proc/sys/kernel/version": "#1 SMP PREEMPT Debian 7.2.11-1\n"}
POWERNV = {"proc/cpuinfo": "platform\t: PowerNV\n"}


def unit(limit):
    return {"unit": f"Id=podman.service\nLoadState=loaded\nLimitMEMLOCK={limit}\n"}


def newer(running, other):
    """This kernel runs, and another one is installed, which would load the in-tree driver."""
    return {OSRELEASE: f"{running}\n", **kernel(other, INTREE)}


def other(driver):
    """Another device in the group, with that driver"""
    return {f"{GROUP}/{OTHER}": "", CLAIMED: Link(f"../{driver}") if driver else None}


# What is changed, what the doctor is asked, and what it finds: {check: a part of its command}, in
# this order and no other.
BROKEN = [
    ({}, {}, {}), ({}, HOST, {}),
    # the in-tree driver, or none, is installed; another build is loaded
    ({"modinfo/filename": f"/lib/modules/6.12.95/{INTREE}"}, {}, {"kernel": "6.12.95"}),
    ({"modinfo/filename": ""}, {}, {"kernel": "6.12.95"}),
    ({LOADED: "0LD\n"}, {}, {"module": f"modprobe -r {NAME} && modprobe {NAME}"}),
    # not loaded yet, which harms nobody who has no device to give away; unless VFIO is there, and
    # has loaded none
    (NONE, {}, {"module": f"modprobe {NAME}"}), (NONE, HOST, {}),
    ({**NONE, "sys/module/vfio/x": ""}, HOST, {"module": f"modprobe {NAME}"}),
    # SUSE's configuration, of which /etc has the last word
    ({**NONE, f"lib/{SUSE}": f"# text\n{ALLOW} 0\n"}, {}, {"module": f"{ALLOW} 1 >/etc/{SUSE}"}),
    ({**NONE, f"lib/{SUSE}": f"{ALLOW} 0\n", f"etc/{SUSE}": f"{ALLOW} 1\n"}, {},
     {"module": f"modprobe {NAME}"}),
    # A kernel that wants signed modules may not know the key. What is compressed can't be signed.
    ({**NONE, SIGNED: "Y\n"}, HOST, {"module": "/sign-file sha256 KEY CERT /lib/"}),
    ({**NONE, LOCKDOWN: "none [integrity]\n"}, {}, {"module": "/sign-file sha256 KEY CERT /lib/"}),
    ({**NONE, SIGNED: "N\n", LOCKDOWN: "[none] integrity\n"}, {}, {"module": f"modprobe {NAME}"}),
    ({**NONE, SIGNED: "Y\n", "modinfo/signer": "me"}, HOST, {"module": f"modprobe {NAME}"}),
    ({**NONE, SIGNED: "Y\n", "x.ko.xz": "", "modinfo/filename": "/x.ko.xz"}, {},
     {"module": "xz -d /x.ko.xz && /lib/modules/6.12.95/build/scripts/sign-file sha256 KEY CERT "
      "/x.ko && depmod"}),
    # the other kernels: one without a module, and a directory that is no kernel's
    (kernel("6.12.107", OURS), HOST, {}), (kernel("6.12.9", ""), HOST, {}),
    (kernel("6.12.95", INTREE), HOST, {}), ({"lib/modules/7.1/x": ""}, HOST, {}),
    (NEXT, HOST, {"next kernel": HEADERS}),
    # with the metapackage of its flavour, and from where it is
    (kernel(DEB13, INTREE), HOST,
     {"next kernel": f"apt install linux-headers-{DEB13} linux-headers-powerpc64le-64k"}),
    ({**kernel(DEB12, INTREE), "policy": "  500 http://x bookworm-backports/main ppc64el\n"}, HOST,
     {"next kernel": f"apt install -t bookworm-backports linux-headers-{DEB12} "
      "linux-headers-powerpc64le"}),
    # how distributions number them
    *(({**newer(*pair), f"lib/modules/{pair[0]}/says": f"/{OURS}\n"}, HOST, wanted)
      for old, new in (("6.12.74+deb13-powerpc64le", "6.12.74+deb13+1-powerpc64le"),
                       ("6.12.74+deb13-powerpc64le-64k", "6.12.100+deb13-powerpc64le-64k"),
                       ("6.17-powerpc64le", "6.17.2-powerpc64le"),
                       ("6.12.0-55.el10.ppc64le", "6.12.0-55.9.1.el10_0.ppc64le"),
                       ("6.4.0-150700.51-default", "6.4.0-150700.53.3-default"),
                       ("6.8.0-31-generic", "6.8.0-101-generic"))
      for pair, wanted in (((old, new), {"next kernel": new}), ((new, old), {}))),
    # If the headers are there already, DKMS has not been asked, or failed.
    ({**NEXT, "lib/modules/6.12.113/build/Makefile": ""}, HOST, {"next kernel": DKMS}),
    # DKMS 3.2 leaves the index of a kernel that is removed as it was.
    (kernel("6.12.113", INTREE, False), HOST, {"next kernel": "depmod 6.12.113"}),
    ({f"lib/modules/6.12.95/{OURS}": None}, HOST, {"kernel": "depmod 6.12.95"}),
    # No module can take the place of one that is built in.
    ({"modinfo/filename": "(builtin)"}, {}, {"kernel": MAN}),
    ({**NEXT, "lib/modules/6.12.113/says": "(builtin)\n"}, HOST, {"next kernel": MAN}),
    ({**kernel("6.12.9", ""), "lib/modules/6.12.9/says": "(builtin)\n"}, HOST, {}),
    # DKMS skips it. An older kernel is a fallback, whether it does or not.
    ({**NEXT, **BUILT}, HOST, {"next kernel": HEADERS}),
    ({**NEXT, **NOT_BUILT}, HOST, {"next kernel": MAN}),
    ({**NEXT, **BUILT, **NEWER}, HOST, {}), ({**NEXT, **NOT_BUILT, **NEWER}, HOST, {}),
    ({**NEXT, **NOT_BUILT, "modinfo/filename": f"/lib/modules/6.12.95/{INTREE}"}, HOST,
     {"kernel": MAN, "next kernel": MAN}),
    # which no administrator can force
    ({**NEXT, **NOT_BUILT, **FORCED}, HOST, {"next kernel": MAN}),
    ({**NEXT, LOADED: "INTREE\n"}, HOST, {"module": "modprobe -r", "next kernel": HEADERS}),
    # the device, and the others of its group; who has no driver harms nobody, and pcieport has
    # bridges only
    ({f"{AT}/driver": Link("../e1000e")}, {}, {"device": DEVICE}),
    (other("ahci"), {}, {"group": OTHER}), (other("pcieport"), {}, {"group": OTHER}),
    (other(None), {}, {}),
    # libvirt binds the device by itself, but of the others only what the guest has, too
    ({f"{AT}/driver": Link("../e1000e"), LIMITS: limits(65536)}, {"managed": True}, {}),
    (other("ahci"), {"managed": True}, {"group": "virsh nodedev-detach pci_0000_01_00_1"}),
    ({f"{AT}/iommu_group": None}, {}, {"device": "lspci -D"}),
    # the group's file: SELinux, containers, other users
    ({}, NO_ACCESS, {"access": "/dev/vfio/5"}),
    ({LABEL: CONTAINER}, {}, {}),
    ({LABEL: CONTAINER}, NO_ACCESS, {"SELinux": "semodule -i vfio.cil", "access": ""}),
    ({LABEL: "system_u:system_r:spc_t:s0\0"}, NO_ACCESS, {"access": ""}),
    ({**USERNS, "dev/vfio/5": None}, {}, {"access": "--group-add=keep-groups"}),
    ({**USERNS, "dev/vfio/vfio": None}, {}, {"access": "--group-add=keep-groups"}),
    # the windows; EPERM is RHEL 9's, with KVM
    ({}, {"info": BUSY}, {"windows": "fuser -v /dev/vfio/5"}),
    ({}, {"info": OSError(1, "")}, {"windows": "dmesg | tail"}),
    # Spyre cards, which D3 stops: vfio-pci looks at its parameter once. IBM's library may be
    # probing them, and crun wants as many open files as IBM's tools ask for.
    ({D3: "N\n"}, {}, {}), ({**SPYRE, D3: "N\n"}, {}, {"D3": "disable_idle_d3=yes"}),
    ({**SPYRE, D3: "N\n", **ASLEEP}, {}, {"D3": "disable_idle_d3=yes"}),
    ({**SPYRE, D3: "Y\n", **ASLEEP}, {}, {"D3": "modprobe -r vfio-pci; modprobe vfio-pci"}),
    ({**SPYRE, D3: "Y\n"}, {"info": BUSY}, {}),
    ({**SPYRE, D3: "Y\n"}, {"cards": 1}, {"files": "hard nofile 134217728"}),
    ({**SPYRE, D3: "Y\n", LIMITS: limits(files=134217728)}, {"cards": 1}, {}),
    # our own limits
    ({f"{AT}/reset_method": None}, {}, {"reset": "limits.rst"}),
    (PREEMPT, {}, {"preemption": "limits.rst"}), (PREEMPT, {"cards": 1}, {}),
    # locked memory: as much as the guest is large, and its tables grow with what it may become;
    # root has no limit, but in a user namespace
    ({LIMITS: limits(need())}, {}, {}),
    ({LIMITS: limits(need() - 1, need())}, {}, {"memlock": f"ulimit -l {need() // 1024}"}),
    ({LIMITS: limits(65536, need() - 1)}, {}, {"memlock": f"prlimit --pid $$ --memlock={need()}"}),
    ({LIMITS: limits(65536, "unlimited")}, {}, {"memlock": f"ulimit -l {need() // 1024}"}),
    ({LIMITS: limits(need())}, {"mem": 1 << 40}, {"memlock": ""}),
    ({LIMITS: limits(need())}, {"maxmem": 1 << 40}, {"memlock": ""}),
    ({LIMITS: limits(need(containers=2))}, {"containers": 2}, {}),
    ({LIMITS: limits(need(containers=2) - 1)}, {"containers": 2}, {"memlock": ""}),
    ({LIMITS: limits(need()), **ROOTS}, {"mem": 1 << 40}, {}),
    ({"proc/self/uid_map": "0 0 4294967295\n", LIMITS: limits(65536), **ROOTS}, {}, {}),
    (USERNS, {}, {}),
    ({**USERNS, LIMITS: limits(65536)}, {}, {"memlock": "podman run --ulimit memlock="}),
    # A service has limits of its own, whatever those of the shell are.
    ({LIMITS: limits(65536), **unit(need())}, UNIT, {}), (unit("infinity"), UNIT, {}),
    (unit(need() - 1), UNIT, {"memlock": f'LimitMEMLOCK={need()}\\n" >/etc/systemd/system/'
                              "podman.service.d/memlock.conf"}),
    # a program without a guest, which needs neither KVM nor a free group; PowerNV has the table too
    ({LIMITS: limits(cards()), "dev/kvm": None}, {**THREE, "info": BUSY}, {}),
    ({LIMITS: limits(cards() - 1)}, THREE, {"memlock": f"prlimit --pid $$ --memlock={cards()}"}),
    ({LIMITS: limits(cards()), **POWERNV}, THREE, {"memlock": ""}),
    ({LIMITS: limits(cards(True)), **POWERNV}, THREE, {}),
    # KVM; a kernel without it leaves nothing to do
    ({"dev/kvm": None}, {}, {"KVM": "modprobe kvm-hv || modprobe kvm-pr"}),
    ({"dev/kvm": None, "modinfo/kvm": ""}, {}, {}),
    ({}, {"closed": "dev/kvm"}, {"KVM": "/dev/kvm"}),
    # huge pages
    ({}, {"huge_pages": True}, {"huge pages": "sysctl vm.nr_hugepages=2048"}),
    (HUGE, {"huge_pages": True}, {}),
    (HUGE, {"huge_pages": True, "mem": (4 << 30) + 1},
     {"huge pages": "sysctl vm.nr_hugepages=2101"}),
    ({"proc/meminfo": "MemTotal: 1 kB\n"}, {"huge_pages": True}, {"huge pages": "ls /boot"}),
    ({"proc/meminfo": "MemTotal: 1 kB\n"}, {}, {}),
]


class Doctor(Host):
    """Each thing that is missing is found, with a command; nothing else is."""

    def setUp(self):
        super().setUp()
        for what in (mock.patch.object(tcestat.os, "geteuid", lambda: 0),
                     mock.patch.object(tcestat.shutil, "which", self.which)):
            what.start()
            self.addCleanup(what.stop)

    def which(self, name, **_):
        return {"apt": name, "modinfo": f"{self.top}/bin/modinfo"}.get(name)

    def look(self, device=DEVICE, info=(32, 1, 0, 1 << 30, 1 << 12 | 1 << 16, 2, 5), closed=None,
             **client):
        def ask(_system, group):
            self.assertEqual(group, "5")
            if isinstance(info, OSError):
                raise info
            return info
        system = tcestat.System(str(self.top))
        with mock.patch.object(tcestat.System, "usable",
                               lambda _, name: name != closed and (self.top / name).exists()):
            return (tcestat.examine(system, device, tcestat.Client(**client), ask) if device else
                    [*tcestat.loaded_and_installed(system, False), *tcestat.other_kernels(system)])

    def test_broken(self):
        for files, asked, wanted in BROKEN:
            shutil.rmtree(self.top)
            self.setUp()
            self.put(files)
            found = {line.what: line.command for line in self.look(**asked) if line.command
                     and not line.command.startswith("tcestat")}    # once more
            with self.subTest(files=files, asked=asked):
                self.assertEqual(list(found), list(wanted))
                for what, command in wanted.items():
                    self.assertIn(command, found[what])

    def test_all_ok(self):
        lines = self.look()
        self.assertEqual([line.what for line in lines],
                         ["kernel", "module", "device", "group", "access", "windows", "reset",
                          "memlock", "KVM", "preemption", "huge pages"])
        self.assertIn("1024 MiB at 0x0 for DMA of 32 bits; 2 in all, pages of 4K 64K, up to 5 "
                      "levels", lines[5].said)
        self.assertIn("no others", self.look(info=(32, 0, 0, 1 << 30, 0, 0, 0))[5].said)
        # Where there is no KVM, nothing races with it.
        self.put({"dev/kvm": None, "modinfo/kvm": ""})
        self.assertIn("this kernel has none", self.look()[8].said)
        self.assertNotIn("preemption", [line.what for line in self.look()])
        # no such unit, and one without limits
        for said in ("LoadState=not-found\nLimitMEMLOCK=1\n", "LoadState=loaded\n"):
            self.put({"unit": f"Id=podman.service\n{said}"})
            with self.assertRaises(tcestat.Stop):
                self.look(**UNIT)
        # without a security module nobody answers, as the kernel does where there is none
        self.put({LABEL: Link("/proc/self/mem")})
        self.assertEqual(len(self.look()), len(lines) - 1)

    def test_group_of_the_file(self):
        """IBM's tools give the files to another group than ours; and root's group is not one to
        join."""
        for gid, mode, command in ((4711, 0o660, "usermod -aG sentient "),
                                   (4711, 0o600, f"chown {tcestat.user()} /dev/vfio/5"),
                                   (0, 0o660, f"chown {tcestat.user()} /dev/vfio/5")):
            stat = mock.Mock(st_gid=gid, st_mode=0o020000 | mode)
            names = {0: "root", 4711: "sentient"}
            with mock.patch.object(tcestat.grp, "getgrgid",
                                   lambda gid, names=names: mock.Mock(gr_name=names[gid])):
                self.assertTrue(tcestat.join_group("dev/vfio/5", stat)[1].startswith(command),
                                (gid, mode))


class Interface(Host):
    def test_doctor(self):
        """What it prints: the reason, and then the command; once more, with all that was typed"""
        code, said, _ = self.run_it("doctor")
        self.assertEqual((code, said.splitlines()[-1]),
                         (0, ">> doctor: this host: all 2 checks passed"))
        self.put({LOADED: "INTREE\n"})
        code, said, _ = self.run_it("doctor")
        self.assertEqual(code, 1)
        self.assertRegex(said, "do: module: the in-tree driver or another build is loaded, .* "
                         f"srcversion INTREE; .*\n      (sudo .*)?modprobe -r {NAME} &&")
        said = self.run_it("doctor", DEVICE, "--mem", "32G")[1]
        self.assertIn(f"      tcestat --root {self.top} doctor {DEVICE} --mem 32G\n", said)

    def test_version(self):
        """Which is installed, and which is loaded"""
        file = f"/lib/modules/6.12.95/{OURS}"
        for files, installed, loaded in (
                ({}, f"1.0 ({file})", "1.0"),
                ({"modinfo/version": "1.1"}, f"1.1 ({file})", "1.0"),
                ({f"{MODULE}/version": "0.1\n"}, f"1.1 ({file})", "0.1, the in-tree driver"),
                ({"modinfo/filename": f"/{INTREE}", "modinfo/version": "0.1", MODULE: None},
                 f"0.1, the in-tree driver (/{INTREE})", "none"),
                ({"modinfo/filename": ""}, "none", "none")):
            self.put(files)
            self.assertEqual(self.run_it("--version"), (
                0, f"tcestat (not installed)\ninstalled: {installed}\nloaded: {loaded}\n", ""))
        self.put({**GOOD, "modinfo/version": "1.1", LOADED: "0LD\n"})
        self.assertIn("version 1.0, srcversion 0LD; installed is version 1.1, srcversion ABC123",
                      self.run_it("doctor")[1])
        # built from another commit that has changed nothing of the module
        self.put({LOADED: "ABC123\n"})
        self.assertEqual(self.run_it("doctor")[0], 0)

    def test_not_power(self):
        """On a laptop nothing is judged or computed, unless it is for another machine."""
        self.put({"proc/cpuinfo": "model name\t: x\nflags\t: platform\n"})
        for words in ("doctor", f"doctor {DEVICE}", "memlock", "memlock --page 4K",
                      "memlock --platform powernv"):
            code, said, errors = self.run_it(*words.split())
            self.assertEqual((code, said), (2, ""), words)
            self.assertIn("this is no POWER host", errors)
        self.assertEqual(self.run_it("memlock", "--page", "4K", "--platform", "powernv")[0], 0)

    def test_units(self):
        """QEMU and virt-install take 4096 for 4 GiB."""
        for words, hint in (("--mem 4096", "4096 is less than 1M: did you mean 4096M?"),
                            ("--maxmem 8192", "did you mean 8192M?"), ("--mem 1000K", "than 1M")):
            for command in ("memlock", f"doctor {DEVICE}"):
                code, said, errors = self.run_it(*command.split(), *words.split())
                self.assertEqual((code, said), (2, ""), (command, words))
                self.assertIn(hint, errors)
        self.assertEqual(self.run_it("memlock", "--mem", "1M")[0], 0)

    def test_loaded(self):
        """The running kernel alone: what decides whether a guest may start now"""
        self.put(NEXT)
        self.assertEqual((self.run_it("doctor")[0], self.run_it("doctor", "--loaded")[0]), (1, 0))
        self.put({LOADED: "INTREE\n"})
        self.assertEqual(self.run_it("doctor", "--loaded")[0], 1)
        self.assertEqual(self.run_it("doctor", DEVICE, "--loaded")[0], 2)

    def test_refused(self):
        """What needs a device, what excludes each other, and amounts of nonsense"""
        for words in ("doctor --mem 1G", "doctor --maxmem 1G", "doctor --cards 8",
                      "doctor --unit podman.service", "doctor --managed", "doctor --huge-pages",
                      "memlock --mem 8G --maxmem 4G", "memlock --cards 2 --maxmem 8G",
                      "memlock --highest 1100e00000 --cards 2",
                      "memlock --highest 1100e00000 --maxmem 8G", "memlock --cards -1",
                      "memlock --highest 0x10 --huge-page 3M", "memlock --highest xyz",
                      "memlock --mem 0", "memlock --page 16K", "memlock --highest 0",
                      "memlock --cards 2 --containers 2", "doctor --containers 2"):
            code, said, error = self.run_it(*words.split())
            self.assertEqual((code, said), (2, ""), words)
            self.assertIn("tcestat doctor DEVICE" if words.startswith("doctor")
                          else words.split()[-2], error)

    def test_addresses(self):
        """An address may lack its domain, and what is none is refused, for a script's sake also
        an empty one."""
        self.put({f"sys/bus/pci/devices/{DEVICE}/iommu_group": None})
        for device, code, said in ((DEVICE, 1, DEVICE), (DEVICE[5:], 1, DEVICE), ("", 2, ""),
                                   ("01:00", 2, ""), ("../x", 2, "")):
            result = self.run_it("doctor", device)
            self.assertEqual(result[0], code, device)
            self.assertIn(said, result[1])

    def test_broken_pipe(self):
        """As with "tcestat | head\""""
        self.put({LOADED: "INTREE\n"})
        for command, wanted in (([], 0), (["memlock"], 0), (["doctor"], 1)):
            read, write = os.pipe()
            os.close(read)
            done = subprocess.run([PROGRAM, "--root", self.top, *command], stdout=write,
                                  stderr=subprocess.PIPE, text=True)
            os.close(write)
            self.assertEqual((done.returncode, done.stderr), (wanted, ""))

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
            lines = [line.split(" ") for line in
                     printed(ROOT / "tools/examples/tcestat-textfile.py").splitlines()]
            self.assertEqual(len(lines), len(dict(lines)))
            return dict(lines)
        found = metrics()
        self.assertEqual({re.sub("{.*", "", name) for name in found}, page)
        self.assertEqual((found["tce_doctor_exit_code"], found["tce_loaded"],
                          found['tce_locked_bytes{pid="4711"}']), ("0", "1", "4294967296"))
        # A process may be there twice: one name must not be.
        self.put({DEBUG: STATE.replace("container id=3", "process id=9 tgid=4711 table_leaked=0 "
                                       "kvm=0 locked_vm=1 alive=1 comm=x\ncontainer id=3")})
        self.assertEqual(metrics()['tce_locked_bytes{pid="4711"}'], "4294967297")
        # Not root, no debugfs, or lockdown: no figures, and no alarm
        bare = {"tce_doctor_exit_code": "0", "tce_checks_failed": "0", "tce_loaded": "1"}
        self.put({DEBUG: None})
        self.assertEqual(metrics(), bare)
        self.put({f"{MODULE}/version": "0.1\n", LOADED: "INTREE\n"})
        self.assertEqual(metrics(), {"tce_doctor_exit_code": "1", "tce_checks_failed": "1",
                                     "tce_loaded": "0"})
        self.put({MODULE: None})
        self.assertEqual(metrics(), {**bare, "tce_loaded": "0"})


TABLE_BYTES = r"""
#include <stdio.h>
#include <stdlib.h>
#include "vfio.h"

struct host host;

int main(int argc, char **argv)
{
	unsigned int shift, levels;
	unsigned long long size;

	host.powernv = atoi(argv[1]);
	host.page = atoi(argv[2]);
	while (scanf("%u %llu %u", &shift, &size, &levels) == 3)
		printf("%llu\n", (unsigned long long)table_bytes(shift, size, levels));
}
"""


class Amounts(Scratch):
    """Locked memory: no page has a number of its own."""

    def test_tables(self):
        """What a table is charged, as selftests/lib has it, to which selftests/memory.c holds the
        module"""
        lib, program = ROOT / "selftests/lib", self.top / "table_bytes"
        printed("gcc", "-D__SANE_USERSPACE_TYPES__", "-ffunction-sections", "-Wl,--gc-sections",
                "-I", lib, "-o", program, self.file("main.c", TABLE_BYTES), lib / "vfio.c")
        windows = [(shift, 1 << size, levels) for shift in (12, 16, 21, 24, 30)
                   for size in range(30, 50) for levels in range(1, 6)]
        asked = self.file("windows", "".join(f"{s} {b} {n}\n" for s, b, n in windows))
        for powernv in (False, True):
            for page in (4096, 65536):
                host = tcestat.Host(page, powernv)
                said = printed("sh", "-c", f"{program} {powernv:d} {page} <{asked}")
                self.assertEqual([int(line) for line in said.split()],
                                 [tcestat.table_bytes(host, size, 1 << shift, levels)
                                  for shift, size, levels in windows])

    def test_usual_tables_fit(self):
        """What the module lets the tables of a process take is enough for DPDK's largest window in
        a partition of 16 GiB, and for guests with much more maxmem than their host of 64 GiB has"""
        limit = re.search(r"^#define TCE_TABLES_SHARE_OF_ONE\t(\d+)$",
                          (ROOT / "tce_mm.c").read_text(), re.M)
        assert limit
        self.assertEqual(int(limit[1]), tcestat.TABLES_SHARE)
        for words, least, host in (
                ("--platform pseries --page 64K --highest 3ffffffffff --huge-page 64K", 512 << 20,
                 16 << 30),
                ("--platform powernv --page 64K --mem 64G --maxmem 1T", 256 << 20, 64 << 30),
                ("--platform powernv --page 4K --mem 64G --maxmem 256G", 1 << 30, 64 << 30)):
            needed = json.loads(printed(PROGRAM, "memlock", "--json", *words.split()))
            self.assertGreaterEqual(needed["host_memory"], least * tcestat.TABLES_SHARE, words)
            self.assertLessEqual(needed["host_memory"], host, words)

    def test_pages_quote_it(self):
        """Each command "tcestat memlock" that a page shows with what it prints, and the numbers of
        the examples"""
        shown = 0
        for page in [*(ROOT / "Documentation").glob("*.rst"), ROOT / "README.md",
                     ROOT / "tools/tcestat.8"]:
            lines = [line.strip() for line in page.read_text().replace("\\-", "-").splitlines()]
            for i, line in enumerate(lines):
                if line.startswith("$ tcestat memlock "):
                    said = [text.strip() for text in
                            printed(PROGRAM, *line.split()[2:]).splitlines()]
                    self.assertEqual(lines[i + 1:i + 1 + len(said)], said, page.name)
                    shown += 1
        self.assertGreaterEqual(shown, 3)
        wanted = tcestat.total(tcestat.guest_parts(tcestat.Host(4096, True), 4 << 30, 8 << 30))
        for name, line in (("limits", f"@vfio - memlock {wanted // 1024}\n"),
                           ("service-memlock", f"LimitMEMLOCK={wanted}\n")):
            self.assertIn(line, (ROOT / f"tools/examples/{name}.conf").read_text())
