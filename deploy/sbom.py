#!/usr/bin/env python3
"""Writes what kula-relay is made of, as SPDX 2.3: sbom.py OUT VERSION PROGRAM... -- COMPILER...

Asked are the programs themselves, which libraries they are linked with; the compiler, where these are; and Debian's packages,
where there are any, which one has them. Nothing else is in there: no code of others stands among the sources.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import uuid

# By the beginning of a library's name: SPDX's word for its licence, and pkg-config's for its version.
LIBRARIES = {
    "libc": ("LGPL-2.1-or-later", None),
    "libcrypto": ("Apache-2.0", "libcrypto"),
    "libcurl": ("curl", "libcurl"),
    "libevent_core": ("BSD-3-Clause", "libevent_core"),
    "libevent_extra": ("BSD-3-Clause", "libevent_extra"),
    "libevent_openssl": ("BSD-3-Clause", "libevent_openssl"),
    "libevhtp": ("BSD-3-Clause", "evhtp"),
    "libhiredis": ("BSD-3-Clause", "hiredis"),
    "libisal": ("BSD-3-Clause", "libisal"),
    "libssl": ("Apache-2.0", "libssl"),
    "libyajl": ("ISC", "yajl"),
    "libyaml": ("MIT", "yaml-0.1"),
}


def told(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def linked(programs):
    """The sonames, such as libssl.so.3; not the loader's, which comes with the C library."""
    names = {name for program in programs for name in re.findall(r"\(NEEDED\).*\[(.*)\]", told("readelf", "--dynamic", program))}
    return sorted(name for name in names if not name.startswith("ld-"))


def debian_package(soname, compiler):
    """(name, version, architecture), None where dpkg knows nothing of it."""
    path = pathlib.Path(told(*compiler, f"-print-file-name={soname}"))
    if not shutil.which("dpkg-query"):
        return None
    # By its folder's name alone: what is in /usr/lib may have been packed as /lib.
    owners = told("dpkg-query", "--search", f"*/{path.resolve().parent.name}/{soname}")
    row = told("dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n", owners.split(": ")[0].split(",")[0])
    return row.split("\n")[0].split("\t") if owners and row else None


def library(soname, compiler):
    licence, module = LIBRARIES.get(re.split(r"[-.]", soname)[0], ("NOASSERTION", None))
    entry = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", soname),
        "name": soname,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "LIBRARY",
    }
    package = debian_package(soname, compiler)
    if package:
        name, version, architecture = package
        entry["versionInfo"] = version
        entry["supplier"] = "Organization: Debian"
        entry["externalRefs"] = [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}",
        }]
    elif module:
        entry["versionInfo"] = told("pkg-config", "--modversion", module)
    return entry


def main():
    out, version, *rest = sys.argv[1:]
    programs, compiler = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    ours = {
        "SPDXID": "SPDXRef-kula-relay",
        "name": "kula-relay",
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "MIT",
        "licenseDeclared": "MIT",
        "copyrightText": "Copyright (c) 2026 the kula-relay authors",
        "supplier": "Organization: the kula-relay authors",
        "primaryPackagePurpose": "APPLICATION",
    }
    packages = [ours, *(library(soname, compiler) for soname in linked(programs))]
    # The same document has the same name, wherever it was written.
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(packages, sort_keys=True))
    created = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"kula-relay-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/kula-relay-{version}-{name}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", created), "creators": ["Tool: kula-relay-sbom"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": ours["SPDXID"]},
            *({"spdxElementId": ours["SPDXID"], "relationshipType": "DYNAMIC_LINK", "relatedSpdxElement": package["SPDXID"]}
              for package in packages[1:]),
        ],
    }
    pathlib.Path(out).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
