# SPDX-License-Identifier: GPL-2.0-only
"""Modules with one small fault each: made, built, booted, counted."""
