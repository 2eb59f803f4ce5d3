"""The bill of materials: SPDX 2.3 in its JSON form, and whatever the programs are linked with stands in it."""

import json
import re
import unittest

from processes import BUILD, RELAY, RELAY_SERVE, run

FILE = BUILD / "deploy" / "kula-relay.spdx.json"
# What the specification asks of each, where no files are analysed.
DOCUMENT = ("spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "relationships")
PACKAGE = ("SPDXID", "name", "versionInfo", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText")
PURPOSES = ("APPLICATION", "LIBRARY")


class Sbom(unittest.TestCase):
    def setUp(self):
        self.document = json.loads(FILE.read_text(encoding="utf-8"))
        self.packages = {package["name"]: package for package in self.document["packages"]}

    def test_the_document_is_spdx(self):
        for field in DOCUMENT:
            self.assertTrue(self.document.get(field), field)
        self.assertEqual((self.document["spdxVersion"], self.document["dataLicense"], self.document["SPDXID"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertRegex(self.document["documentNamespace"], r"^https?://[^#\s]+$")
        self.assertRegex(self.document["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for creator in self.document["creationInfo"]["creators"]:
            self.assertRegex(creator, r"^(Tool|Organization|Person): \S")

    def test_each_package_has_what_is_asked_of_it(self):
        ids = [package["SPDXID"] for package in self.packages.values()]
        self.assertEqual(len(ids), len(set(ids)))
        for name, package in self.packages.items():
            with self.subTest(package=name):
                for field in PACKAGE:
                    self.assertTrue(package.get(field), field)
                self.assertRegex(package["SPDXID"], r"^SPDXRef-[A-Za-z0-9.-]+$")
                self.assertIs(package["filesAnalyzed"], False)
                self.assertIn(package["primaryPackagePurpose"], PURPOSES)
                self.assertRegex(package.get("supplier", "Organization: x"), r"^(Organization|Person): \S|^NOASSERTION$")
                for reference in package.get("externalRefs", []):
                    self.assertEqual((reference["referenceCategory"], reference["referenceType"]), ("PACKAGE-MANAGER", "purl"))
                    self.assertRegex(reference["referenceLocator"], r"^pkg:deb/debian/[a-z0-9.+-]+@[^\s+:]+\?arch=\w+$")

    def test_relationships_name_what_is_there(self):
        known = {"SPDXRef-DOCUMENT"} | {package["SPDXID"] for package in self.packages.values()}
        described = set()
        for row in self.document["relationships"]:
            self.assertIn(row["relationshipType"], ("DESCRIBES", "DYNAMIC_LINK"))
            self.assertLessEqual({row["spdxElementId"], row["relatedSpdxElement"]}, known)
            described.add(row["relatedSpdxElement"])
        self.assertEqual(described | {"SPDXRef-DOCUMENT"}, known)

    def test_every_linked_library_is_told_with_its_licence(self):
        linked = set()
        for program in (RELAY, RELAY_SERVE):
            linked |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "--dynamic", program]).out))
        # Sanitizers are linked into no program that anybody installs.
        linked = {name for name in linked if not re.match(r"ld-|lib[a-z]+san\.|libgcc|libm\.|libgcov", name)}
        self.assertGreater(len(linked), 10)
        for name in linked:
            with self.subTest(library=name):
                self.assertNotEqual(self.packages[name]["licenseDeclared"], "NOASSERTION")
        self.assertEqual(self.packages["kula-relay"]["licenseDeclared"], "MIT")
        self.assertIn(f"kula-relay {self.packages['kula-relay']['versionInfo']} ", run([RELAY, "version"]).out)
