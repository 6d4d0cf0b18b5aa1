# SPDX-License-Identifier: GPL-2.0-only
"""Which lines and branches of the module the tests run."""
