#!/usr/bin/env python3
"""Checks that every test the threat model names exists.

    named_tests.py ROOT    prints one line per name that is no test, exits 1 if any

Reads the table of docs/security.md and the TEST macros below tests/.
"""

import pathlib
import re
import sys


def main(root):
    tests = set()
    for path in (root / "tests").rglob("*.cc"):
        for suite, case in re.findall(r"^TEST(?:_[FP])?\((\w+), (\w+)\)", path.read_text(), re.M):
            tests.add(f"{suite}.{case}")
    rows = [line for line in (root / "docs/security.md").read_text().splitlines()
            if line.startswith("| ") and line.count("|") == 4]
    missing = [f"docs/security.md: there is no test {name}"
               for row in rows for name in re.findall(r"`(\w+\.\w+)`", row.split("|")[3])
               if name not in tests]
    without = [f"docs/security.md: no test in '{row}'" for row in rows[1:]
               if not re.search(r"`\w+\.\w+`", row.split("|")[3])]
    for line in missing + without:
        print(line)
    return 1 if missing or without or len(rows) < 2 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
