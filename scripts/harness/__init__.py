# SPDX-License-Identifier: GPL-2.0-only
"""What the commands of scripts/ have in common."""
