# SPDX-License-Identifier: GPL-2.0-only
"""What the commands of scripts/ are made of.

A command that people type is a file in scripts/: it says what it does and how it is used,
and calls the main() of a module here. What the commands read is in scripts/data; what runs
in the emulated machines is in scripts/guest; the tests of all this are in scripts/tests.
"""
