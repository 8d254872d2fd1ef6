"""The compose file fits the programs, the image and the other deployment files."""

import unittest

import yaml

import checks
import tools

COMPOSE = tools.ROOT / "deploy/compose"
PROGRAMS = ("slotmatch_server", "slotmatch_client")


class ComposeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
        cls.services = cls.compose["services"]
        cls.prometheus = yaml.safe_load((COMPOSE / "prometheus.yml").read_text(encoding="utf-8"))

    def test_options_exist(self):
        flags = {name: checks.flags_of_help(tools.run(tools.BIN / name, "--help"))
                 for name in PROGRAMS}
        demo = self.services["demo"]
        self.assertEqual(checks.check_command("demo", demo["entrypoint"] + demo["command"], flags),
                         [])

    def test_addresses_and_ports_are_the_images(self):
        exposed = checks.exposed_ports((tools.ROOT / "Dockerfile").read_text(encoding="utf-8"))
        published = {int(port.rsplit(":", 1)[1]) for port in self.services["server"]["ports"]}
        self.assertEqual(published, exposed)
        named = [target for scrape in self.prometheus["scrape_configs"]
                 for static in scrape["static_configs"] for target in static["targets"]]
        command = self.services["demo"]["command"]
        named.append(command[command.index("--server") + 1])
        for address in named:
            host, port = address.split(":")
            self.assertIn(host, self.services)
            self.assertIn(int(port), exposed)
        jobs = {scrape["job_name"] for scrape in self.prometheus["scrape_configs"]}
        self.assertEqual(jobs, {"slotmatch"})  # rules and dashboards select it

    def test_mounted_files_exist(self):
        volumes = set(self.compose["volumes"])
        for service in self.services.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source not in volumes:
                    self.assertTrue((COMPOSE / source).resolve().exists(), source)

    def test_the_rules_are_mounted_where_prometheus_looks(self):
        self.assertEqual(self.prometheus["rule_files"], ["../rules/*.yml"])
        mounts = {volume.split(":")[1] for volume in self.services["prometheus"]["volumes"]}
        self.assertIn("/etc/prometheus/rules", mounts)
        self.assertIn("/etc/prometheus/compose/prometheus.yml", mounts)

    def test_the_drain_fits_into_the_grace_period(self):
        printed = tools.run(tools.BIN / "slotmatch_server", "--config",
                            "configs/serve/default.textproto", "--print-config")
        drain_ms = int(checks.setting(printed, "shutdown", "drain_deadline_ms"))
        grace_s = int(self.services["server"]["stop_grace_period"].removesuffix("s"))
        self.assertGreater(1000 * grace_s, drain_ms + 3000)

    def test_grafana_finds_prometheus_and_the_dashboards(self):
        provisioning = tools.ROOT / "deploy/grafana/provisioning"
        source = yaml.safe_load(
            (provisioning / "datasources/prometheus.yaml").read_text(encoding="utf-8"))
        self.assertEqual(source["datasources"][0]["url"], "$PROMETHEUS_URL")
        url = self.services["grafana"]["environment"]["PROMETHEUS_URL"]
        self.assertIn(url.split("//")[1].split(":")[0], self.services)
        provider = yaml.safe_load(
            (provisioning / "dashboards/slotmatch.yaml").read_text(encoding="utf-8"))
        mounts = {volume.split(":")[1] for volume in self.services["grafana"]["volumes"]}
        self.assertIn(provider["providers"][0]["options"]["path"], mounts)


if __name__ == "__main__":
    unittest.main(verbosity=2)
