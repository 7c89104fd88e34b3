"""check_house_rules.py sees each kind of violation, and nothing in a tree without one."""

import pathlib
import tempfile
import unittest

import check_house_rules

GOOD = {
    "include/seaworthy/status.h": "using Status = absl::Status;\n",
    "src/tpm/key.cc": (
        "// Does not throw; absl:: is elsewhere; system(3) is not used.\n"
        'const char* kText = "throw std::stoi system(";\n'
        "constexpr int kWait = 10'000;\n"
        "int f() { return ecosystem(1) + x.system(2); }\n"),
    "tests/CMakeLists.txt": ("foreach(layer base modules/keys)\n  seaworthy_tests(unit ${layer})\n"
                             "  seaworthy_tests(component ${layer})\nendforeach()\n"),
    "tests/unit/base/a_test.cc": 'void F() { std::system("openssl"); throw 1; }\n',
    "tests/component/modules/keys/b_test.cc": "int b;\n",
    "docs/HACKING.md": "# Hacking: the `dev` script\n[up](../README.md) [web](https://debian.org)\n",
    "README.md": "[h](docs/HACKING.md#hacking-the-dev-script)\n```\n[x](nowhere.md)\n```\n",
}


def check(changes):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**GOOD, **changes}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return check_house_rules.check(root)


class CheckHouseRulesTest(unittest.TestCase):
    def expect(self, path, text, error):
        errors, _ = check({path: text})
        self.assertEqual(len(errors), 1, errors)
        self.assertTrue(errors[0].startswith(path), errors)
        self.assertIn(error, errors[0])

    def test_good_tree(self):
        self.assertEqual(check({}), ([], []))

    def test_banned_words(self):
        for path, line in [
                ("src/tls/x.cc", "throw 1;"),
                ("src/app/x.cc", "int i = std::stoi(text);"),
                ("src/app/x.cc", "auto i = std::stoull(text);"),
                ("src/os/x.cc", 'system("ls");'),
                ("src/os/x.cc", 'std::system("ls");'),
                ("src/tls/x.cc", "absl::Status s;"),
                ("tests/unit/base/a_test.cc", "sleep(1);"),
                ("tests/unit/base/a_test.cc", "usleep(1);"),
                ("tests/support/x.h", "std::this_thread::sleep_for(1s);"),
                ("tests/unit/base/a_test.cc", "GTEST_SKIP();"),
                ("tests/unit/base/a_test.cc", "TEST(A, DISABLED_B) {}"),
        ]:
            with self.subTest(line=line):
                self.expect(path, "// One.\n/* two\n */\n" + line + "\n", ":4: ")

    def test_unfinished(self):
        for path in ("src/tls/x.cc", "docs/X.md", "dev", "proto/x.proto"):
            self.expect(path, "# TO" "DO: more\n", "unfinished")

    def test_long_file(self):
        self.expect("src/tls/x.cc", "int a;\n" * 501, "501 lines")
        self.assertEqual(check({"src/tls/x.cc": "int a;\n" * 500})[0], [])

    def test_long_function(self):
        def function(lines, indent=""):
            return f"{indent}int F(int a,\n{indent}      int b) {{\n" + (
                f"{indent}  if (a) {{\n{indent}  }}\n" * (lines // 2)) + f"{indent}}}\n"

        _, warnings = check({"src/tls/x.cc": function(62)})
        self.assertEqual(warnings, ["src/tls/x.cc:2: a function of 64 lines"])
        _, warnings = check({"src/tls/x.h": "class A {\n" + function(62, "  ") + "};\n"})
        self.assertEqual(warnings, ["src/tls/x.h:3: a function of 64 lines"])
        self.assertEqual(check({"src/tls/x.cc": function(58) * 2})[1], [])

    def test_orphan_test(self):
        self.expect("tests/unit/tls/c_test.cc", "int c;\n", "no test program")
        self.expect("tests/system/c_test.cc", "int c;\n", "no test program")
        self.assertEqual(check({"tests/system/c_test.cc": "int c;\n",
                                "tests/system/CMakeLists.txt": "add_executable(c c_test.cc)\n"}),
                         ([], []))

    def test_links(self):
        self.expect("docs/X.md", "\n[a](absent.md)\n", ":2: the link to absent.md")
        self.expect("docs/X.md", "[a](HACKING.md#absent)\n", "no heading")
        self.expect("docs/X.md", "# One\n[a](#two)\n", "no heading")


if __name__ == "__main__":
    unittest.main()
