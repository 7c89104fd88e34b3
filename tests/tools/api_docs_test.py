"""Proves that docs/api/generate.py --check passes on fresh pages and fails on stale ones."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class ApiDocs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        shutil.copytree(ROOT / "proto", self.root / "proto")
        self.api = self.root / "docs/api"
        self.api.mkdir(parents=True)
        shutil.copy(ROOT / "docs/api/generate.py", self.api)
        self.assertEqual(self.generate()[0], 0)

    def generate(self, *arguments):
        done = subprocess.run([sys.executable, self.api / "generate.py", *arguments],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_fresh_pages_pass(self):
        self.assertEqual(self.generate("--check"), (0, ""))

    def test_an_edited_page_fails(self):
        with open(self.api / "KeyService.md", "a", encoding="utf-8") as page:
            page.write("by hand\n")
        code, text = self.generate("--check")
        self.assertEqual(code, 1)
        self.assertIn("docs/api/KeyService.md is out of date", text)

    def test_a_page_of_nothing_fails(self):
        (self.api / "GoneService.md").write_text("# GoneService\n", encoding="utf-8")
        code, text = self.generate("--check")
        self.assertEqual(code, 1)
        self.assertIn("docs/api/GoneService.md", text)

    def test_a_changed_comment_and_role_fail_and_are_taken_over(self):
        proto = self.root / "proto/seaworthy/v1/key.proto"
        text = proto.read_text(encoding="utf-8")
        changed = text.replace("// Shows one key.", "// Shows one key and more.").replace(
            "rpc GetKey(GetKeyRequest) returns (Key) {\n    option (required_role) = READER;",
            "rpc GetKey(GetKeyRequest) returns (Key) {\n    option (required_role) = ADMIN;")
        self.assertNotEqual(text, changed)
        proto.write_text(changed, encoding="utf-8")
        self.assertEqual(self.generate("--check")[0], 1)
        self.assertEqual(self.generate()[0], 0)
        page = (self.api / "KeyService.md").read_text(encoding="utf-8")
        self.assertIn("Shows one key and more.", page)
        self.assertIn("| [GetKey](#getkey) | [GetKeyRequest](#getkeyrequest) | [Key](#key) | ADMIN |",
                      page)


if __name__ == "__main__":
    unittest.main()
