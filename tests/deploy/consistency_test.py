"""The deployment files agree with the programs, with each other and with the documentation.

Programs are taken from SLOTMATCH_BIN_DIR (default build/release/bin). The server is really started:
metrics, health services and exit code are its own.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

import yaml

import checks
import manifest_checks

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SLOTMATCH_BIN_DIR", ROOT / "build/release/bin")).resolve()
PROGRAMS = ("slotmatch_server", "slotmatch_client", "slotmatch_trainer")
BASE = ROOT / "deploy/kubernetes/base"
START_LIMIT_S = 240
STOP_LIMIT_S = 30


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def load_yaml(path):
    return list(yaml.safe_load_all(read(path)))


def run(*command):
    return subprocess.run([str(word) for word in command], cwd=ROOT, text=True, check=True,
                          timeout=START_LIMIT_S, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def manifests():
    return [document for path in sorted(BASE.glob("*.yaml")) for document in load_yaml(path)]


def of_kind(kind):
    return [document for document in manifests() if document["kind"] == kind]


def rule_documents(without=""):
    """Documents of deploy/prometheus/rules; `without`: a file's name without its end."""
    return [load_yaml(path)[0] for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
            if path.stem != without]


class DeployTest(unittest.TestCase):
    def assert_clean(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))


class FilesTest(DeployTest):
    """Checks that need the programs' --help and --print-config only."""

    @classmethod
    def setUpClass(cls):
        cls.flags = {name: checks.flags_of_help(run(BIN / name, "--help")) for name in PROGRAMS}
        cls.serve = run(BIN / "slotmatch_server", "--config", BASE / "serve.textproto",
                        "--print-config")
        cls.defaults = run(BIN / "slotmatch_server", "--config", "configs/serve/default.textproto",
                           "--print-config")
        cls.grpc_port = checks.port_of(checks.setting(cls.defaults, "listen", "grpc_address"))
        cls.metrics_port = checks.port_of(checks.setting(cls.defaults, "listen", "metrics_address"))
        cls.deployment = of_kind("Deployment")[0]

    def test_options_of_the_image_exist(self):
        commands = checks.docker_commands(read("Dockerfile"))
        self.assertEqual(len(commands), 2)
        for command in commands:
            self.assert_clean(checks.check_command("Dockerfile", command, self.flags))

    def test_options_of_the_pods_exist(self):
        arguments = manifest_checks.container_of(self.deployment)["args"]
        self.assert_clean(checks.check_command("deployment.yaml", ["slotmatch_server"] + arguments,
                                               self.flags))

    def test_options_in_the_documentation_exist(self):
        for path in ("docs/deploy.md", "docs/operations.md"):
            for command in checks.commands_in_markdown(read(path), PROGRAMS):
                self.assert_clean(checks.check_command(path, command, self.flags))

    def test_ports_are_the_defaults(self):
        self.assertEqual(checks.exposed_ports(read("Dockerfile")),
                         {self.grpc_port, self.metrics_port})
        for field, port in (("grpc_address", self.grpc_port),
                            ("metrics_address", self.metrics_port)):
            self.assertEqual(checks.port_of(checks.setting(self.serve, "listen", field)), port)
        probe_port = checks.port_of(checks.setting(self.serve, "listen", "probe_address"))
        self.assert_clean(manifest_checks.check_ports(
            self.deployment, of_kind("Service"),
            {"grpc": self.grpc_port, "metrics": self.metrics_port, "probe": probe_port}))

    def test_prometheus_scrapes_the_metrics_port(self):
        config = load_yaml("deploy/prometheus/prometheus.yml")[0]
        scrape = config["scrape_configs"][0]
        self.assertEqual(scrape["job_name"], "slotmatch")  # rules select it
        for targets in scrape["static_configs"]:
            for target in targets["targets"]:
                self.assertEqual(checks.port_of(target), self.metrics_port)

    def test_the_drain_fits_into_the_grace_period(self):
        source = read("server/app/app.cc")
        last_answers_ms = 1000 * int(source.split("kLastAnswers = absl::Seconds(")[1].split(")")[0])
        self.assert_clean(manifest_checks.check_grace(
            self.deployment, int(checks.setting(self.serve, "shutdown", "lame_duck_ms")),
            int(checks.setting(self.serve, "shutdown", "drain_deadline_ms")), last_answers_ms))

    def test_the_unit_fits_the_server(self):
        unit = read("deploy/systemd/slotmatch.service")
        command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()
        self.assert_clean(checks.check_command("slotmatch.service", command, self.flags))
        # The package installs the default settings there.
        self.assertEqual(command[command.index("--config") + 1], "/etc/slotmatch/serve.textproto")
        stop_s = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE).group(1))
        drain_ms = int(checks.setting(self.defaults, "shutdown", "drain_deadline_ms"))
        self.assertGreater(1000 * stop_s, drain_ms + 3000)
        final = set(re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE).group(1)
                    .split())
        told = re.search(r"^Exit codes: (.*?)\n\n", read("docs/operations.md"),
                         re.MULTILINE | re.DOTALL).group(1)
        self.assertLessEqual(final, set(re.findall(r"\b(\d\d)\b", told)))

    def test_proxies_send_to_the_server_and_ask_its_health(self):
        envoy = load_yaml("deploy/balancing/envoy.yaml")[0]["static_resources"]
        cluster = envoy["clusters"][0]
        address = (cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
                   ["address"]["socket_address"])
        self.assertEqual(address["port_value"], self.grpc_port)
        self.assertIn(address["address"],
                      {service["metadata"]["name"] for service in of_kind("Service")})
        asked = cluster["health_checks"][0]["grpc_health_check"]["service_name"]
        self.assertEqual(asked, manifest_checks.container_of(self.deployment)
                         ["readinessProbe"]["grpc"]["service"])
        listens = {envoy["listeners"][0]["address"]["socket_address"]["port_value"],
                   int(re.search(r"listen (\d+) http2", read("deploy/balancing/nginx.conf"))[1]),
                   int(re.search(r"bind :(\d+) proto h2", read("deploy/balancing/haproxy.cfg"))[1])}
        self.assertEqual(len(listens), 1)

    def test_model_paths_exist(self):
        for path in ("configs/serve/default.textproto", BASE / "serve.textproto"):
            paths = checks.model_paths(read(path))
            self.assertTrue(paths)
            for model in paths:
                self.assertTrue((ROOT / model / "manifest.textproto").is_file(), f"{path}: {model}")

    def test_the_ignore_file_admits_what_the_image_copies(self):
        admitted = {line[1:] for line in read(".dockerignore").splitlines() if line[:1] == "!"}
        for name, argument in checks.instructions(read("Dockerfile")):
            if name != "COPY" or "--from=" in argument:
                continue
            for source in argument.split()[:-1]:
                parents = [str(p) for p in pathlib.PurePath(source).parents]
                self.assertTrue({source.rstrip("/"), *parents} & admitted, source)
                self.assertTrue((ROOT / source).exists(), source)

    @unittest.skipUnless(shutil.which("dpkg-query") and shutil.which("readelf"), "not on Debian")
    def test_runtime_packages_are_those_of_the_linked_libraries(self):
        libraries = set()
        for name in PROGRAMS:
            for line in run("readelf", "-d", BIN / name).splitlines():
                if "(NEEDED)" in line:
                    libraries.add(line.split("[")[1].rstrip("]"))
        libraries = {name for name in libraries if not name.startswith(("libasan", "libubsan"))}
        owners = run("dpkg-query", "-S", *("*/" + name for name in sorted(libraries)))
        needed = {line.split(":")[0] for line in owners.splitlines()
                  if line.rsplit("/", 1)[-1] in libraries
                  # the same names for other machines
                  and not any(other in line for other in ("cross", "/lib32/", "/libx32/"))}
        always = {"libc6", "libgcc-s1", "libstdc++6"}  # every C++ program's
        self.assert_clean(checks.check_packages(
            checks.package_list(read("scripts/packages/runtime.txt")
                                + read("scripts/packages/runtime-cpu.txt")), needed - always,
            extra={"libopenblas0-openmp"}))

    def test_every_alert_is_tested_firing_and_not_firing(self):
        alerts = {rule["alert"] for d in rule_documents() for rule in checks.rules_of(d)
                  if "alert" in rule}
        cases = [case for test in load_yaml("deploy/prometheus/tests/rules_test.yml")[0]["tests"]
                 for case in test.get("alert_rule_test", [])]
        fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
        silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
        self.assertEqual((alerts - fires, alerts - silent), (set(), set()))

    def test_every_alert_has_a_runbook(self):
        alerts = {rule["alert"]: rule for d in rule_documents() for rule in checks.rules_of(d)
                  if "alert" in rule}
        headings = {line[4:].strip() for line in read("docs/operations.md").splitlines()
                    if line.startswith("### Slotmatch")}
        self.assert_clean(checks.check_documented("alert", set(alerts), headings))
        for name, rule in alerts.items():
            self.assertEqual(rule["annotations"]["runbook"], f"docs/operations.md#{name.lower()}")
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"))


class RunningServerTest(DeployTest):
    """Checks against a server that runs with the settings of the pods."""

    @classmethod
    def setUpClass(cls):
        for model in checks.model_paths(read(BASE / "serve.textproto")):
            if not (ROOT / model / "weights.safetensors").is_file():
                raise unittest.SkipTest(f"{model} has no weights")
        cls.folder = tempfile.TemporaryDirectory()
        ready = pathlib.Path(cls.folder.name) / "ready.json"
        cls.log = open(pathlib.Path(cls.folder.name) / "log", "w+", encoding="utf-8")
        cls.server = subprocess.Popen(
            [BIN / "slotmatch_server", "--config", BASE / "serve.textproto",
             "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--admin", "none",
             "--ready-file", ready,
             "--set", "shutdown.lame_duck_ms=0"], cwd=ROOT, stdout=cls.log, stderr=cls.log)
        cls.addClassCleanup(cls.stop)
        end = time.monotonic() + START_LIMIT_S
        while not ready.exists():
            if cls.server.poll() is not None or time.monotonic() > end:
                cls.log.seek(0)
                raise AssertionError("the server did not start:\n" + cls.log.read())
            time.sleep(0.1)
        cls.ready = json.loads(ready.read_text(encoding="utf-8"))
        url = f"http://127.0.0.1:{cls.ready['metrics_port']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as response:
            cls.scrape = response.read().decode()
        cls.samples, cls.types = checks.parse_exposition(cls.scrape)
        cls.known = checks.with_recorded(cls.samples, rule_documents())

    @classmethod
    def stop(cls):
        if cls.server.poll() is None:
            cls.server.kill()
            cls.server.wait()
        cls.log.close()
        cls.folder.cleanup()

    def test_rules_use_metrics_that_exist(self):
        # The trainer's metrics: monitoring_test.py.
        for document in rule_documents(without="training"):
            self.assert_clean(checks.check_rules(document, self.known))

    def test_the_dashboards_use_metrics_that_exist(self):
        for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
            if path.stem == "training":  # the trainer's metrics: monitoring_test.py
                continue
            self.assert_clean(checks.check_dashboard(json.loads(read(path)), self.known))

    def test_every_metric_is_documented_with_its_type_and_labels(self):
        rows = checks.documented_metrics(read("docs/operations.md"))
        self.assert_clean(checks.check_documented("metric", set(self.types), set(rows)))
        for name, kind in self.types.items():
            sample = name + "_bucket" if kind == "histogram" else name
            self.assertEqual(rows[name], (kind, set(self.samples[sample]) - {"le"}), name)

    def test_probes_ask_for_health_services_that_exist(self):
        deployment = of_kind("Deployment")[0]
        container = manifest_checks.container_of(deployment)
        asked = {container[p]["grpc"]["service"]
                 for p in ("startupProbe", "livenessProbe", "readinessProbe")}
        known = {name for name in asked | {"no-such-service"} if self.healthy(name)}
        self.assertNotIn("no-such-service", known)
        self.assert_clean(manifest_checks.check_probes(deployment, known))

    def healthy(self, service):
        done = subprocess.run(
            [BIN / "slotmatch_client", "--health", "--server",
             f"127.0.0.1:{self.ready['grpc_port']}", "--health-service", service],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            timeout=START_LIMIT_S)
        return done.returncode == 0

    @unittest.skipUnless(shutil.which("promtool"), "promtool (package prometheus) is not installed")
    def test_promtool_accepts_the_scrape(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_zz_sigterm_ends_it_with_0(self):  # the last one: it ends the server
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(STOP_LIMIT_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
