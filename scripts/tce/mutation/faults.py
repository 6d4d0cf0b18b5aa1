# SPDX-License-Identifier: GPL-2.0-only
"""What may be wrong in a function: all the faults that a mutant can have."""
import re
from collections.abc import Callable, Iterator

# (start, end, replacement)
Edit = tuple[int, int, str]

# (kind, edits)
Fault = tuple[str, list[Edit]]


BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
DROPPED = (
    ("weaker barrier", r"(?:smp_)?[rw]?mb(?:__\w+)?|barrier"),
    ("dropped kill", r"tce_table_kill\w*|tce_table_flush|unmap_release|unmap_kill|iommu_tce_kill|iommu_flush_tce"),
    ("dropped put", r"tce_hold_put|tce_pins?_put|tce_holds_(?:add|release|destroy)|holds_add\w*|tce_region_(?:drop|free)|"
                    r"(?:tce_book|words|array|pages)_unpin|kfree|kvfree|mmdrop|iommu_tce_table_put|unpin_user_\w+|mm_iommu_mapped_dec|"
                    r"tce_(?:process|group|container)_put|tce_window_(?:free|unset|empty)|tce_unmap_leftovers|"
                    r"tce_account_(?:uncharge|owe|settle)|account_locked_vm"),
    ("dropped get", r"iommu_tce_table_get|mmgrab|atomic64_add|pin_use|tce_process_worsen|refcount_inc"),
    ("dropped call", r"[a-z]\w+"),
)
LOCKS = (("spin_lock", "spin_unlock"), ("mutex_lock", "mutex_unlock"), ("down_write", "up_write"),
         ("rcu_read_lock", "rcu_read_unlock"), ("tce_space_lock", "tce_space_unlock"))
BARRIERS = {"smp_load_acquire": "*", "clear_bit_unlock": "clear_bit"}
RETURNS = {"true": "false", "false": "true", "rc": "0", "0": "-EIO"}
FLAGS = {"true": "false", "false": "true"}
DIRECTIONS = {"DMA_NONE": "DMA_BIDIRECTIONAL", "DMA_FROM_DEVICE": "DMA_TO_DEVICE",
              "DMA_BIDIRECTIONAL": "DMA_TO_DEVICE", "TCE_PCI_READ": "TCE_PCI_WRITE",
              "tce_dir_writes(": "!tce_dir_writes("}


class Body:
    """The body of a function within the code of its file, comments and strings blanked."""

    def __init__(self, code: str, start: int, end: int) -> None:
        self.code, self.start, self.text = code, start, code[start:end]

    def each(self, pattern: str, flags: int = 0) -> Iterator[tuple[re.Match[str], int, int]]:
        """(match, start, end) of all that fits, as places in the file."""
        for m in re.finditer(pattern, self.text, flags):
            yield m, self.start + m.start(), self.start + m.end()


def closing(code: str, start: int) -> int:
    """Where the parenthesis that opens at start is closed."""
    depth = 0
    for at in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if not depth:
            return at
    raise ValueError("unbalanced parentheses")


def comparisons(f: Body) -> Iterator[Fault]:
    for m, a, b in f.each(r"(?<= )(<=|>=|<|>)(?= )"):
        yield "comparison off by one", [(a, b, BOUNDARY[m[1]])]
    for m, a, b in f.each(r"(?<= )(==|!=)(?= )"):
        yield "negated comparison", [(a, b, "!=" if m[1] == "==" else "==")]
    for m, a, b in f.each(r"(?<=\s)(&&|\|\|)(?=\s)"):
        yield "and/or", [(a, b, "||" if m[1] == "&&" else "&&")]


def conditions(f: Body) -> Iterator[Fault]:
    for m, _, b in f.each(r"\b(if|while) (\()"):
        last = closing(f.code, b - 1)
        yield "condition never true", [(b - 1, b, "(("), (last, last + 1, ") && 0)")]
        if m[1] == "if":
            yield "condition always true", [(b - 1, b, "(("), (last, last + 1, ") || 1)")]
            yield "negated condition", [(b - 1, b, "(!("), (last, last + 1, "))")]


def arithmetic(f: Body) -> Iterator[Fault]:
    for _, a, b in f.each(r" [-+] 1\b"):
        yield "constant off by one", [(a, b, "")]
    for m, a, b in f.each(r"(?<= )[-+](?= )"):
        yield "arithmetic", [(a, b, "-" if m[0] == "+" else "+")]
    for m, a, b in f.each(r"(?<= )(<<|>>)(?= )"):
        yield "arithmetic", [(a, b, "<<" if m[0] == ">>" else ">>")]
    for m, a, b in f.each(r"(?<= )[-+]="):
        yield "arithmetic", [(a, b, "-=" if m[0] == "+=" else "+=")]


def assignments(f: Body) -> Iterator[Fault]:
    for _, a, b in f.each(r"^\t+[\w.>-]+(\+\+|--);$", re.M):
        yield "dropped assignment", [(a, b, ";")]
    for m, a, b in f.each(r"^\t+[\w.\[\]>-]+ [-+|&]?= [^;]*;$", re.M):
        yield "dropped assignment", [(a, b, re.sub(r"[^\n]", "", m[0]) + ";")]


def calls(f: Body) -> Iterator[Fault]:
    for m, a, b in f.each(r"^(\t+)((?:\(void\))?([a-z]\w*)\()", re.M):
        last = closing(f.code, b - 1)
        if f.code[last + 1] != ";":
            continue
        if any(m[3] in pair for pair in LOCKS) or m[3] in BARRIERS:
            continue
        kind = next(k for k, names in DROPPED if re.fullmatch(names, m[3]))
        lines = f.code[a:last].count("\n")
        yield kind, [(a, last + 1, m[1] + "\n" * lines)]


def words(f: Body) -> Iterator[Fault]:
    for m, a, b in f.each(r"\b(DMA_\w+|TCE_PCI_READ|tce_dir_writes\()"):
        if m[1] in DIRECTIONS:
            yield "swapped direction", [(a, b, DIRECTIONS[m[1]])]
    for m, a, b in f.each(r"(?<=, )(true|false)(?=\))|(?<= = )(true|false)(?=;)"):
        yield "swapped flag", [(a, b, FLAGS[m[0]])]


def jumps(f: Body) -> Iterator[Fault]:
    labels = re.findall(r"^(\w+):$", f.text, re.M)
    for m, a, b in f.each(r"\bgoto ((?:err|out)\w*);"):
        yield "skipped unwinding", [(a, b, "return rc;" if "rc" in f.text else "return;")]
        if m[1] in labels[:-1]:
            after = labels[labels.index(m[1]) + 1]
            yield "skipped unwinding", [(a, b, f"goto {after};")]
    for m, a, b in f.each(r"\breturn ([\w-]+|TCE_REFUSE\(\w+, \w+\));"):
        if m[1] in RETURNS or m[1].startswith(("-E", "TCE_REFUSE")):
            yield "other result", [(a, b, f"return {RETURNS.get(m[1], '0')};")]
    for _, a, b in f.each(r"^\t+(continue|break);$", re.M):
        yield "dropped jump", [(a, b, ";")]


def barriers(f: Body) -> Iterator[Fault]:
    for m, a, b in f.each(r"\b(smp_load_acquire|clear_bit_unlock)\("):
        yield "weaker barrier", [(a, b - 1, BARRIERS[m[1]])]
    for m, a, b in f.each(r"\bsmp_store_release\(([^,]+), ([^)]+)\)"):
        arg = m[1].replace("&", "", 1)
        yield "weaker barrier", [(a, b, f"WRITE_ONCE({arg}, {m[2]})")]


def locks(f: Body) -> Iterator[Fault]:
    for lock, unlock in LOCKS:
        taken: dict[str, list[tuple[str, Edit]]] = {}
        for m, a, b in f.each(rf"^(\t+)({lock}|{unlock})\(([^;]*)\);$", re.M):
            taken.setdefault(m[3], []).append((m[2], (a, b, m[1] + ";")))
        for pairs in taken.values():
            if {name for name, _ in pairs} == {lock, unlock}:
                yield "removed lock", [edit for _, edit in pairs]


FAULTS: tuple[Callable[[Body], Iterator[Fault]], ...] = (
    comparisons, conditions, arithmetic, assignments, calls, words, jumps, barriers, locks)


def faults(code: str, start: int, end: int) -> Iterator[Fault]:
    """All faults for the function whose body is there."""
    body = Body(code, start, end)
    for kind in FAULTS:
        yield from kind(body)
