# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests, or see whether tests and sources fit together."""
from collections.abc import Callable, Sequence

from tce.cli import parser, path_from
from tce.litmus import herd, program
from tce.litmus.fit import compare, sources
from tce.litmus.program import Test, reasons
from tce.paths import ROOT


def kernel_source() -> Callable[[str], str | None]:
    tree = path_from("build-kernel", "--source", "6.12-be")

    def read(file: str) -> str | None:
        return (tree / file).read_text() if (tree / file).is_file() else None
    return read


def check(tests: Sequence[Test], show: bool) -> int:
    wrong, barriers = compare(tests, sources(), kernel_source(), reasons((ROOT / "litmus/reasons").read_text()))
    if show:
        for file, function, barrier, by in barriers:
            print(f"{file:22} {function:20} {barrier:22} {by}")
    for text in wrong:
        print(text)
    print(f">> litmus: {len(tests)} tests and {len(barriers)} barriers, {len(wrong)} do not fit")
    return 1 if wrong else 0


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("name", nargs="*")
    p.add_argument("--check", action="store_true")
    p.add_argument("--barriers", action="store_true")
    args = p.parse_args()
    tests = program.load()
    if args.check or args.barriers:
        if args.name:
            p.error("--check and --barriers are about all tests")
        return check(tests, args.barriers)
    unknown = set(args.name) - {t.name for t in tests}
    if unknown:
        p.error(f"no such test: {' '.join(sorted(unknown))}")
    return herd.run_all([t for t in tests if not args.name or t.name in args.name])
