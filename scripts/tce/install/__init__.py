# SPDX-License-Identifier: GPL-2.0-only
"""Real Debian systems for ppc64el: how they are made, and what is done on them."""
