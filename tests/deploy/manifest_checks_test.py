"""Every check of manifests complains about a planted mistake and accepts the right form."""

import copy
import unittest

import manifest_checks as checks

LABELS = {"app.kubernetes.io/name": "slotmatch"}
PORTS = {"grpc": 50051, "metrics": 9464, "probe": 50052}
PROBE = {"grpc": {"port": 50052, "service": "readiness"}}
DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "slotmatch", "namespace": "n"},
    "spec": {
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS, "annotations": {"prometheus.io/port": "9464"}},
            "spec": {
                "terminationGracePeriodSeconds": 20,
                "automountServiceAccountToken": False,
                "topologySpreadConstraints": [{"labelSelector": {"matchLabels": LABELS}}],
                "securityContext": {"runAsNonRoot": True, "runAsUser": 7,
                                    "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "server",
                    "ports": [{"name": n, "containerPort": p} for n, p in PORTS.items()],
                    "securityContext": {"allowPrivilegeEscalation": False,
                                        "readOnlyRootFilesystem": True,
                                        "capabilities": {"drop": ["ALL"]}},
                    "resources": {"limits": {"memory": "1Gi"}},
                    "volumeMounts": [{"name": "c"}, {"name": "t"}],
                    "startupProbe": PROBE, "livenessProbe": PROBE, "readinessProbe": PROBE,
                }],
                "volumes": [{"name": "c", "configMap": {"name": "m-1"}},
                            {"name": "t", "secret": {"secretName": "s"}}],
            },
        },
    },
}
CONFIG_MAP = {"kind": "ConfigMap", "metadata": {"name": "m-1", "namespace": "n"}}
SERVICE = {"kind": "Service", "metadata": {"name": "s", "namespace": "n"},
           "spec": {"selector": LABELS, "ports": [{"port": 50051, "targetPort": "grpc"}]}}
SCALER = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "n"},
          "spec": {"scaleTargetRef": {"name": "slotmatch"},
                   "metrics": [{"pods": {"metric": {"name": "slotmatch_load_ratio"}}}]}}


class ManifestChecksTest(unittest.TestCase):
    def setUp(self):
        self.deployment = copy.deepcopy(DEPLOYMENT)
        self.template = self.deployment["spec"]["template"]
        self.pod = self.template["spec"]
        self.container = self.pod["containers"][0]
        self.service = copy.deepcopy(SERVICE)
        self.documents = [self.deployment, self.service, CONFIG_MAP]

    def test_ports(self):
        check = lambda ports: checks.check_ports(self.deployment, [self.service], ports)
        self.assertEqual(check(PORTS), [])
        self.assertTrue(check(PORTS | {"metrics": 9465}))
        self.assertTrue(check(PORTS | {"grpc": 50053}))
        self.container["livenessProbe"] = {"grpc": {"port": 9464, "service": "x"}}
        self.assertEqual(len(check(PORTS)), 1)

    def test_port_names(self):
        policy = {"kind": "NetworkPolicy", "spec": {"ingress": [{"ports": [{"port": "grpc"}]}]}}
        self.assertEqual(checks.check_port_names([policy], PORTS), [])
        self.assertEqual(len(checks.check_port_names([policy], {"metrics": 1})), 1)

    def test_probes(self):
        self.assertEqual(checks.check_probes(self.deployment, {"readiness"}), [])
        self.assertEqual(len(checks.check_probes(self.deployment, {"liveness"})), 3)

    def test_grace(self):
        self.assertEqual(checks.check_grace(self.deployment, 5000, 10000, 3000), [])
        self.assertTrue(checks.check_grace(self.deployment, 5000, 12000, 3000))
        self.container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
        self.assertTrue(checks.check_grace(self.deployment, 5000, 10000, 3000))

    def test_restricted(self):
        self.assertEqual(checks.check_restricted("here", self.template), [])
        self.container["securityContext"]["readOnlyRootFilesystem"] = False
        self.pod["securityContext"]["runAsUser"] = 0
        self.pod["volumes"].append({"name": "h", "hostPath": {"path": "/"}})
        self.pod["hostNetwork"] = True
        self.container["resources"] = {}
        self.assertEqual(len(checks.check_restricted("here", self.template)), 5)

    def test_volumes(self):
        check = lambda: checks.check_volumes("here", self.template, self.documents)
        self.assertEqual(check(), [])
        self.pod["volumes"][0]["configMap"]["name"] = "m-2"
        self.pod["volumes"][1]["name"] = "u"
        self.assertEqual(len(check()), 3)

    def test_selectors(self):
        self.assertEqual(checks.check_selectors(self.documents), [])
        self.service["spec"]["selector"] = {"app.kubernetes.io/name": "slotmach"}
        self.assertEqual(len(checks.check_selectors(self.documents)), 1)

    def test_namespaces(self):
        self.assertEqual(checks.check_namespaces(self.documents, "n"), [])
        self.assertEqual(len(checks.check_namespaces(self.documents, "m")), 3)

    def test_autoscaling(self):
        check = lambda known: checks.check_autoscaling([self.deployment, SCALER], known)
        self.assertEqual(check({"slotmatch_load_ratio"}), [])
        self.assertEqual(len(check({"slotmatch_load"})), 1)
        self.deployment["spec"]["replicas"] = 2
        self.assertEqual(len(check({"slotmatch_load_ratio"})), 1)

    def test_indexed(self):
        job = {"spec": {"completionMode": "Indexed", "completions": 3, "template": {"spec": {
            "containers": [{"args": ["--shard", "$(JOB_INDEX)/3"]}]}}}}
        self.assertEqual(checks.check_indexed(job), [])
        job["spec"]["completions"] = 4
        self.assertEqual(len(checks.check_indexed(job)), 1)

    def test_torchrun(self):
        values = {"RANK": None, "WORLD_SIZE": "2", "MASTER_ADDR": "t-0.s", "MASTER_PORT": "7"}
        container = {"env": [{"name": name, "value": value} for name, value in values.items()]}
        job = {"kind": "Job", "metadata": {"name": "t"},
               "spec": {"completionMode": "Indexed", "completions": 2, "parallelism": 2,
                        "template": {"spec": {"subdomain": "s", "containers": [container]}}}}
        service = {"kind": "Service", "metadata": {"name": "s"},
                   "spec": {"clusterIP": "None", "ports": [{"port": 7}]}}
        self.assertEqual(checks.check_torchrun([job, service]), [])
        self.assertEqual(len(checks.check_torchrun([job])), 1)
        service["spec"]["ports"][0]["port"] = 8
        job["spec"]["completions"] = 3
        job["metadata"]["name"] = "u"
        self.assertEqual(len(checks.check_torchrun([job, service])), 3)
        container["env"].pop()
        self.assertEqual(len(checks.check_torchrun([job, service])), 1)

    def test_certificates(self):
        certificate = {"kind": "Certificate", "spec": {"secretName": "s", "dnsNames": ["s"]}}
        check = lambda: checks.check_secret_of_certificate(self.documents + [certificate])
        self.assertEqual(check(), [])
        certificate["spec"] = {"secretName": "t", "dnsNames": ["x"]}
        self.assertEqual(len(check()), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
