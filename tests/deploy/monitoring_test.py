"""Every rule and every panel has data on a real Prometheus that watches real programs."""

import json
import tempfile
import unittest

import yaml

import checks
import monitored
import tools

PATIENCE_S = 120
BOARDS = sorted((tools.ROOT / "deploy/grafana/dashboards").glob("*.json"))
RULES = sorted((tools.ROOT / "deploy/prometheus/rules").glob("*.yml"))


class MonitoringTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.watch = cls.enterClassContext(monitored.Monitored(folder, cls.prometheus))

    def assert_answered(self, expressions):
        """Every expression of {name: expression} has a value, now or soon."""
        silent = dict(expressions)

        def all_answered():
            for name, expression in list(silent.items()):
                if self.watch.values(expression):
                    del silent[name]
            return not silent
        try:
            monitored.wait_for("data", all_answered, PATIENCE_S)
        except AssertionError:
            self.fail("no data for\n" + "\n".join(f"{n}: {e}" for n, e in silent.items()))

    def test_rules_answer(self):
        rules = [rule for path in RULES
                 for rule in checks.rules_of(yaml.safe_load(path.read_text(encoding="utf-8")))]
        self.assertGreater(len(rules), 20)
        self.assert_answered({rule["record"]: rule["expr"] for rule in rules if "record" in rule})
        self.assert_answered({rule["alert"]: monitored.always_answers(rule["expr"])
                              for rule in rules if "alert" in rule})
        # What the rules record is there under its name as well.
        self.assert_answered({rule["record"]: rule["record"] for rule in rules if "record" in rule})

    def test_panels_answer(self):
        for path in BOARDS:
            job = "slotmatch-training" if path.stem == "training" else "slotmatch"
            found = checks.dashboard_expressions(json.loads(path.read_text(encoding="utf-8")))
            self.assertGreater(len(found), 10)
            self.assert_answered({
                f"{path.stem}: {title} {number}": monitored.fill_in(
                    expression.removeprefix("label_values(").rsplit(",", 1)[0]
                    if title.startswith("variable ") else expression, job)
                for number, (title, expression) in enumerate(found)})

    def test_a_misspelt_metric_does_not_answer(self):
        self.assertEqual(self.watch.values("slotmatch_frames_procesed_total"), [])


if __name__ == "__main__":
    MonitoringTest.prometheus, = tools.need("prometheus")
    if not (tools.ROOT / monitored.MODEL / "weights.safetensors").is_file():
        tools.skip(f"{monitored.MODEL} has no weights")
    unittest.main(verbosity=2)
