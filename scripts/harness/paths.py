# SPDX-License-Identifier: GPL-2.0-only
"""Where things are."""
import os
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
ROOT = SCRIPTS.parent
DATA = SCRIPTS / "harness/data"
IMAGE = SCRIPTS / "image"
OUT = ROOT / "out"
LOGS = OUT / "log"

# Everything that was downloaded or built once; see scripts/lib.sh.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vfio-spapr-tce"
