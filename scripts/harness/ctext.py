# SPDX-License-Identifier: GPL-2.0-only
"""C as text: comments, and where functions are. For code in the kernel's style."""
import re

COMMENT = r"/\*.*?\*/|//[^\n]*"
STRING = r'"(?:\\.|[^"\\\n])*"'


def without_comments(text: str) -> str:
    """The text with comments blanked, at the same length."""
    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])

    return re.sub(rf"{COMMENT}|{STRING}", blank, text, flags=re.S)


def functions(code: str) -> dict[str, str]:
    """{name: its head and body}, of C without comments."""
    found = {}
    for m in re.finditer(r"^(?=\w)[^;{}=#]*?\b(\w+)\([^;{}]*\)\s*\n\{.*?^\}", code, re.M | re.S):
        found[m[1]] = m[0]
    return found
