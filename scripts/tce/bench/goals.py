# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a host's table: figures, and the goals that there are for them."""
from collections.abc import Iterator
from dataclasses import dataclass

from tce.bench.measured import MIB, Figures

# Instructions per TCE of v2, 4 MiB per call, scattered memory: (map, unmap)
PER_TCE = {"6.12-4k": (130, 130), "6.12-64k": (110, 110), "6.1-64k": (110, 110)}
# MAP and UNMAP of v1, of the in-tree driver's, where that has v1
V1_SHARE = {"6.12-4k": 0.5, "6.12-64k": 0.9}
FLOOR_MULTIPLE = 1.5        # physically contiguous memory
FLAT = 1.3                  # 65,536 registrations against 16
DPDK = 10                   # times cheaper

# A sparse window: no more per cell of its tables than if each cell had an entry
FEW = 64                    # entries that are mapped in it
PARALLEL = 1.8              # two CPUs are worth so many, see selftests/bench/parallel.c
BESIDE = 0.7                # of one so much is left beside a long call: 1.1 to 5, or 0 to 0.5 (on a very busy host) with a lock for all
LONG_CALL = {1: 16 * MIB, 2: 64 * MIB}
HCALLS = 4                  # MAP and UNMAP of 512 contiguous entries, pseries
EXACT = 1.005               # what is "not above": the counting is good to half a percent

# Of one huge page: instructions of REGISTER, and of UNREGISTER; bytes of books
PER_HUGE, BOOKS_PER_HUGE = 800, 32
# REGISTER of transparent huge pages, per page of the CPU's: half of what it cost when each had a pin.
# 6.1 has no such goal. The driver that had a pin for each was never measured there.
PER_PAGE_OF_THP = {"6.12-4k": 6.1, "6.12-64k": 9.8}

# How many goals there are on each host: (in all, in the short form).
GOALS = {("6.12-4k", "powernv9"): (53, 51), ("6.12-64k", "powernv9"): (51, 20), ("6.12-4k", "pseries"): (26, 10),
         ("6.1-64k", "powernv9"): (45, 14)}
SHORT_REGISTER = 64 * MIB
AGAIN = 16384 * MIB         # the same huge pages again and again, see selftests/bench/registrations.c
GIANT_AGAIN = 64 * AGAIN    # the same of 1 GiB

# Goals that are known to be missed: the figure that is reached, from which a step back
# fails as any other, and why.
PINS_FIRST = "a page is pinned before the lock, so that nobody waits for it"
BEHIND: dict[tuple[str, str], dict[str, tuple[float, str]]] = {
    ("6.12-4k", "powernv9"): {"v1 map and unmap, one entry": (6230, PINS_FIRST)},
    ("6.12-64k", "powernv9"): {
        "v1 map and unmap, one entry": (6650, f"{PINS_FIRST}; and a set counts who maps it: one pin, however many TCEs"),
        "REGISTER of thp, per page": (19.5, "a huge page has only 32 of these pages, and its pin costs the kernel as much as with 512"),
    },
    ("6.12-4k", "pseries"): {"v1 map and unmap, one entry": (5410, PINS_FIRST)},
}


@dataclass
class Line:
    """A line of the table: what, figures, goal.

    @ours has to keep to @limit: to be no more, or with @least no less. A goal without a limit,
    or one of whose figures (@of, too) is not there, is missed.
    """
    what: str
    intree: float | None
    ours: float | None
    goal: str | None = None
    limit: float | None = None
    of: tuple[float | None, ...] = ()
    least: bool = False
    floor: float | None = None
    plain: float | None = None
    shared: bool = False        # the host's sharing of its CPUs is in it: measured again if missed

    @property
    def missing(self) -> bool:
        return self.goal is not None and None in (self.ours, self.limit, *self.of)

    @property
    def met(self) -> bool:
        if self.goal is None or self.missing or self.ours is None or self.limit is None:
            return False
        return self.ours >= self.limit if self.least else self.ours <= self.limit


def times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def plus(*values: float | None) -> float | None:
    """Their sum, if all are there."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


def of_floor(limit: float | None) -> str:
    """A goal in words: @limit is FLOOR_MULTIPLE of the floor."""
    return f"<= {FLOOR_MULTIPLE} x floor" + (f" = {limit:.0f}" if limit else "")


def v2_goal(f: Figures, name: str, machine: str, memory: str, op: str) -> tuple[str | None, float | None]:
    """(goal, limit) of an operation of v2."""
    if machine != "powernv9":
        return None, None
    if memory == "scattered":
        limit = PER_TCE[name][op == "unmap"]
        return f"<= {limit}", limit
    least = times(FLOOR_MULTIPLE, f.floor(op, 4 * MIB)[0])
    return of_floor(least), least


def both(f: Figures, driver: str, version: int, memory: str, n: int) -> float | None:
    """MAP and UNMAP."""
    return plus(*(f.get(driver, op, version, memory, n) for op in ("map", "unmap")))


def per_tce_lines(f: Figures, name: str, machine: str, short: bool) -> Iterator[Line]:
    memories = ("scattered", "contiguous", "thp", "hugetlb")
    for memory in memories[:1] if short and machine == "pseries" else memories:
        for version, op in ((v, op) for v in (1, 2) for op in ("map", "unmap")):
            ours = f.get("ours", op, version, memory, 4 * MIB)
            intree = f.get("intree", op, version, memory, 4 * MIB)
            floor, plain = f.floor(op, 4 * MIB)
            goal, limit = v2_goal(f, name, machine, memory, op) if version == 2 else (None, None)
            yield Line(f"v{version} {op}, 4 MiB {memory}, per TCE", intree, ours, goal, limit, (intree,),
                       floor=ratio(ours, floor),
                       # with batched hypervisor calls next to nothing is left to be a multiple of
                       plain=ratio(ours, plain) if plain and floor and plain > floor / 10 else None)
        intree, share = both(f, "intree", 1, memory, 4 * MIB), V1_SHARE.get(name)
        goal, limit = (f"<= {share} x in-tree", times(share, intree)) if share else (None, None)
        yield Line(f"v1 map and unmap, 4 MiB {memory}, per TCE", intree, both(f, "ours", 1, memory, 4 * MIB), goal, limit)


def pinning_lines(f: Figures) -> Iterator[Line]:
    """Below what v1 cannot get, whatever else the driver does or leaves out."""
    for memory in ("scattered", "contiguous"):
        for op in ("map", "unmap"):
            each, least = f.pinning(op, memory, 4 * MIB)
            floor, plain = f.floor(op, 4 * MIB)
            if least is None or floor is None or plain is None:
                continue
            # clear() takes any run, set() only one of contiguous memory
            entry = min(floor, plain) if op == "unmap" or memory == "contiguous" else floor
            yield Line(f"... v1 {op}, {memory}: {'' if op == 'map' else 'un'}pinning alone", each, least)
            yield Line("... with the entry and its share of the kill", plus(each, floor), least + entry)


def fixed_lines(f: Figures, name: str) -> Iterator[Line]:
    for version in (1, 2):
        for op in ("map", "unmap"):
            ours = f.get("ours", op, version, "scattered", 4096)
            intree = f.get("intree", op, version, "scattered", 4096)
            goal, limit = ("<= in-tree", times(EXACT, intree)) if version == 2 else (None, None)
            yield Line(f"v{version} {op}, one entry", intree, ours, goal, limit)
    intree = both(f, "intree", 1, "scattered", 4096)
    yield Line("v1 map and unmap, one entry", intree, both(f, "ours", 1, "scattered", 4096),
               "<= in-tree" if name in V1_SHARE else None, times(EXACT, intree))


def flat_lines(f: Figures) -> Iterator[Line]:
    for op in ("register", "map", "unmap", "unregister"):
        few = f.get("ours", op, 2, "registrations", 16)
        many = f.get("ours", op, 2, "registrations", 65536)
        known = dict(f.series("intree", op, 2, "registrations"))
        theirs = known[max(known)] / known[16] if len(known) > 1 and 16 in known else None
        yield Line(f"{op} of a page, 65,536 : 16 registrations", theirs, ratio(many, few), f"<= {FLAT}", FLAT)


def dpdk_lines(f: Figures) -> Iterator[Line]:
    for op in ("start", "stop"):
        # one number of segments, and enough of them: the kernel's driver is quadratic
        known = [(n, cost) for n, cost in f.series("ours", op, 2, "dpdk") if n >= 8192]
        n = known[-1][0] if known else 8192
        intree = f.get("intree", op, 2, "dpdk", n)
        yield Line(f"DPDK {op}, {n:,} segments of one page", intree, f.get("ours", op, 2, "dpdk", n), f"{DPDK} times less",
                   times(1 / DPDK, intree))


def register_lines(f: Figures, short: bool) -> Iterator[Line]:
    n = SHORT_REGISTER if short else 1024 * MIB
    for memory in ("scattered",) if short else ("scattered", "thp", "hugetlb"):
        ours, intree = (f.get(d, "register", 2, memory, n) for d in ("ours", "intree"))
        yield Line(f"REGISTER of {n // MIB:,} MiB {memory}, per page", intree, ours, "<= in-tree", times(EXACT, intree))
        ours, intree = (f.get(d, "books", 2, memory, n) for d in ("ours", "intree"))
        # none at all would be books that are not seen: small ones come out of a slab, as those of huge pages
        seen = memory == "scattered"
        yield Line("... bookkeeping, bytes per page", intree, ours or None if seen else ours, "<= in-tree" if seen else None,
                   times(EXACT, intree))


def huge_lines(f: Figures, name: str, short: bool) -> Iterator[Line]:
    n = SHORT_REGISTER if short else 1024 * MIB
    pages = 2 * MIB // (65536 if name.endswith("64k") else 4096)
    for op in ("register", "unregister"):
        yield Line(f"{op.upper()} of hugetlb, per 2 MiB", times(pages, f.get("intree", op, 2, "hugetlb", n)),
                   f.get("ours", op, 2, "again", AGAIN), f"<= {PER_HUGE}", PER_HUGE)
    # on a host with 64K pages they are one page, which the kernel's counters do not show
    seen = not name.endswith("64k")
    yield Line("... bookkeeping, bytes per 2 MiB", times(pages, f.get("intree", "books", 2, "hugetlb", n)),
               f.get("ours", "books", 2, "again", AGAIN) or None, f"<= {BOOKS_PER_HUGE}" if seen else None, BOOKS_PER_HUGE)
    for op in ("register", "unregister"):
        yield Line(f"{op.upper()} of hugetlb, per 1 GiB", None, f.get("ours", op, 2, "giant", GIANT_AGAIN), f"<= {PER_HUGE}", PER_HUGE)
    yield Line("... bookkeeping, bytes per 1 GiB", None, f.get("ours", "books", 2, "giant", GIANT_AGAIN) or None,
               f"<= {BOOKS_PER_HUGE}" if seen else None, BOOKS_PER_HUGE)
    limit = PER_PAGE_OF_THP.get(name)
    yield Line("REGISTER of thp, per page", f.get("intree", "register", 2, "thp", n), f.get("ours", "register", 2, "thp", n),
               f"<= {limit}" if limit else None, limit)


def hold_lines(f: Figures) -> Iterator[Line]:
    """For how long MAP and UNMAP wait for others at most: as long as for a region of any size."""
    for op in ("register", "unregister"):
        few, many = (f.get("ours", f"hold-{op}", 2, "again", n) for n in (1024 * MIB, AGAIN))
        yield Line(f"{op.upper()} of 16 GiB holds the lock for", None, many, f"<= {FLAT} x that of 1 GiB", times(FLAT, few))


def close_lines(f: Figures) -> Iterator[Line]:
    """A window with something at each entry, unmapped by close: more than an empty one."""
    for version in (1, 2):
        intree, ours = (dict(f.series(d, "close", version, "full")) for d in ("intree", "ours"))
        n = max(ours, default=0)
        yield Line(f"v{version} close, window full, more than empty, per TCE", intree.get(n), ours.get(n), "<= UNMAP of 4 MiB",
                   times(EXACT, f.get("ours", "unmap", version, "scattered", 4 * MIB)))


def cells(bits: int, levels: int, page: int) -> int:
    """Cells of the tables that a window of 2^bits bytes and FEW entries, evenly spread, has."""
    entries = bits - 12
    level = max(-(-entries // levels), page.bit_length() - 1 - 3)
    tables = sum(min(FEW, 1 << max(entries - level * (levels - depth), 0)) for depth in range(levels))
    return tables << level


def sparse_lines(f: Figures, page: int) -> Iterator[Line]:
    floor = f.floor("unmap", 4 * MIB)[0]
    limit = times(FLOOR_MULTIPLE, floor)
    for op in ("unmap-all", "remove"):
        for bits in (37, 46):
            figures = []
            for driver in ("intree", "ours"):
                levels = f.get(driver, "levels", 2, "sparse", 1 << bits)
                cost = f.get(driver, op, 2, "sparse", 1 << bits)
                figures.append(cost / cells(bits, int(levels), page) if cost and levels else None)
            intree, ours = figures
            yield Line(f"{op} of 2^{bits} bytes, {FEW} entries, per cell", intree, ours, of_floor(limit), limit, floor=ratio(ours, floor))


def parallel_lines(f: Figures, short: bool) -> Iterator[Line]:
    """What two CPUs are worth, and what of them is lost spinning and sleeping."""
    for version in (1, 2):
        for n in (MIB,) if short else (4096, 65536, MIB):
            intree, ours = (f.get(d, "parallel", version, "cpus", n) for d in ("intree", "ours"))
            goal = f">= {PARALLEL}" if n >= MIB else None     # where the firmware's own lock has no part in it
            yield Line(f"v{version} two CPUs are worth, {n >> 10} KiB a call", intree, ours, goal, PARALLEL, least=True, shared=True)
            for key, what in (("spun", "... part of their instructions spent spinning"), ("slept", "... part of the time asleep"),
                              ("contended", "... contended locks of the kernel, per call")):
                intree, ours = (f.get(d, "parallel", version, key, n) for d in ("intree", "ours"))
                yield Line(what, intree, ours)
        yield beside_line(f, version)
    yield Line("v2 calls beside REGISTER of 16 GiB, part of a CPU", None, f.get("ours", "parallel", 2, "beside-register", AGAIN),
               f">= {BESIDE}", BESIDE, least=True, shared=True)


def beside_line(f: Figures, version: int) -> Line:
    n = LONG_CALL[version]
    intree, ours = (f.get(d, "parallel", version, "beside", n) for d in ("intree", "ours"))
    return Line(f"v{version} calls beside one of {n // MIB} MiB, part of a CPU", intree, ours, f">= {BESIDE}", BESIDE, least=True,
                shared=True)


def counter_lines(f: Figures) -> Iterator[Line]:
    """How much of what is executed the counter sees."""
    for shape, what in (("loop", "a loop of three instructions"), ("calls", "calls of seven instructions")):
        for _, seen in f.series("ours", "counter", 0, shape):
            yield Line(f"part of {what} that is counted", None, seen)


def call_lines(f: Figures, name: str, machine: str) -> Iterator[Line]:
    n = 512 if machine == "pseries" else 1024
    for version in (1, 2):
        for memory in ("scattered", "contiguous"):
            maps, unmaps = ([f.get(d, op, version, memory, n) for d in ("intree", "ours")] for op in ("map-calls", "unmap-calls"))
            if machine == "pseries":
                intree, ours = (plus(*both) for both in zip(maps, unmaps))
                goal = f"<= {HCALLS}" if memory == "contiguous" else None
                yield Line(f"v{version} hypervisor calls, MAP and UNMAP of {n} {memory}", intree, ours, goal, HCALLS, (intree,))
            else:
                for op, (intree, ours) in (("MAP", maps), ("UNMAP", unmaps)):
                    yield Line(f"v{version} invalidations, {op} of {n:,} {memory}", intree, ours, "<= 1", 1,
                               () if version == 1 and name not in V1_SHARE else (intree,))


def lines_of(f: Figures, name: str, machine: str, short: bool) -> Iterator[Line]:
    """All lines of a host, whether there are figures or not."""
    yield from per_tce_lines(f, name, machine, short)
    yield from pinning_lines(f)
    yield from fixed_lines(f, name)
    if not (short and machine == "pseries"):
        yield from huge_lines(f, name, short)
    if short and name.endswith("64k"):
        return
    yield from flat_lines(f)
    if not (short and machine == "pseries"):
        yield from dpdk_lines(f)
        yield from register_lines(f, short)
    if machine == "powernv9":
        yield from hold_lines(f)
        yield from close_lines(f)
        yield from sparse_lines(f, 65536 if name.endswith("64k") else 4096)
        yield from parallel_lines(f, short)
        yield from counter_lines(f)
    yield from call_lines(f, name, machine)
