"""The overlays and jobs, as kustomize renders them, fit the Kubernetes API and the programs."""

import copy
import tempfile
import unittest

import yaml

import checks
import manifest_checks
import schema
import tools

KUBERNETES = tools.ROOT / "deploy/kubernetes"
OVERLAYS = ("cpu", "gpu", "monitoring", "tls")
JOBS = ("segment", "train", "train-kubeflow")
NAMESPACE = "slotmatch"


def render(kubectl, folder):
    return list(yaml.safe_load_all(tools.run(kubectl, "kustomize", KUBERNETES / folder)))


class ManifestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {name: render(cls.kubectl, f"overlays/{name}") for name in OVERLAYS}
        cls.jobs = {name: render(cls.kubectl, f"jobs/{name}") for name in JOBS}
        cls.flags = {name: checks.flags_of_help(tools.run(tools.BIN / name, "--help"))
                     for name in ("slotmatch_server", "slotmatch_client")}
        cls.metrics = set(checks.documented_metrics(
            (tools.ROOT / "docs/operations.md").read_text(encoding="utf-8")))

    def assert_clean(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))

    def for_overlays(self, check):
        for name, documents in self.rendered.items():
            with self.subTest(overlay=name):
                self.assert_clean(check(documents))

    def server_of(self, documents):
        return manifest_checks.of_kind(documents, "Deployment")[0]

    def printed_config(self, documents):
        """What the server makes of the pod's command line and its ConfigMap."""
        arguments = list(manifest_checks.container_of(self.server_of(documents))["args"])
        config = manifest_checks.of_kind(documents, "ConfigMap")[0]["data"]["serve.textproto"]
        with tempfile.NamedTemporaryFile("w", suffix=".textproto") as file:
            file.write(config)
            file.flush()
            arguments[arguments.index("/etc/slotmatch/serve.textproto")] = file.name
            return tools.run(tools.BIN / "slotmatch_server", *arguments, "--print-config")

    def test_documents_fit_the_api(self):
        named = {f"{where}:{document['kind']}/{document['metadata']['name']}": document
                 for where, documents in (self.rendered | self.jobs).items()
                 for document in documents}
        self.assertGreater(len(named), 30)
        self.assert_clean(schema.check(named))
        # The pods of a kind without published types are still pods.
        pods = {f"{where}:{name}": {"apiVersion": "v1", "kind": "PodTemplate", "template": template}
                for where, documents in self.jobs.items()
                for name, template in manifest_checks.pod_templates(documents)}
        self.assert_clean(schema.check(pods))

    def test_the_api_check_notices_mistakes(self):
        deployment = self.server_of(self.rendered["cpu"])
        broken = [copy.deepcopy(deployment) for _ in range(3)]
        broken[0]["spec"]["template"]["spec"]["terminationGracePeriodSecond"] = 1
        broken[1]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "1"
        broken[2]["apiVersion"] = "apps/v1beta1"
        monitor = copy.deepcopy(manifest_checks.of_kind(self.rendered["tls"], "PodMonitor")[0])
        monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "1s"
        named = {f"broken{number}": document
                 for number, document in enumerate(broken + [monitor])}
        complaints = schema.check(named)
        self.assertEqual([line.split("(")[0].split("/")[-1] for line in complaints],
                         sorted(named))

    def test_the_server_takes_the_pods_settings(self):
        for name, documents in self.rendered.items():
            arguments = manifest_checks.container_of(self.server_of(documents))["args"]
            self.assert_clean(checks.check_command(name, ["slotmatch_server", *arguments],
                                                   self.flags))
            self.assertIn("probe_address", self.printed_config(documents))

    def test_ports_are_the_servers(self):
        def check(documents):
            config = self.printed_config(documents)
            ports = {name: checks.port_of(checks.setting(config, "listen", name + "_address"))
                     for name in ("grpc", "metrics", "probe")}
            return (manifest_checks.check_ports(
                        self.server_of(documents),
                        manifest_checks.of_kind(documents, "Service"), ports)
                    + manifest_checks.check_port_names(documents, ports))
        self.for_overlays(check)

    def test_pods_are_restricted_and_whole(self):
        def check(documents):
            return [complaint for name, template in manifest_checks.pod_templates(documents)
                    for complaint in manifest_checks.check_restricted(name, template)
                    + manifest_checks.check_volumes(name, template, documents)]
        self.for_overlays(check)
        for documents in self.jobs.values():
            self.assert_clean(check(documents))

    def test_selectors_find_the_pods(self):
        self.for_overlays(manifest_checks.check_selectors)

    def test_everything_is_in_the_namespace(self):
        self.for_overlays(lambda d: manifest_checks.check_namespaces(d, NAMESPACE))
        for documents in self.jobs.values():
            self.assert_clean(manifest_checks.check_namespaces(documents, NAMESPACE))

    def test_the_autoscaler_goes_by_a_metric_of_the_server(self):
        self.assertEqual(len(manifest_checks.of_kind(self.rendered["tls"],
                                                     "HorizontalPodAutoscaler")), 1)
        self.for_overlays(lambda d: manifest_checks.check_autoscaling(d, self.metrics))
        adapter = yaml.safe_load((KUBERNETES / "components/monitoring/"
                                  "prometheus-adapter-values.yaml").read_text(encoding="utf-8"))
        scaler = manifest_checks.of_kind(self.rendered["tls"], "HorizontalPodAutoscaler")[0]
        self.assertEqual([rule["seriesQuery"].split("{")[0] for rule in adapter["rules"]["custom"]],
                         [metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]])

    def test_the_certificate_is_mounted_and_names_the_services(self):
        self.assert_clean(manifest_checks.check_secret_of_certificate(self.rendered["tls"]))

    def test_the_rules_are_those_of_prometheus(self):
        rule = manifest_checks.of_kind(self.rendered["monitoring"], "PrometheusRule")[0]
        groups = [group for path in sorted((tools.ROOT / "deploy/prometheus/rules").glob("*.yml"))
                  for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
        self.assertEqual(rule["spec"]["groups"], groups, "run python3 deploy/generate.py")

    def test_the_trainer_takes_the_jobs_settings(self):
        pods = [template for name in ("train", "train-kubeflow")
                for _, template in manifest_checks.pod_templates(self.jobs[name])]
        self.assertEqual(len(pods), 3)
        for pod in pods:
            container = pod["spec"]["containers"][0]
            self.assertEqual(container["command"], ["slotmatch_trainer"])
            printed = tools.run(tools.BIN / "slotmatch_trainer", *container["args"],
                                "--print-config")
            self.assertIn('path: "/data/', printed)

    def test_training_workers_find_each_other(self):
        self.assert_clean(manifest_checks.check_torchrun(self.jobs["train"]))

    def test_workers_count_themselves_right(self):
        client = manifest_checks.of_kind(self.jobs["segment"], "Job")[0]
        container = manifest_checks.container_of(client)
        self.assert_clean(manifest_checks.check_indexed(client))
        self.assert_clean(checks.check_command("segment", container["command"] + container["args"],
                                               self.flags))
        service = manifest_checks.of_kind(self.rendered["cpu"], "Service")[1]
        address = container["args"][container["args"].index("--server") + 1]
        self.assertEqual(address, f"dns:///{service['metadata']['name']}:"
                                  f"{service['spec']['ports'][0]['port']}")


if __name__ == "__main__":
    ManifestsTest.kubectl, _ = tools.need("kubectl", "node")
    tools.need_modules(*schema.PACKAGES)
    unittest.main(verbosity=2)
