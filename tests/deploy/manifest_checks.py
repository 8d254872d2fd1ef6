"""Checks of Kubernetes manifests, as kustomize renders them, against facts about the programs.

Like checks.py: functions that return complaints and touch neither files nor programs.
"""

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def pod_templates(documents):
    """[(name, template)] of everything that starts pods."""
    found = []
    for document in of_kind(documents, "Deployment", "Job", "PyTorchJob"):
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] != "PyTorchJob":
            found.append((name, document["spec"]["template"]))
        else:
            found += [(f"{name} {role}", replica["template"])
                      for role, replica in document["spec"]["pytorchReplicaSpecs"].items()]
    return found


def container_of(workload):
    return workload["spec"]["template"]["spec"]["containers"][0]


def check_ports(deployment, services, ports):
    """`ports`: {name: number} of the server, with names grpc, metrics and probe."""
    complaints = []
    container = container_of(deployment)
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    if named != ports:
        complaints.append(f"container ports are {named}, the server's {ports}")
    for probe in PROBES:
        if container[probe]["grpc"]["port"] != ports["probe"]:
            complaints.append(f"{probe} asks port {container[probe]['grpc']['port']}")
    annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
    if annotations.get("prometheus.io/port", str(ports["metrics"])) != str(ports["metrics"]):
        complaints.append(f"prometheus.io/port is {annotations['prometheus.io/port']}")
    for service in services:
        for port in service["spec"]["ports"]:
            if port["port"] != ports["grpc"] or port["targetPort"] != "grpc":
                complaints.append(f"Service {service['metadata']['name']}: port {port}")
    return complaints


def check_port_names(documents, ports):
    """NetworkPolicies and PodMonitors name ports that the container has."""
    used = [port["port"] for policy in of_kind(documents, "NetworkPolicy")
            for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])]
    used += [endpoint["port"] for monitor in of_kind(documents, "PodMonitor")
             for endpoint in monitor["spec"]["podMetricsEndpoints"]]
    return [f"no container has a port named {name}" for name in used if name not in ports]


def check_probes(deployment, known_services):
    container = container_of(deployment)
    return [f"{probe} asks for health service {container[probe]['grpc']['service']}"
            for probe in PROBES if container[probe]["grpc"]["service"] not in known_services]


def check_grace(deployment, lame_duck_ms, drain_deadline_ms, last_answers_ms):
    pod = deployment["spec"]["template"]["spec"]
    grace_ms = 1000 * pod["terminationGracePeriodSeconds"]
    hook = container_of(deployment).get("lifecycle", {}).get("preStop", {})
    needed = (lame_duck_ms + drain_deadline_ms + last_answers_ms
              + 1000 * hook.get("sleep", {}).get("seconds", 0))
    if grace_ms > needed:
        return []
    return [f"terminationGracePeriodSeconds is {grace_ms} ms; a drain may take {needed} ms"]


def check_restricted(where, template):
    """What the restricted Pod Security Standard asks for, and a read-only root."""
    pod = template["spec"]
    complaints = []
    facts = {
        "runAsNonRoot": pod.get("securityContext", {}).get("runAsNonRoot") is True,
        "a numeric runAsUser": pod.get("securityContext", {}).get("runAsUser", 0) > 0,
        "seccomp RuntimeDefault":
            pod.get("securityContext", {}).get("seccompProfile", {}).get("type")
            == "RuntimeDefault",
        "no host namespaces":
            not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        "no account token": pod.get("automountServiceAccountToken") is False,
        "volumes of allowed kinds": all(
            set(volume) - {"name"} <= {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
            for volume in pod.get("volumes", [])),
    }
    for container in pod["containers"] + pod.get("initContainers", []):
        security = container.get("securityContext", {})
        name = container["name"]
        facts |= {
            f"no privilege escalation in {name}":
                security.get("allowPrivilegeEscalation") is False,
            f"a read-only root in {name}": security.get("readOnlyRootFilesystem") is True,
            f"no capabilities in {name}": security.get("capabilities", {}).get("drop") == ["ALL"],
            f"a memory limit in {name}":
                "memory" in container.get("resources", {}).get("limits", {}),
        }
    complaints += [f"{where} lacks {name}" for name, holds in facts.items() if not holds]
    return complaints


def check_volumes(where, template, documents):
    """Mounts have volumes, and ConfigMaps that are mounted are rendered."""
    pod = template["spec"]
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    mounted = {mount["name"] for container in pod["containers"]
               for mount in container.get("volumeMounts", [])}
    complaints = [f"{where}: no volume {name}" for name in sorted(mounted - set(volumes))]
    complaints += [f"{where}: volume {name} is not mounted"
                   for name in sorted(set(volumes) - mounted)]
    maps = {document["metadata"]["name"] for document in of_kind(documents, "ConfigMap")}
    for volume in volumes.values():
        if "configMap" in volume and volume["configMap"]["name"] not in maps:
            complaints.append(f"{where}: no ConfigMap {volume['configMap']['name']}")
    return complaints


def selectors_of(document):
    """[(what, labels)] of the label selectors that must find the server's pods."""
    spec = document["spec"]
    kind, name = document["kind"], document["metadata"]["name"]
    found = []
    if kind == "Service":
        found.append(spec["selector"])
    elif kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
        found.append(spec["selector"]["matchLabels"])
    elif kind == "NetworkPolicy":
        found.append(spec["podSelector"]["matchLabels"])
    if kind == "Deployment":
        found += [spread["labelSelector"]["matchLabels"]
                  for spread in spec["template"]["spec"]["topologySpreadConstraints"]]
    return [(f"{kind} {name}", labels) for labels in found]


def check_selectors(documents):
    """Every selector, written by hand or by kustomize, finds the pods of the Deployment."""
    pods = of_kind(documents, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    return [f"{what} selects {labels}, pods have {pods}"
            for document in documents if "spec" in document
            for what, labels in selectors_of(document)
            if not labels or not labels.items() <= pods.items()]


def check_namespaces(documents, namespace):
    return [f"{document['kind']} {document['metadata']['name']} is outside of {namespace}"
            for document in documents
            if document["kind"] != "Namespace"
            and document["metadata"].get("namespace") != namespace]


def check_autoscaling(documents, metrics):
    """The autoscaler finds its Deployment, which leaves the number of replicas to it."""
    complaints = []
    deployments = {d["metadata"]["name"]: d for d in of_kind(documents, "Deployment")}
    for scaler in of_kind(documents, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            complaints.append(f"HorizontalPodAutoscaler scales {target}, which does not exist")
        elif "replicas" in deployments[target]["spec"]:
            complaints.append(f"Deployment {target} sets replicas against its autoscaler")
        complaints += [f"HorizontalPodAutoscaler: the server has no metric {name}"
                       for name in (metric["pods"]["metric"]["name"]
                                    for metric in scaler["spec"]["metrics"])
                       if name not in metrics]
    return complaints


def check_indexed(job):
    """Workers of an indexed Job: as many as their command line says."""
    spec = job["spec"]
    arguments = container_of(job)["args"]
    if "--shard" not in arguments:
        return []
    count = int(arguments[arguments.index("--shard") + 1].split("/")[1])
    if spec.get("completionMode") == "Indexed" and spec["completions"] == count:
        return []
    return [f"--shard counts {count} workers, the Job {spec.get('completions')}"]


def check_torchrun(documents):
    """Workers of an indexed Job find each other by torchrun's environment."""
    complaints = []
    services = {service["metadata"]["name"]: service for service in of_kind(documents, "Service")}
    for job in of_kind(documents, "Job"):
        spec, pod = job["spec"], job["spec"]["template"]["spec"]
        values = {entry["name"]: entry.get("value") for entry in container_of(job).get("env", [])}
        missing = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} - set(values)
        if missing:
            complaints.append(f"the workers lack {', '.join(sorted(missing))}")
            continue
        if spec.get("completionMode") != "Indexed" or values["WORLD_SIZE"] != str(
                spec["completions"]) or spec["parallelism"] != spec["completions"]:
            complaints.append(f"WORLD_SIZE is {values['WORLD_SIZE']}, the Job has "
                              f"{spec.get('completions')} workers, {spec.get('parallelism')} at once")
        service = services.get(pod.get("subdomain"))
        if values["MASTER_ADDR"] != f"{job['metadata']['name']}-0.{pod.get('subdomain')}":
            complaints.append(f"MASTER_ADDR is {values['MASTER_ADDR']}")
        if service is None or service["spec"].get("clusterIP") != "None":
            complaints.append(f"no headless Service is named {pod.get('subdomain')}")
        elif [str(port["port"]) for port in service["spec"]["ports"]] != [values["MASTER_PORT"]]:
            complaints.append(f"MASTER_PORT {values['MASTER_PORT']} is not the Service's")
    return complaints


def check_secret_of_certificate(documents):
    """A certificate is for the Services' names and lands in the Secret that the pods mount."""
    complaints = []
    mounted = {volume["secret"]["secretName"] for _, template in pod_templates(documents)
               for volume in template["spec"].get("volumes", []) if "secret" in volume}
    services = {service["metadata"]["name"] for service in of_kind(documents, "Service")}
    for certificate in of_kind(documents, "Certificate"):
        if certificate["spec"]["secretName"] not in mounted:
            complaints.append(f"no pod mounts {certificate['spec']['secretName']}")
        missing = services - set(certificate["spec"]["dnsNames"])
        complaints += [f"the certificate lacks {name}" for name in sorted(missing)]
    return complaints
