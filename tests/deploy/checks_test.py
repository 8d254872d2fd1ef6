"""Every check complains about a planted mistake and accepts the right form."""

import unittest

import checks

SCRAPE = """# TYPE slotmatch_frames_failed_total counter
slotmatch_frames_failed_total{reason="internal"} 0
# TYPE slotmatch_latency_seconds histogram
slotmatch_latency_seconds_bucket{le="1"} 0
slotmatch_latency_seconds_bucket{le="+Inf"} 0
"""


class ChecksTest(unittest.TestCase):
    def setUp(self):
        self.samples, self.types = checks.parse_exposition(SCRAPE)

    def complaints(self, expression):
        return checks.check_expression("here", expression, self.samples)

    def test_metric_names(self):
        self.assertEqual(self.types["slotmatch_latency_seconds"], "histogram")
        good = 'sum by (le) (rate(slotmatch_frames_failed_total{reason="internal",job="x"}[5m]))'
        self.assertEqual(self.complaints(good), [])
        self.assertTrue(self.complaints("rate(slotmatch_frames_faild_total[5m])"))
        self.assertTrue(self.complaints("slotmatch_latency_seconds_buckets"))
        self.assertTrue(self.complaints("process_cpu_second_total"))

    def test_label_names_and_values(self):
        self.assertTrue(self.complaints('slotmatch_frames_failed_total{reasn="internal"}'))
        self.assertTrue(self.complaints('slotmatch_frames_failed_total{reason="internl"}'))
        self.assertTrue(self.complaints('slotmatch_frames_failed_total{reason=~"internal|x"}'))
        self.assertEqual(self.complaints('slotmatch_frames_failed_total{reason=~"$reason"}'), [])

    def test_recorded_names(self):
        rate = "sum by (reason) (rate(slotmatch_frames_failed_total[5m]))"
        rules = {"groups": [{"rules": [{"record": "a:b:c", "expr": rate}]}]}
        self.samples = checks.with_recorded(self.samples, [rules])
        self.assertEqual(self.complaints('a:b:c{reason="internal"} > 1'), [])
        self.assertTrue(self.complaints("a:b:d > 1"))
        self.assertTrue(self.complaints('a:b:c{reason="internl"} > 1'))

    def test_rules_and_dashboard(self):
        rules = {"groups": [{"rules": [{"record": "a:b", "expr": "slotmatch_nothing"}]}]}
        self.assertTrue(checks.check_rules(rules, self.samples))
        panel = {"id": 1, "title": "p", "targets": [{"expr": "slotmatch_nothing"}]}
        board = {"templating": {"list": []}, "panels": [panel]}
        self.assertTrue(checks.check_dashboard(board, self.samples))
        panel["targets"][0]["expr"] = "slotmatch_frames_failed_total"
        self.assertEqual(checks.check_dashboard(board, self.samples), [])
        board["panels"].append(panel)  # the same id twice
        self.assertTrue(checks.check_dashboard(board, self.samples))

    def test_options(self):
        flags = {"slotmatch_server": checks.flags_of_help("  --config FILE    settings\n")}
        good = ["/usr/bin/slotmatch_server", "--config", "x"]
        self.assertEqual(checks.check_command("here", good, flags), [])
        self.assertTrue(checks.check_command("here", ["slotmatch_server", "--confg", "x"], flags))
        self.assertTrue(checks.check_command("here", ["slotmatch_serve", "--config", "x"], flags))

    def test_dockerfile_is_read(self):
        text = 'EXPOSE 1 2\n# EXPOSE 3\nHEALTHCHECK --interval=1s \\\n  CMD ["c", "--health"]\n'
        self.assertEqual(checks.exposed_ports(text), {1, 2})
        self.assertEqual(checks.docker_commands(text), [["c", "--health"]])

    def test_markdown_is_read(self):
        text = "```sh\ndocker run x \\\n  slotmatch_client --video a # note\nls\n```\n"
        self.assertEqual(checks.commands_in_markdown(text, {"slotmatch_client"}),
                         [["slotmatch_client", "--video", "a"]])
        text = "```sh\ndocker run -p 1:1 slotmatch:0.1.0 --set a.b=1\n```\n"
        self.assertEqual(checks.commands_in_markdown(text, {"slotmatch_server"}),
                         [["slotmatch_server", "--set", "a.b=1"]])

    def test_settings(self):
        text = 'listen {\n  grpc_address: "0.0.0.0:50051"\n}\nshutdown {\n  lame_duck_ms: 7\n}\n'
        self.assertEqual(checks.port_of(checks.setting(text, "listen", "grpc_address")), 50051)
        self.assertEqual(checks.setting(text, "shutdown", "lame_duck_ms"), "7")
        self.assertIsNone(checks.setting(text, "shutdown", "drain_deadline_ms"))
        self.assertEqual(checks.model_paths('models { path: "a/1" }\nmodels { path: "b/1" }'),
                         ["a/1", "b/1"])

    def test_packages(self):
        listed = checks.package_list("# head\na\nb  # why\n\nblas\n")
        self.assertEqual(checks.check_packages(listed, {"a", "b"}, {"blas"}), [])
        self.assertEqual(len(checks.check_packages(listed, {"a", "c"}, {"blas"})), 2)

    def test_documentation(self):
        table = "| metric | type |\n| `slotmatch_a` | gauge | `x`, `y` | text |\n`slotmatch_b` is\n"
        self.assertEqual(checks.documented_metrics(table), {"slotmatch_a": ("gauge", {"x", "y"})})
        self.assertEqual(checks.check_documented("metric", {"a"}, {"a"}), [])
        self.assertEqual(len(checks.check_documented("metric", {"a", "b"}, {"a", "c"})), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
