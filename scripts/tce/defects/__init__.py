# SPDX-License-Identifier: GPL-2.0-only
"""The known defects of the kernel's own driver: what they are, and how they are shown."""
