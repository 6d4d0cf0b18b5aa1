#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Metrics of vfio_iommu_spapr_tce for the textfile collector of Prometheus' node exporter. Run it
as root, from a timer or cron:

    tcestat-textfile.py >FILE.new && mv FILE.new FILE

FILE is for example /var/lib/prometheus/node-exporter/tcestat.prom.
"""
import collections
import json
import re
import subprocess
from typing import Any


def tcestat(*command: str) -> tuple[int, str]:
    done = subprocess.run(["tcestat", *command], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


code, checks = tcestat("doctor", "--json")
print(f"tce_doctor_exit_code {code}")
if checks:
    print(f"tce_checks_failed {sum(not check['ok'] for check in json.loads(checks)['checks'])}")
loaded = tcestat("--version")[1].partition("\nloaded: ")[2]
here = bool(loaded) and not re.match("none|.*in-tree", loaded)
print(f"tce_loaded {int(here)}")
# The rest is for root alone, and not to be had without debugfs: tcestat says why on standard error.
state: Any = json.loads(tcestat("--json")[1] or "null") if here else None
if state:
    module = state["module"]
    print(f"tce_leaked_bytes {module['leaked']}")
    print(f"tce_leaked_tables {module['leaked_tables']}")
    print(f"tce_containers {len(state['containers'])}")
    # One that has called exec with a container open may be there twice.
    locked: collections.Counter[int] = collections.Counter()
    for process in state["processes"]:
        locked[process["tgid"]] += process["locked_vm"]
    for pid, size in locked.items():
        print(f'tce_locked_bytes{{pid="{pid}"}} {size}')
