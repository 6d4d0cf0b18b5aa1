# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites of kunit/ in emulated hosts: cases, module, reports, verdicts."""
