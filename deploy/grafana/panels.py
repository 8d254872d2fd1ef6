"""Parts of dashboards, in the form of Grafana's JSON.

A board is a list of rows, a row a title and panels; places on the grid are worked out here.
"""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID_WIDTH = 24
HEIGHTS = {"stat": 4, "timeseries": 8, "heatmap": 8, "table": 8}


def _thresholds(steps):
    return {"mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in steps]}


def _targets(queries, **more):
    """`queries`: {legend: expression}."""
    return [{"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression,
             "legendFormat": legend, **more}
            for number, (legend, expression) in enumerate(queries.items())]


def _panel(kind, title, description, targets, defaults, options):
    return {"type": kind, "title": title, "description": description, "datasource": SOURCE,
            "targets": targets, "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options}


def stat(title, description, expression, unit="none", steps=(("green", None),), decimals=None):
    """One number with a small curve; `steps`: colours from values on."""
    defaults = {"unit": unit, "color": {"mode": "thresholds"}, "thresholds": _thresholds(steps)}
    if decimals is not None:
        defaults["decimals"] = decimals
    return _panel("stat", title, description, _targets({"": expression}), defaults, {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto",
        "orientation": "auto"})


def curves(title, description, queries, unit="none", stacked=False, most=None, least=0):
    """Curves over time; `queries`: {legend: expression}. `least` None: the axis begins anywhere."""
    defaults = {"unit": unit, "custom": {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if stacked else 10,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}}
    if least is not None:
        defaults["min"] = least
    if most is not None:
        defaults["max"] = most
    return _panel("timeseries", title, description, _targets(queries), defaults, {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"}})


def heat(title, description, expression, unit="s"):
    """Buckets of a histogram over time."""
    return _panel("heatmap", title, description, _targets({"{{le}}": expression}, format="heatmap"),
                  {}, {"calculate": False,
                       "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                       "yAxis": {"unit": unit}, "cellGap": 1,
                       "tooltip": {"show": True, "yHistogram": False}, "legend": {"show": True}})


def table(title, description, expressions):
    """The labels of series whose value says nothing."""
    panel = _panel("table", title, description,
                   _targets({}, format="table"), {}, {"showHeader": True})
    panel["targets"] = [{"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression,
                         "legendFormat": "", "format": "table", "instant": True}
                        for number, expression in enumerate(expressions)]
    hidden = ["Time", "Value", "Value #A", "Value #B", "__name__", "job"]
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {name: True for name in hidden}}}]
    return panel


def _place(rows):
    panels, y = [], 0
    for title, members in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False,
                       "gridPos": {"h": 1, "w": GRID_WIDTH, "x": 0, "y": y}, "panels": []})
        y += 1
        per_line = 6 if members[0]["type"] == "stat" else 3 if len(members) % 3 == 0 else 2
        width = GRID_WIDTH // per_line
        for number, member in enumerate(members):
            height = HEIGHTS[member["type"]]
            if number and number % per_line == 0:
                y += height
            panels.append({"id": len(panels) + 1, **member,
                           "gridPos": {"h": height, "w": width, "x": number % per_line * width,
                                       "y": y}})
        y += HEIGHTS[members[-1]["type"]]
    return panels


def _variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
            "multi": name != "job", "includeAll": name != "job", "options": [], "hide": 0}


def board(uid, title, rows, variables):
    """A dashboard. `variables`: [(name, label, query)] after the data source."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource",
              "query": "prometheus", "refresh": 1, "options": [], "hide": 0, "multi": False,
              "includeAll": False}
    links = {"type": "dashboards", "title": "SlotMatch", "tags": ["slotmatch"], "asDropdown": True,
             "icon": "external link", "includeVars": True, "keepTime": True, "targetBlank": False,
             "tooltip": "", "url": ""}
    return {"uid": uid, "title": title, "tags": ["slotmatch"], "editable": True, "graphTooltip": 1,
            "schemaVersion": 38, "version": 1, "refresh": "30s", "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
            "annotations": {"list": []},
            "templating": {"list": [source] + [_variable(*variable) for variable in variables]},
            "links": [links], "panels": _place(rows)}
