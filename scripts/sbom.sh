#!/bin/sh
# sbom [NAME VERSION]   prints the packages of this system as an SPDX 2.3 document (JSON)
# In the image's build and nowhere else; needs dpkg and sed only.
set -eu
name=${1:-slotmatch}
version=${2:-unknown}
now=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
cat <<E2
{
 "spdxVersion": "SPDX-2.3",
 "dataLicense": "CC0-1.0",
 "SPDXID": "SPDXRef-DOCUMENT",
 "name": "$name-$version",
 "documentNamespace": "https://spdx.org/spdxdocs/$name-$version-$now",
 "creationInfo": {"created": "$now", "creators": ["Tool: slotmatch-sbom"]},
 "documentDescribes": ["SPDXRef-$name"],
 "packages": [
E2
# ids may hold letters, digits, dots and dashes only
dpkg-query -W -f '${Package}|${Version}|${source:Package}|${source:Version}\n' |
  while IFS='|' read -r package installed source source_version; do
    id=$(printf %s "$package" | sed 's/[^A-Za-z0-9.-]/-plus/g')
    printf '  {"SPDXID": "SPDXRef-deb-%s", "name": "%s", "versionInfo": "%s", ' \
      "$id" "$package" "$installed"
    printf '"supplier": "Organization: Debian", "downloadLocation": "NOASSERTION", '
    printf '"filesAnalyzed": false, "sourceInfo": "built from: %s %s", ' "$source" "$source_version"
    printf '"externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", '
    printf '"referenceLocator": "pkg:deb/debian/%s@%s"}]},\n' \
      "$(printf %s "$package" | sed 's/+/%2B/g')" "$(printf %s "$installed" | sed 's/+/%2B/g')"
  done
cat <<E2
  {"SPDXID": "SPDXRef-$name", "name": "$name", "versionInfo": "$version",
   "supplier": "NOASSERTION", "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
   "licenseDeclared": "Apache-2.0"}
 ],
 "relationships": [
E2
dpkg-query -W -f '${Package}\n' | sed 's/[^A-Za-z0-9.-]/-plus/g' |
  sed "s/.*/  {\"spdxElementId\": \"SPDXRef-$name\", \"relationshipType\": \"DEPENDS_ON\", \"relatedSpdxElement\": \"SPDXRef-deb-&\"},/"
cat <<E2
  {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-$name"}
 ]
}
E2
