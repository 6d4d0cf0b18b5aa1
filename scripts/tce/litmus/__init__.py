# SPDX-License-Identifier: GPL-2.0-only
"""The protocols of litmus/: programs for herd7, and what they have to do with the sources."""
