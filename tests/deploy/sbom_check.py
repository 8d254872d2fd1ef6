"""An SPDX document read from standard input is whole: sbom_check.py PACKAGE... names what it must hold."""

import json
import re
import sys


def complaints_about(document, wanted):
    ids = [package["SPDXID"] for package in document["packages"]]
    names = {package["name"] for package in document["packages"]}
    known = set(ids) | {document["SPDXID"]}
    found = [] if document["spdxVersion"] == "SPDX-2.3" else ["it is not SPDX 2.3"]
    found += [f"{one} occurs twice" for one in sorted({i for i in ids if ids.count(i) > 1})]
    found += [f"{one} is no SPDX id" for one in ids
              if not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one)]
    for relation in document["relationships"]:
        found += [f"{relation[end]} does not exist"
                  for end in ("spdxElementId", "relatedSpdxElement") if relation[end] not in known]
    for package in document["packages"]:
        if not package["versionInfo"] or "downloadLocation" not in package:
            found.append(f"{package['name']} has no version or download location")
    return found + [f"{name} is not listed" for name in wanted if name not in names]


def main():
    found = complaints_about(json.load(sys.stdin), sys.argv[1:])
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
