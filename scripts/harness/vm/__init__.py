# SPDX-License-Identifier: GPL-2.0-only
"""Emulated POWER hosts: what is in them, how they are booted, what their consoles say."""
