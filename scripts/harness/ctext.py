# SPDX-License-Identifier: GPL-2.0-only
"""C as text: comments, and where functions are. For code in the kernel's style."""
import re

COMMENT = r"/\*.*?\*/|//[^\n]*"
STRING = r'"(?:\\.|[^"\\\n])*"'


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def without_comments(text: str) -> str:
    """The text with comments blanked, at the same length."""
    return re.sub(rf"{COMMENT}|{STRING}", lambda m: m[0] if m[0][0] == '"' else _blank(m), text,
                  flags=re.S)


def functions(code: str) -> dict[str, str]:
    """{name: its head and body}, of C without comments."""
    found = {}
    for m in re.finditer(r"^(?=\w)[^;{}=#]*?\b(\w+)\([^;{}]*\)\s*\n\{.*?^\}", code, re.M | re.S):
        found[m[1]] = m[0]
    return found
