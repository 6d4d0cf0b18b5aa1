# SPDX-License-Identifier: GPL-2.0-only
"""The defects, by letter, and what shows each."""
from dataclasses import dataclass, field

# The machines: kernel and arguments of scripts/vm.
HOSTS = {
    # Some memory is movable, which pages under DMA have to leave (L).
    "powernv": ("6.12-4k", ["--machine", "powernv9", "--append", "movablecore=512M"]),
    "pseries": ("6.12-4k", ["--machine", "pseries"]),
    # The default window does not begin at 0, as firmware may have it (R).
    "pseries-high": ("6.12-4k", ["--machine", "pseries", "--qemu=-global",
                                 "--qemu=spapr-pci-host-bridge.dma_win_addr=0x80000000"]),
    # With KVM; the processes of the rows have a guest.
    "kvm": ("6.12-64k", ["--machine", "powernv9", "--module", "kvm-hv", "--huge-pages"]),
    # CPU pages larger than those of v1's window (AD).
    "powernv-64k": ("6.12-64k", ["--machine", "powernv9"]),
    # Big endian, freed memory is poisoned, allocations fail when told to.
    "debug": ("6.12-be", ["--machine", "powernv9"]),
}


# The kernel stumbled; the messages name different parts of one fault.
CRASH = r"Unable to handle|NULL pointer|Oops|UBSAN|WARNING|corruption|refcount_t|Bad page"

# The kernel and the machine for the KUnit cases.
SUITES = ("6.12-be", "powernv9")


@dataclass
class Show:
    """One demonstration."""
    host: str
    rows: list[str]              # of selftests/, all of which must pass with ours
    evidence: str           # what at least one line about the kernel's own driver matches
    alone: bool = False     # that driver needs a machine of its own for it
    user: str = "user"      # who asks; root only where the test needs him to
    tries: int = 1          # boots until a race was lost
    hang: bool = False      # the defect is a hang: then a watchdog's word counts, the row's or the kernel's


@dataclass
class Defect:
    letter: str
    asked: str
    intree: str             # what it does, in words; the evidence comes with it
    ours: str
    shows: list[Show] = field(default_factory=list)
    kunit: list[str] = field(default_factory=list)       # "suite.case"; run if there is nothing to show
    why_not: str = ""       # why it is not shown


DEFECTS = [
    Defect("A", "MAP of 8 KiB, starting 4 KiB before the end of the window",
           "wrote past the end of the table",
           "EINVAL, no entry was written", [
               Show("powernv", ["dma: v1: MAP past the end of the window is EINVAL and writes nothing"],
                    r"map\(.* returned 0, not -EINVAL", alone=True),
               Show("powernv", ["dma: v2: MAP past the end of the window is EINVAL and writes nothing"],
                    r"map\(.* returned 0, not -EINVAL", alone=True)]),
    Defect("B", "MAP and UNMAP while another thread removes and creates the window; two first MAPs at once",
           "used a table that was freed; made two default windows",
           "each call finds the window or ENXIO; one window", [
               Show("debug", ["races: v2: MAP and UNMAP against REMOVE and CREATE"],
                    CRASH, alone=True, tries=3),
               Show("powernv", ["races: v2: two first MAPs make one default window"],
                    CRASH + r"|stay pinned|locked\(\) .* is |returned", alone=True, tries=3)]),
    Defect("C", "UNMAP, and MAP over a mapping",
           "let the page go before the TCE cache was told",
           "first the kill, then the page: a recording platform looks at each write",
           kunit=["tce_map.map_and_unmap", "tce_map.replace_by_other_memory", "tce_map.kill_once"],
           why_not="QEMU's bridge caches no TCE"),
    Defect("D", "REMOVE, and a group that leaves, when the bridge refuses to let the window go",
           "freed the table that the bridge was using",
           "the emptied table stays, with a line in the log",
           kunit=["tce_window_kept.bridge_keeps_a_window", "tce_window_kept.bridge_keeps_a_window_at_detach",
                  "tce_window_kept.bridge_keeps_all_windows_at_the_end"],
           why_not="QEMU's bridges never refuse"),
    Defect("E", "MAP into a sparse table when there is no memory for another level",
           "used a NULL pointer",
           "ENOMEM, nothing was mapped", [
               Show("debug", ["faults: v2: sparse tables"],
                    CRASH, alone=True, user="root")],
           kunit=["tce_failure.level"]),
    Defect("F", "EEH operations while another group joins and leaves",
           "walked the list of groups without a lock",
           "each operation sees all groups or one less", [
               Show("debug", ["races: v2: EEH against a group that comes and goes"],
                    CRASH, alone=True, tries=3)]),
    Defect("G", "UNREGISTER of memory that is mapped",
           "said 0; the pages stayed pinned for good",
           "EBUSY, and nothing changed", [
               Show("powernv", ["memory: v2: UNREGISTER of mapped memory is EBUSY and changes nothing"],
                    r"returned 0, not -EBUSY|destroy_context", alone=True),
               Show("kvm", ["kvm: v2: memory that a guest has mapped stays registered"],
                    r"returned 0, not -EBUSY|destroy_context", alone=True)]),
    Defect("H", "CREATE of windows of 2^62 bytes",
           "failed, and charged each time, for good",
           "fails, nothing is charged", [
               Show("powernv", ["windows: v2: CREATE of a huge window fails and is not charged"],
                    r"locked\(\) is \d+")]),
    Defect("I", "MAP that the platform refuses half way, then UNREGISTER",
           "took the wrong region's count back, from behind the table",
           "found the reason before the first entry; counts are right when the platform refuses, too", [
               Show("pseries", ["dma: v2: MAP past the end of the window is EINVAL and writes nothing"],
                    CRASH + r"|stay pinned", alone=True)],
           kunit=["tce_failure.exchange", "tce_failure.set"]),
    Defect("J", "v1 MAP of a page that is smaller than an IOMMU page",
           "would leave it pinned",
           "v1 has windows of 4 KiB pages only; what a failed MAP pinned is given back",
           kunit=["tce_window_default.default_window_is_created_when_needed", "tce_failure.pin"],
           why_not="no v1 window has larger pages than the CPU"),
    Defect("K", "DISABLE (v1) of memory that is mapped",
           "gave the charge back, the memory stayed mapped",
           "all is unmapped first", [
               Show("powernv", ["memory: v1: DISABLE takes all memory away from the device"],
                    r"pinned_settled\(before\) returned")],
           kunit=["tce_account.v1_disable_unmaps"]),
    Defect("L", "v1 MAP of memory in a movable zone; of memory that the process may only read, for reading",
           "pinned it there for good; refused",
           "moves it first; maps it for reading", [
               Show("powernv", ["memory: v1: pages of movable memory move out of it before a device gets them"],
                    r"pages_in_zone", user="root"),
               Show("powernv", ["dma: v1: memory that is read-only for the process can be read by the device"],
                    r"returned -EFAULT, not 0")]),
    Defect("M", "MAP while another thread unregisters that memory",
           "may say 0 with entries missing",
           "mapped or EINVAL: one lock for both", [],
           kunit=["tce_threads.regions_come_and_go", "tce_failure.counting"],
           why_not="a window of a few instructions, and defect G covers it"),
    Defect("N", "MAP and UNMAP at an address that is not a page's",
           "returned +1, which clients take for success",
           "EINVAL", [
               Show("powernv", ["dma: v1: MAP refuses a misaligned address or size with EINVAL",
                                "dma: v2: MAP refuses a misaligned address or size with EINVAL",
                                "dma: v2: UNMAP refuses a misaligned address or size with EINVAL"],
                    r"returned 1, not -EINVAL")]),
    Defect("O", "what the hypervisor refuses",
           "returned the hypervisor's number as an errno",
           "an errno of the ABI", [
               Show("pseries", ["dma: v1: MAP past the end of the window is EINVAL and writes nothing"],
                    r"returned -E(?!INVAL)\w+, not -EINVAL", alone=True)],
           kunit=["tce_window.platform_says_why", "tce_failure.exchange"]),
    Defect("P", "REGISTER of a range with a hole; of nothing",
           "returned the number of pages it had found",
           "EFAULT; EINVAL", [
               Show("powernv", ["memory: v2: REGISTER of a range with a hole is EFAULT and keeps nothing"],
                    r"returned \d+, not -EFAULT"),
               Show("powernv", ["memory: v2: REGISTER of nothing is EINVAL"],
                    r"returned -ENOMEM, not -EINVAL", alone=True)]),
    Defect("Q", "EEH GET_STATE of two groups",
           "told the first state that is not 0",
           "tells the worst of them", [
               Show("powernv", ["eeh: v2: the state of two groups is the worst, whichever came first"],
                    r"returned 2, not 4", user="root")],
           kunit=["tce_eeh.worst_state_of_two_groups"]),
    Defect("R", "REMOVE of the default window, before it is used, when it does not begin at 0",
           "took the window for an unknown one",
           "removed", [
               Show("pseries-high", ["windows: v2: removing the default window before it is used is free"],
                    r"returned -EINVAL, not 0")],
           kunit=["tce_window_default.default_window_not_at_0"]),
    Defect("S", "MAP over mappings, half of which can't be mapped",
           "unmapped what was there before",
           "what was there stays", [
               Show("powernv", ["dma: v1: a failed MAP keeps what was mapped before",
                                "dma: v2: a failed MAP keeps what was mapped before"],
                    r"can_write\(.*\) is not true")]),
    Defect("T", "CREATE with page shifts of 64 and more",
           "shifted by them",
           "EINVAL", [
               Show("debug", ["windows: v2: CREATE refuses page sizes that are not offered with EINVAL"],
                    r"UBSAN: shift|returned 0", alone=True)]),
    Defect("U", "one of two groups leaves the container",
           "cleared the mappings of the one that stays",
           "it keeps them", [
               Show("powernv", ["groups: v2: a group that goes leaves the others their mappings"],
                    r"can_\w+\(.*\) is not true")]),
    Defect("V", "UNMAP of 8 KiB, starting 4 KiB before the end of the window",
           "read, zeroed and released what lies past the table",
           "EINVAL, no entry was cleared", [
               Show("powernv", ["dma: v1: UNMAP past the end of the window is EINVAL and clears nothing"],
                    r"unmap\(.* returned 0, not -EINVAL", alone=True),
               Show("powernv", ["dma: v2: UNMAP past the end of the window is EINVAL and clears nothing"],
                    r"unmap\(.* returned 0, not -EINVAL", alone=True)]),
    Defect("W", "a guest's H_PUT_TCE of ordinary memory that follows a huge page",
           "let the guest stop the host, or reach what lies behind that memory",
           "such a region is kept from KVM; MAP is EINVAL", [
               Show("kvm", ["kvm: v2: a guest can't have ordinary pages behind a huge one as huge"],
                    CRASH + r"|kernel BUG|is not true", alone=True)],
           kunit=["tce_map_huge.v2_ordinary_pages_behind_a_huge_one_with_kvm", "tce_map_huge.v2_region_cuts_a_huge_page"]),
    Defect("X", "MAP and UNMAP while another thread takes the last group away",
           "worked on a container that was freed",
           "holds the container, or finds none", [
               Show("debug", ["races: v2: MAP and UNMAP against UNSET_CONTAINER and SET_IOMMU"],
                    CRASH, alone=True, tries=3)],
           kunit=["tce_threads.released_while_in_use", "tce_ioctl.container_is_gone"]),
    Defect("Y", "UNMAP (v1) of a page that KVM put into the table",
           "unpinned a page that v1 never pinned",
           "gives back only what it took", [
               Show("kvm", ["kvm: v1: UNMAP ends what KVM may put into its table"],
                    r"pinned_settled\(pins\) returned", alone=True),
               Show("kvm", ["kvm: v1: a guest goes on while MAP, UNMAP and its container go"],
                    CRASH, alone=True, tries=3)],
           kunit=["tce_kvm.unmap_what_kvm_put", "tce_kvm.kvm_clears_v1"]),
    Defect("Z", "CREATE when the platform lacks memory to note the group",
           "would go on without: later kills miss the device",
           "notices and fails",
           kunit=["tce_window.set_is_lost", "tce_failure.set_window_is_lost"],
           why_not="the platform says 0 all the same, and QEMU needs no kills"),
    Defect("AA", "CREATE with an argument that can't be written to",
           "kept a window whose address nobody knows",
           "EFAULT, there is no window", [
               Show("powernv", ["windows: v2: CREATE that cannot return its result keeps nothing"],
                    r"locked\(\) is \d+")],
           kunit=["tce_ioctl.created_window_cannot_be_told"]),
    Defect("AB", "an EEH operation on a device that root unbinds",
           "used its list of groups when it was freed (ours once waited for ever, and root and all groups too)",
           "waits alone; root gets the device when its file is closed, or the client killed", [
               Show("powernv", ["waits: v2: root unbinds a device that EEH operations wait for"],
                    CRASH, alone=True, tries=3)]),
    Defect("AC", "any command with its argument on a page that never comes (userfaultfd)",
           "could be unloaded under it (ours once made root's unbind and every close wait)",
           "nobody waits but the client; the module stays loaded", [
               Show("powernv", ["waits: v2: the driver is not unloaded while a command waits for its argument"],
                    CRASH, alone=True)]),
    Defect("AD", "v1 MAPs of one entry each, on a host with pages of 64K",
           "pinned up to 16 times what ENABLE had charged",
           "what is pinned is charged, or ENOMEM", [
               Show("powernv-64k", ["memory: v1: no more pages are pinned than are charged"],
                    r"\d+ pages are pinned, \d+ are charged")]),
    Defect("AE", "memory is given up while it is mapped, and other memory comes to its address",
           "said 0 to UNREGISTER, and the old pages stayed pinned (ours once refused to REGISTER the new ones)",
           "EBUSY for the old; the new can be registered", [
               Show("powernv", ["memory: v2: what comes to the address of mapped memory can be registered",
                                "memory: v2: more may come to the address of mapped memory",
                                "memory: v2: less may come to the address of mapped memory"],
                    r"returned 0, not -EBUSY|destroy_context", alone=True)]),
    Defect("AF", "a guest's TCEs change on pseries while the operations that KVM finds are replaced",
           "does not replace them (ours once called through a pointer that was none)",
           "each operation finds the platform's",
           kunit=["tce_kvm_shown.kvm_uses_operations_of_before"],
           why_not="it was a defect of this module before 1.0"),
]
