#!/usr/bin/env python3
"""Writes the files below deploy/ that say the same as others.

    python3 deploy/generate.py          writes them
    python3 deploy/generate.py --check  exits 1 and names those that are out of date

PrometheusRule: the rules of deploy/prometheus/rules as the Prometheus operator wants them.
Dashboards: deploy/grafana/dashboards/*.json, from deploy/grafana/*.py.
"""

import json
import pathlib
import sys

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(DEPLOY / "grafana"))
import boards  # pylint: disable=wrong-import-position


def prometheus_rule():
    groups = [group for path in sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
              for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "slotmatch", "namespace": "slotmatch"},
        "spec": {"groups": groups},
    }
    return ("# Written by deploy/generate.py from deploy/prometheus/rules.\n"
            + yaml.safe_dump(document, sort_keys=False, width=100))


def generated():
    """{path: content}"""
    files = {DEPLOY / "kubernetes/components/monitoring/prometheusrule.yaml": prometheus_rule()}
    for name, board in boards.all_boards().items():
        files[DEPLOY / f"grafana/dashboards/{name}.json"] = json.dumps(board, indent=2) + "\n"
    return files


def main():
    stale = []
    for path, content in generated().items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(str(path.relative_to(DEPLOY.parent)))
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit("out of date, run python3 deploy/generate.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()
