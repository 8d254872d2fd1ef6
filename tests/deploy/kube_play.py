"""Prints the Deployment and ConfigMap of the cpu overlay for `podman kube play`: kube_play.py IMAGE

One replica of a local image on the host's network; everything else is as in the cluster.
"""

import sys

import yaml

import manifest_checks
import tools


def main():
    kubectl, = tools.need("kubectl")
    rendered = list(yaml.safe_load_all(tools.run(
        kubectl, "kustomize", tools.ROOT / "deploy/kubernetes/overlays/cpu")))
    documents = manifest_checks.of_kind(rendered, "ConfigMap", "Deployment")
    deployment = manifest_checks.of_kind(documents, "Deployment")[0]
    deployment["spec"]["replicas"] = 1
    pod = deployment["spec"]["template"]["spec"]
    pod["hostNetwork"] = True
    container = manifest_checks.container_of(deployment)
    container |= {"image": sys.argv[1], "imagePullPolicy": "Never"}
    del container["ports"]  # on the host's network they need no mapping, and podman refuses one
    for probe in manifest_checks.PROBES:  # podman knows other kinds of probes only
        del container[probe]
    yaml.safe_dump_all(documents, sys.stdout)


if __name__ == "__main__":
    main()
