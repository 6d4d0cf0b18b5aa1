# SPDX-License-Identifier: GPL-2.0-only
"""Everything that must hold before a change goes in: steps, and how they are counted."""
