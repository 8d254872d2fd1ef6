#!/usr/bin/env python3
"""Checks the rules of layout that a compiler does not: who may include whom, and the form of files.

    include_rules.py ROOT              checks a tree; prints one line per breach, exits 1 if any
    include_rules.py ROOT --self-test  checks that every rule catches a breach

Reads the C++ sources only; needs nothing but Python's standard library.
"""

import pathlib
import re
import sys
import tempfile

FOLDERS = ("core", "trainer", "server", "client", "tests")
SUFFIXES = {".h", ".cc", ".cu"}
MAX_LINES = 500
MAX_COLUMNS = 100

# Rooms that each room's files may include; base and config are open to every room.
EVERYWHERE = {"core/base", "core/config"}
MAY_INCLUDE = {
    "core/base": set(),
    "core/config": set(),
    "core/image": set(),
    "core/kernels": set(),
    "core/nn": {"core/kernels"},
    "core/weights": set(),
    "core/model": {"core/nn", "core/weights"},
    "core/track": {"core/image"},
    "core/engine": {"core/model", "core/image", "core/track", "core/weights"},
    "trainer": {"core/model", "core/nn", "core/image", "core/weights", "core/track", "core/engine"},
    "server": {"core/engine"},
    "client": {"core/image"},
}
# base is the ground: it may not even use config.
NOT_BELOW = {"core/base": {"core/config"}}

# Third-party headers and the folders that may name them; tests may name all of them.
THIRD_PARTY = {
    "torch": (r"(torch|ATen|c10)/", ("core/nn", "core/kernels", "core/model", "core/engine", "trainer")),
    "gRPC": (r"(grpcpp|grpc)/|.*\.grpc\.pb\.h$", ("server", "client")),
    "OpenCV": (r"opencv2/", ("core/image", "client", "trainer")),
    "prometheus": (r"prometheus/", ("server/metrics",)),
    "wire API": (r"slotmatch/v1/", ("server", "client")),
}


def is_third_party(name, include):
    return re.match(THIRD_PARTY[name][0], include) is not None


def room_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


class Tree:
    """The C++ files below a root, by path relative to it."""

    def __init__(self, root):
        self.lines = {}
        for folder in FOLDERS:
            for path in sorted((root / folder).rglob("*")):
                if path.suffix in SUFFIXES and path.is_file():
                    text = path.read_text(encoding="utf-8")
                    self.lines[path.relative_to(root).as_posix()] = text.splitlines()
        self.includes = {path: list(self._includes(lines)) for path, lines in self.lines.items()}

    @staticmethod
    def _includes(lines):
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if match:
                yield number, match.group(1)

    def reach(self, path):
        """Every header that `path` includes, directly or through files of the tree."""
        seen, todo = set(), [path]
        while todo:
            for _, include in self.includes.get(todo.pop(), ()):
                if include not in seen:
                    seen.add(include)
                    todo.append(include)
        return seen


def check_rooms(tree):
    for path, includes in tree.includes.items():
        room = room_of(path)
        allowed = MAY_INCLUDE.get(room, set()) | EVERYWHERE | {room}
        allowed -= NOT_BELOW.get(room, set())
        for number, include in includes:
            if not include.startswith(tuple(folder + "/" for folder in FOLDERS)):
                continue
            if room != "tests" and room_of(include) not in allowed:
                yield f"{path}:{number}: {room} may not include {include}"


def check_third_party(tree):
    for path, includes in tree.includes.items():
        for number, include in includes:
            for name, (_, folders) in THIRD_PARTY.items():
                if not is_third_party(name, include) or path.startswith("tests/"):
                    continue
                if not path.startswith(tuple(folder + "/" for folder in folders)):
                    yield f"{path}:{number}: {name} header {include} belongs to {', '.join(folders)}"


def check_torch_wall(tree):
    """Through any chain of headers: torch and gRPC never meet, and server sees no torch."""
    for path in tree.lines:
        reached = tree.reach(path)
        torch = sorted(i for i in reached if is_third_party("torch", i))
        grpc = sorted(i for i in reached if is_third_party("gRPC", i))
        if torch and grpc:
            yield f"{path}: reaches both {torch[0]} and {grpc[0]}"
        elif torch and room_of(path) in ("server", "client"):
            yield f"{path}: reaches {torch[0]}"


def check_headers(tree):
    for path, lines in tree.lines.items():
        if not path.endswith(".h"):
            continue
        code = [line for line in lines if line.strip() and not line.startswith("//")]
        if not code or code[0].strip() != "#pragma once":
            yield f"{path}: does not begin with #pragma once"
        for number, include in tree.includes[path]:
            if include == "torch/torch.h":
                yield f"{path}:{number}: torch/torch.h belongs into .cc files"


def check_own_header_first(tree):
    for path, includes in tree.includes.items():
        own = path[:-3] + ".h"
        if path.endswith(".cc") and own in tree.lines and includes and includes[0][1] != own:
            yield f"{path}:{includes[0][0]}: the first include should be {own}"


def check_size(tree):
    for path, lines in tree.lines.items():
        if len(lines) > MAX_LINES:
            yield f"{path}: {len(lines)} lines; at most {MAX_LINES}"
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                yield f"{path}:{number}: {len(line)} columns; at most {MAX_COLUMNS}"


CHECKS = (check_rooms, check_third_party, check_torch_wall, check_headers, check_own_header_first,
          check_size)


def breaches(root):
    tree = Tree(root)
    return [line for check in CHECKS for line in check(tree)], len(tree.lines)


# Files that keep every rule, and for each breach the file that commits it and a part of its line.
SOUND = {
    "core/base/a.h": "#pragma once\n#include <string>\n",
    "core/base/a.cc": '#include "core/base/a.h"\n',
    "core/nn/layer.h": "// A layer.\n#pragma once\n#include <torch/types.h>\n",
    "core/nn/layer.cc": '#include "core/nn/layer.h"\n\n#include <torch/torch.h>\n',
    "core/engine/wall.h": '#pragma once\n#include "core/base/a.h"\n',
    "core/engine/run.cc": '#include "core/engine/wall.h"\n#include "core/model/m.h"\n',
    "core/model/m.h": '#pragma once\n#include "core/nn/layer.h"\n',
    "server/s.cc": '#include <grpcpp/grpcpp.h>\n#include "core/engine/wall.h"\n',
    "server/metrics/m.cc": "#include <prometheus/gauge.h>\n",
    "client/c.cc": '#include <opencv2/core.hpp>\n#include "slotmatch/v1/slotmatch.grpc.pb.h"\n',
    "tests/support/t.h": "#pragma once\n",
    "tests/unit/t_test.cc": '#include "tests/support/t.h"\n#include <torch/torch.h>\n',
}
BREACHES = (
    ("core/base/b.cc", '#include "core/config/config.h"\n', "may not include"),
    ("core/image/b.cc", '#include "core/model/m.h"\n', "may not include"),
    ("core/nn/b.cc", '#include "core/model/m.h"\n', "may not include"),
    ("core/engine/b.cc", '#include "server/x.h"\n', "may not include"),
    ("core/model/b.cc", '#include "trainer/x.h"\n', "may not include"),
    ("core/base/b.cc", '#include "tests/support/t.h"\n', "may not include"),
    ("trainer/b.cc", '#include "client/x.h"\n', "may not include"),
    ("trainer/b.cc", '#include "server/x.h"\n', "may not include"),
    ("server/b.cc", '#include "core/model/x.h"\n', "may not include"),
    ("server/b.cc", '#include "trainer/x.h"\n', "may not include"),
    ("client/b.cc", '#include "core/engine/wall.h"\n', "may not include"),
    ("core/engine/b.cc", "#include <grpcpp/grpcpp.h>\n", "gRPC header"),
    ("core/engine/b.cc", "#include <prometheus/gauge.h>\n", "prometheus header"),
    ("core/engine/b.cc", '#include "slotmatch/v1/slotmatch.pb.h"\n', "wire API header"),
    ("core/base/b.cc", "#include <torch/types.h>\n", "torch header"),
    ("core/track/b.cc", "#include <opencv2/core.hpp>\n", "OpenCV header"),
    ("server/rpc/b.cc", "#include <prometheus/gauge.h>\n", "prometheus header"),
    ("server/b.cc", "#include <torch/torch.h>\n", "torch header"),
    ("core/engine/wall.h", '#pragma once\n#include "core/model/m.h"\n', "server/s.cc: reaches both"),
    ("tests/unit/b.cc", '#include <grpcpp/grpcpp.h>\n#include "core/model/m.h"\n', "reaches both"),
    ("core/nn/b.h", "#pragma once\n#include <torch/torch.h>\n", "belongs into .cc"),
    ("core/base/b.h", "#include <string>\n", "#pragma once"),
    ("core/base/a.cc", '#include <string>\n#include "core/base/a.h"\n', "first include"),
    ("core/base/b.cc", "\n" * (MAX_LINES + 1), "lines; at most"),
    ("core/base/b.cc", "//" + "x" * (MAX_COLUMNS - 1) + "\n", "columns; at most"),
)


def found_in(files):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            target = pathlib.Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return breaches(pathlib.Path(folder))[0]


def self_test():
    problems = [f"sound tree: {line}" for line in found_in(SOUND)]
    for path, text, expected in BREACHES:
        found = found_in({**SOUND, path: text})
        if not any(expected in line for line in found):
            problems.append(f"{path} with {text.splitlines()[-1][:60]!r}: no '{expected}' in {found}")
    return problems


def main():
    root = pathlib.Path(sys.argv[1])
    if sys.argv[2:] == ["--self-test"]:
        problems, summary = self_test(), f"{len(BREACHES)} kinds of breach"
    else:
        problems, files = breaches(root)
        summary = f"{files} files"
        if files == 0:
            problems.append(f"{root} holds no sources")
    for line in problems:
        print(line)
    print(f"{summary}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
