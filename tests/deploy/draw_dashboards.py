"""Pictures of the dashboards for the documentation.

    draw_dashboards.py [SECONDS]

A real server under load and a real training are watched by a real Prometheus for SECONDS (60); every
panel's queries are asked there, and the answers are drawn by headless Chromium with uPlot, not by
Grafana. Writes docs/images/dashboard_NAME.png.
"""

import json
import pathlib
import re
import struct
import sys
import tempfile
import time

import monitored
import tools

HERE = pathlib.Path(__file__).resolve().parent
NOTE = ("Answers of a real Prometheus to this dashboard's queries, drawn by "
        "tests/deploy/draw_dashboards.py; Grafana's own picture looks different.")
STYLE = """
body { background: #111217; color: #ccccdc; font: 13px sans-serif; margin: 10px; width: 1392px; }
h1 { font-size: 18px; margin: 4px 0 10px; } p { color: #9fa7b3; margin: 8px 0 0; }
.grid { position: relative; }
.panel { position: absolute; background: #181b1f; border: 1px solid #25292f; overflow: hidden; }
.row { position: absolute; color: #9fa7b3; }
.title { padding: 4px 6px; font-weight: bold; font-size: 12px; }
.number { font-size: 34px; text-align: center; line-height: 80px; }
.u-legend { font-size: 10px; text-align: left; } .u-legend .u-series > * { padding: 1px 3px; }
.u-legend .u-value { display: none; } .u-legend .u-series:first-child { display: none; }
table { border-spacing: 8px 2px; } th { text-align: left; color: #6e9fff; font-size: 11px; }
"""


def name_of(legend, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m.group(1), ""), legend) or "value"


def panel_data(watch, panel, job, end, seconds):
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    series = []
    for target in panel.get("targets", []):
        expression = monitored.fill_in(target["expr"], job)
        for labels, values in watch.curves(expression, end, seconds):
            values = [(at, value) for at, value in values if value == value]
            if values:
                series.append({"name": name_of(target["legendFormat"], labels), "labels": labels,
                               "values": values})
    unit = panel.get("options", {}).get("yAxis", {}).get("unit") or defaults.get("unit", "none")
    return {"type": panel["type"], "title": panel["title"], "series": series, "unit": unit,
            "place": panel["gridPos"], "least": defaults.get("min"), "most": defaults.get("max"),
            "steps": defaults.get("thresholds", {}).get("steps")}


def page(board):
    plot = tools.MODULES / "uplot/dist"
    return "\n".join([
        "<!doctype html><meta charset=utf-8>",
        f"<style>{(plot / 'uPlot.min.css').read_text()}{STYLE}</style><body>",
        f"<script>{(plot / 'uPlot.iife.min.js').read_text()}</script>",
        f"<script>const BOARD = {json.dumps(board)};</script>",
        f"<script>{(HERE / 'dashboard_page.js').read_text()}</script>"])


def picture(chromium, board, folder, path):
    """One PNG as high as the dashboard."""
    file = folder / f"{path.stem}.html"
    file.write_text(page(board), encoding="utf-8")
    common = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
              "--disable-background-networking", "--disable-component-update", "--disable-sync",
              "--hide-scrollbars", f"--user-data-dir={folder / 'chromium'}",
              "--virtual-time-budget=3000"]
    dom = tools.run(*common, "--dump-dom", file.as_uri())
    if "<title>drawn</title>" not in dom:
        raise AssertionError(f"{file} has a script error")
    height = 100 + 36 * max(p["place"]["y"] + p["place"]["h"] for p in board["panels"])
    tools.run(*common, f"--window-size=1412,{height}", f"--screenshot={path}", file.as_uri())
    width, drawn = struct.unpack(">II", path.read_bytes()[16:24])
    print(f"{path.relative_to(tools.ROOT)}: {width}x{drawn}")


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    chromium, prometheus = tools.need("chromium", "prometheus")
    tools.need_modules("uplot")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        boards = {}
        with monitored.Monitored(folder, prometheus) as watch:
            time.sleep(seconds)
            end = int(time.time())  # the same for all, so that their points share one axis
            for path in sorted((tools.ROOT / "deploy/grafana/dashboards").glob("*.json")):
                board = json.loads(path.read_text(encoding="utf-8"))
                job = "slotmatch-training" if path.stem == "training" else "slotmatch"
                panels = [panel_data(watch, panel, job, end, seconds) for panel in board["panels"]]
                boards[path.stem] = {"title": board["title"], "note": NOTE, "panels": panels}
        for stem, board in boards.items():
            picture(chromium, board, folder, tools.ROOT / f"docs/images/dashboard_{stem}.png")


if __name__ == "__main__":
    main()
