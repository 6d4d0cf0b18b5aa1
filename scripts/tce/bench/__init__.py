# SPDX-License-Identifier: GPL-2.0-only
"""What the module costs: measured, held against goals, drawn, and counted by function."""
