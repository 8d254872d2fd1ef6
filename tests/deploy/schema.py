"""Manifests against the Kubernetes API's own types, offline.

Every document becomes a literal of its TypeScript type; the compiler's check for excess properties
then finds misspelt and misplaced fields, wrong types and kinds that do not exist.
"""

import json
import tempfile
import pathlib

import tools

CRDS = {  # API group: (npm package, prefix of its interfaces)
    "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
    "cert-manager.io": "@kubernetes-models/cert-manager",
}
PACKAGES = ("typescript", "kubernetes-types", *CRDS.values())
# Documents of these groups have no published types.
UNTYPED = {"kubeflow.org", "kustomize.config.k8s.io"}


def type_import(document):
    """The import of a document's type as K; None when its group has no published types."""
    api, kind = document["apiVersion"], document["kind"]
    group, _, version = api.rpartition("/")
    if group in UNTYPED:
        return None
    if group in CRDS:
        return f'import type {{I{kind} as K}} from "{CRDS[group]}/{group}/{version}/{kind}";'
    # apps/v1, rbac.authorization.k8s.io/v1, and v1 alone, which is core
    folder = group.split(".")[0] or "core"
    return f'import type {{{kind} as K}} from "kubernetes-types/{folder}/{version}";'


def check(documents):
    """Complaints of the compiler about {name: document}."""
    with tempfile.TemporaryDirectory(dir=tools.TOOLS) as folder:
        files = []
        for number, (name, document) in enumerate(documents.items()):
            imported = type_import(document)
            if imported is None:
                continue
            path = pathlib.Path(folder) / f"d{number}.ts"
            path.write_text(f"// {name}\n{imported}\nexport const doc: K = "
                            + json.dumps(document, indent=1) + ";\n", encoding="utf-8")
            files.append(path)
        output = tools.run("node", tools.MODULES / "typescript/bin/tsc", "--noEmit", "--strict",
                           "--skipLibCheck", "--preserveSymlinks", "--moduleResolution", "node",
                           "--module", "esnext", *files, check=False, cwd=tools.TOOLS)
        names = {path.name: path.read_text(encoding="utf-8").split("\n")[0][3:] for path in files}
    for file, name in names.items():
        output = output.replace(file, name)
    return [line for line in output.splitlines() if "error TS" in line]
