# SPDX-License-Identifier: GPL-2.0-only
"""What is handed out: the sources as one file, and packages."""
