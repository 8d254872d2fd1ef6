"""The dashboards fit Grafana's own types."""

import copy
import json
import pathlib
import tempfile
import unittest

import tools

PACKAGES = ("typescript", "@grafana/schema")
# The types as JSON writes them: enums are their values.
HEAD = """
import type {Dashboard, Panel, RowPanel} from "@grafana/schema";
type J<T> = T extends string ? `${T}` : T extends number ? number : T extends boolean ? boolean :
  T extends (infer U)[] ? J<U>[] : T extends object ? {[K in keyof T]: J<T[K]>} : T;
"""


def complaints(board):
    """What the compiler says about a dashboard."""
    head = {key: value for key, value in board.items() if key != "panels"}
    lines = [HEAD, f"export const head: J<Omit<Dashboard, 'panels'>> = {json.dumps(head)};"]
    for number, panel in enumerate(board["panels"]):
        kind = "RowPanel" if panel["type"] == "row" else "Panel"
        lines.append(f"export const p{number}: J<{kind}> = {json.dumps(panel)};")
    with tempfile.TemporaryDirectory(dir=tools.TOOLS) as folder:
        path = pathlib.Path(folder) / "board.mts"
        path.write_text("\n".join(lines), encoding="utf-8")
        output = tools.run("node", tools.MODULES / "typescript/bin/tsc", "--noEmit", "--strict",
                           "--skipLibCheck", "--preserveSymlinks", "--module", "node16",
                           "--moduleResolution", "node16", path, check=False, cwd=tools.TOOLS)
    return [line for line in output.splitlines() if "error TS" in line]


class DashboardsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.boards = {path.stem: json.loads(path.read_text(encoding="utf-8"))
                      for path in sorted((tools.ROOT / "deploy/grafana/dashboards").glob("*.json"))}

    def test_types(self):
        self.assertEqual(set(self.boards), {"service", "models", "sessions", "training"})
        for name, board in self.boards.items():
            self.assertEqual(complaints(board), [], name)

    def test_mistakes_are_noticed(self):
        board = copy.deepcopy(self.boards["training"])
        board["refesh"] = board.pop("refresh")
        self.assertEqual(len(complaints(board)), 1)
        board = copy.deepcopy(self.boards["training"])
        board["panels"][1]["gridpos"] = board["panels"][1].pop("gridPos")
        self.assertEqual(len(complaints(board)), 1)

    def test_panels_do_not_overlap_and_ids_differ(self):
        for name, board in self.boards.items():
            taken = {}
            for panel in board["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        self.assertIsNone(taken.setdefault((x, y)), f"{name}: {panel['title']}")
                        taken[x, y] = panel["title"]
        uids = [board["uid"] for board in self.boards.values()]
        self.assertEqual(len(uids), len(set(uids)))


if __name__ == "__main__":
    tools.need("node")
    tools.need_modules(*PACKAGES)
    unittest.main(verbosity=2)
