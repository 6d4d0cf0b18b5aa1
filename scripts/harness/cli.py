# SPDX-License-Identifier: GPL-2.0-only
"""What the commands have in common: how they start, speak, fail, and call each other."""
import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from harness.paths import SCRIPTS


def start(main: Callable[[str], int], doc: str | None) -> NoReturn:
    """Run a command, of which @doc says what it does; its result is the exit code."""
    try:
        sys.exit(main(doc or ""))
    except KeyboardInterrupt:
        sys.exit(130)


def parser(doc: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=doc,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def say(text: str) -> None:
    print(f">> {text}", file=sys.stderr, flush=True)


def die(text: object) -> NoReturn:
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr)
    sys.exit(2)


def output(script: str, *args: object) -> str:
    """What another command prints, normally a path; if it fails this one ends."""
    done = subprocess.run([SCRIPTS / script, *map(str, args)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        die(f"scripts/{' '.join([script, *map(str, args)])} failed")
    return done.stdout.strip()


def path_from(script: str, *args: object) -> Path:
    return Path(output(script, *args))
