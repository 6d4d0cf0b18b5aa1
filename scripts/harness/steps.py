# SPDX-License-Identifier: GPL-2.0-only
"""The steps of scripts/check: what is run."""
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from harness import kernels


class Step(NamedTuple):
    """A name, and a command, which has to be silent if it builds the module. If it counts tests of
    its own: how many of them have to pass, so that one that is not run any more is missed. (Those
    of the test programs and of the suites are missed by their names.)"""
    name: str
    command: list[str]
    min_passed: int = 0


# Where the test programs run: kernel, machine, user. The longest first. Root runs them on three
# hosts, because only root can see which pages are dirty, which is done differently on Linux 6.1,
# and can inject faults (6.12-be); elsewhere it is a user who owns only the group's file. Each
# kernel of make check is there, once, and each machine. One of the kernels looks for lost memory.
SELFTESTS = [("6.12-be", "powernv9", "root"), ("6.12-4k", "powernv9", "root"),
             ("6.1-64k", "powernv9", "root"), ("7.2-4k", "pseries", "user"),
             ("gcov-64k", "powernv8", "user"), ("7.3-4k", "powernv10", "user"),
             ("6.12-64k", "pseries-hash", "user")]
BOOTED = [kernel for kernel, *_ in SELFTESTS]
# Without the programs races and storm: the other hosts have both platforms, users, MMUs and sizes
# of pages.
WITHOUT_RACES = ("6.12-be", "gcov-64k", "7.3-4k")

# The firmware of a partition may have the default window anywhere; by default QEMU has it at 0.
HIGH_WINDOW = ["--qemu=-global", "--qemu=spapr-pci-host-bridge.dma_win_addr=0x80000000"]

# Whose KVM does not look where a table ends
UNCHECKED = "6.12.95-4k"

KVM = ["--module", "kvm-hv"]

# A partition that has KVM, which is nested in the hypervisor's
NESTED = ["--qemu=-machine", "--qemu=cap-nested-hv=on", "--qemu=-cpu", "--qemu=power9"]

# With KVM: guests that do nothing but hypercalls, and a REGISTER, which pins twice then.
KVM_TESTS = "kvm: *|storm: *|waits: v2: one of many *pages that comes late*"

# Where the KUnit suites run: pages of 4K and of 64K, both platforms, which the kernel asks for, and
# huge pages of 2 MiB (radix) and of 16 MiB (hash), for which the suites of memory and mappings are
# enough. Each parameter has to pass on one of them.
KUNITS: list[tuple[str, str, list[str]]] = [
    ("6.12-be", "powernv9", []), ("gcov-64k", "pseries", []),
    ("gcov-64k", "powernv8", ["--filter", "tce_m*"])]

# The suites on kernels that check more, for make kernels: KASAN and lockdep with PROVE_RCU, leaks
# with lazy preemption, data races.
SUITES = {"kunit-6.12-4k": "powernv9", "kunit-6.12-64k": "pseries", "kunit-7.2-4k": "powernv9",
          "kunit-kcsan": "pseries"}

# Further kernels, for make kernels, and where all programs run there. Pseries has windows for
# clients since 6.11. KCSAN is for what has threads.
MORE = {"5.14-of-6.12-64k": "powernv9 pseries", "6.1-be": "powernv8", "kasan-6.1-64k": "powernv9",
        "kunit-6.12-4k": "powernv9", "kunit-6.12-64k": "pseries", "kunit-7.2-4k": "powernv9",
        "kunit-kcsan": "", "into-tree": "powernv9"}


def fetched() -> Iterator[Step]:
    """The kernels, which are made one after the other."""
    for kernel in (*BOOTED, "6.12-clang"):
        yield Step(f"kernel {kernel}", ["image/fetch-kernel", kernel])


def built() -> Iterator[Step]:
    """The modules. What needs one waits for its build, or makes it."""
    for kernel in BOOTED:
        # sparse sees all of it with pages of 4K, big endian, and the module with pages of 64K.
        # (Debian's headers of 7.x lack a script that C= needs, and it complains about 6.1's own.)
        sparse = ["C=2"] if kernel in ("6.12-be", "6.12-64k") else []
        # The kernels with KUnit: the suites are held to the same.
        suites = ["TCE_KUNIT=1"] if "kunit" in kernels.fragments(kernel) else []
        yield Step(f"build {kernel}", ["image/build-module", kernel, "W=1", *sparse, *suites])
    yield Step("build 6.12-clang", ["image/build-module", "6.12-clang", "W=1"])


def programs(kernel: str, machine: str, who: str, *more: str) -> list[str]:
    """The command for the test programs on one host, run by root or a user."""
    return ["selftest", "--kernel", kernel, "--machine", machine, "--env", f"TCE_USERS={who}",
            *more]


def user(kernel: str) -> str:
    """Who runs the test programs there: root can make allocations fail, and reach what a kernel
    that checks itself is for."""
    return "root" if "debug" in kernels.fragments(kernel) else "user"


def builds(kernel: str) -> Iterator[Step]:
    """What make kernels needs before it boots a kernel."""
    yield Step(f"kernel {kernel}", ["image/fetch-kernel", kernel])
    if kernels.rows()[kernel][0] != "into-tree":
        yield Step(f"build {kernel}", ["image/build-module", kernel])


# What make check draws it draws with a fixed seed, so that a commit passes or fails. Here it is
# another one each day, which the logs have; make kernels SEED=N repeats it.
SEED = int(os.environ.get("SEED", time.strftime("%Y%m%d")))

# A kernel that checks itself is slow, and a busy host makes it slower: only what hangs is to be
# ended.
PATIENCE = ["--timeout", "5400", "--stall", "900", "--env", "TCE_PATIENCE=3",
            "--env", f"TCE_SEED={SEED}"]

# Emulated processors stop for longer than real ones, so that KCSAN has to watch for longer.
KCSAN = ["--append", "kcsan.udelay_task=400 kcsan.skip_watch=2000"]


def further() -> dict[str, list[Step]]:
    """What make kernels boots: {kernel, which the steps have in their names: steps}"""
    rows, some = kernels.rows(), list(runs())
    names = [next(word for word in step.name.split() if word in rows) for step in some]
    return {name: [step for step, n in zip(some, names) if n == name] for name in names}


def runs() -> Iterator[Step]:
    """The steps of make kernels that boot machines."""
    for kernel, hosts in MORE.items():
        for machine in hosts.split():
            yield Step(f"selftest {kernel} {machine}",
                       programs(kernel, machine, user(kernel), *PATIENCE))
    # On four processors: locks, memory, data races, and KVM at the same tables.
    for kernel, tests, more in (("kunit-6.12-4k", "races: *|faults: *|kvm: *", KVM),
                                ("kunit-kcsan", "races: *|faults: *|waits: *", KCSAN)):
        yield Step(f"races {kernel}",
                   programs(kernel, "powernv9", "root", "--as", "races", "--smp", "4",
                            "--env", "TCE_SECONDS=5", "--test", tests, *more, *PATIENCE))
    # Any calls at once, five minutes of each interface: KASAN, with KVM and with pages of 64K;
    # lazy preemption; data races.
    storms: list[tuple[str, str, list[str]]] = [
        ("kunit-6.12-4k", "powernv9", KVM), ("kunit-6.12-64k", "pseries", []),
        ("kunit-7.2-4k", "pseries", []), ("kunit-kcsan", "powernv9", KCSAN)]
    for kernel, machine, more in storms:
        yield Step(f"storm {kernel} {machine}",
                   programs(kernel, machine, "root", "--as", "storm", "--test", "storm: *",
                            "--env", "TCE_SECONDS=300", *more, *PATIENCE))
    # The default window is where PowerVM has the only one of a virtual function.
    yield Step("selftest 6.12-64k pseries high-window", [
        "selftest", "--kernel", "6.12-64k", "--machine", "pseries", "--as", "high-window",
        "--qemu=-global", "--qemu=spapr-pci-host-bridge.dma_win_addr=0x800000000000000",
        *PATIENCE, "--test", "windows: v2: IOMMU pages*"])
    # An administrator's options: each entry by a hypercall of its own, and no window of the host's
    # that is not the default one.
    yield Step("selftest 6.12-4k pseries no-multitce", programs(
        "6.12-4k", "pseries", "user", "--as", "no-multitce", "--append", "multitce=off disable_ddw",
        *PATIENCE))
    # Later kernels compare a hypercall, and an UNMAP, with the end of the table before the module.
    yield Step(f"selftest {UNCHECKED} powernv9 kvm", programs(
        UNCHECKED, "powernv9", "user", "--as", "kvm", *KVM, *PATIENCE,
        "--test", "kvm: v2: a guest's hypercall ends*"))
    yield Step(f"fuzz {UNCHECKED} powernv9", ["fuzz", "--kernel", UNCHECKED, "--seed", str(SEED),
                                              "--rounds", "6"], 8)
    for seed, (kernel, machine) in enumerate((("kunit-6.12-4k", "powernv9"),
                                              ("kunit-6.12-64k", "pseries")), SEED):
        yield Step(f"fuzz {kernel} {machine}", [
            "fuzz", "--kernel", kernel, "--machine", machine, "--seed", str(seed), "--huge-pages",
            "--rounds", "20", "--append", "slub_debug=-", "--seconds", "5000"], 8)
    yield Step("wrong modules of 6.12-64k", ["nightly/wrong-modules"], 15)
    for kernel, machine in SUITES.items():
        yield Step(f"kunit {kernel} {machine}",
                   ["kunit", "--kernel", kernel, "--machine", machine])
    yield Step("handback 6.12-4k pseries", ["system", "handback", "pseries", "6.12-4k"])
    # These have their IOMMU operations from us. 6.1-be makes the allocations of their start fail.
    for kernel in ("6.1-be", "kasan-6.1-64k"):
        yield Step(f"hotplug {kernel}", ["system", "hotplug", "powernv9", kernel])


def machines() -> Iterator[Step]:
    """The steps that run side by side: builds, those that boot emulated machines, which mostly
    wait, and what may run beside them. What is short comes last, so that no processor is idle
    long."""
    yield from built()
    yield Step("lint", ["lint"])
    yield Step("prove", ["prove"], 122)
    for kernel, machine, more in KUNITS:
        yield Step(f"kunit {kernel} {machine}",
                   ["kunit", "--kernel", kernel, "--machine", machine, *more])
    for kernel, machine, who in SELFTESTS:
        more = ["--env", "TCE_WITHOUT='races storm'"] if kernel in WITHOUT_RACES else []
        more += HIGH_WINDOW if machine == "pseries" else []
        yield Step(f"selftest {kernel} {machine}", programs(kernel, machine, who, *more))
    yield Step("selftest 6.12-64k powernv9 kvm", programs(
        "6.12-64k", "powernv9", "user", "--as", "kvm", *KVM, "--test", KVM_TESTS))
    yield Step("selftest 6.12-64k pseries kvm", programs(
        "6.12-64k", "pseries", "user", "--as", "kvm", *KVM, *NESTED,
        "--test", "kvm: *|storm: v2*"))
    yield Step("guests under KVM", ["guests", "kvm/1/demo", "kvm/1/kill"], 2)
    for kernel, goals in (("6.12-4k", 60), ("6.12-64k", 73)):
        yield Step(f"bench {kernel}", ["bench", kernel, "powernv9"], goals)
    yield Step("packages", ["release/package", "check"], 37)
    for seed, (kernel, machine) in enumerate((("6.12-4k", "powernv9"), ("6.12-64k", "pseries"),
                                              ("6.1-64k", "powernv9"), ("6.12-be", "powernv9")), 1):
        yield Step(f"fuzz {kernel} {machine}", ["fuzz", "--kernel", kernel, "--machine", machine,
                                                "--rounds", "6", "--seed", str(seed)], 8)
    yield Step("sequences 6.12-4k powernv9", ["nightly/defects", "--ours", "6.12-4k", "powernv9"],
               7)
    # DPDK and the kernel's VFIO selftests, one version of each; make clients has others, in a real
    # Debian.
    yield Step("clients", ["clients", "--short"], 28)
    yield Step("handback powernv9", ["system", "handback"])
    # Linux 7.0 and later remember where a partition's host has mapped all memory.
    yield Step("handback 7.2-4k pseries", ["system", "handback", "pseries", "7.2-4k",
                                           "--env", "TCE_ROUNDS='2:wait'"])
    yield Step("second pseries", ["system", "second"])
    yield Step("dlpar pseries", ["system", "dlpar"])
    for kernel in ("6.1-64k", "6.12-4k"):
        yield Step(f"hotplug {kernel}", ["system", "hotplug", "powernv9", kernel])
    yield Step("tcestat", ["system", "tcestat"])
    # One engine, and some tests of the other; "scripts/system hostcheck" has the refusals and the
    # failures, too.
    yield Step("hostcheck powernv9", ["system", "hostcheck", "powernv9", "6.12-4k", "--arg",
                                      "passes:nvme", "--arg", "some:xhci"])
    yield Step("demo powernv9", ["system", "demo", "powernv9", "6.12.95-4k", "--arg", "each"])
    yield Step("demo pseries", ["system", "demo", "pseries"])
    yield Step("refused 6.1-64k", ["system", "refused"])
    yield Step("tracing powernv9", ["system", "tracing"])
    for kernel in BOOTED:
        if not kernels.fragments(kernel):       # Debian's own
            yield Step(f"btf {kernel}", ["harness/check-btf", kernel])
    yield Step("selfcheck", ["harness/selfcheck"])
    yield Step("docs", ["docs"])
    # Ten seconds; a minute more the first time, with 200 MB to download.
    yield Step("litmus", ["litmus"], 49)


def quick() -> Iterator[Step]:
    """What make quick runs: a build, lint, the suites but for tce_failure, which takes as long as
    all others, and the programs with ten seconds of a storm, on one kernel."""
    yield from (step for step in machines() if step.name in ("build gcov-64k", "lint"))
    yield Step("kunit gcov-64k pseries", ["kunit", "--kernel", "gcov-64k", "--machine", "pseries",
                                          "--filter", "tce_[!f]*"])
    yield Step("selftest gcov-64k pseries",
               programs("gcov-64k", "pseries", "user", "--env", "TCE_SECONDS=10",
                        "--env", "TCE_WITHOUT='races waits'"))
