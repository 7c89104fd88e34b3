"""check_layers.py sees each kind of violation, and nothing in a tree without one."""

import pathlib
import tempfile
import unittest

import check_layers

GOOD = {
    "include/seaworthy/status.h": '#include "absl/status/status.h"\n#include <string>\n',
    "include/seaworthy/verify.h": '#include "seaworthy/status.h"\n',
    "include/seaworthy/tpm/key.h": '#include "seaworthy/status.h"\n',
    "include/seaworthy/modules/keys.h": '#include "seaworthy/tpm/key.h"\n',
    "include/seaworthy/modules/volumes.h": '#include "seaworthy/tpm/key.h"\n',
    "src/base/status.cc": '#include "seaworthy/status.h"\n#include <sys/stat.h>\n',
    "src/os/unit.cc": "#include <systemd/sd-bus.h>\n",
    "src/tpm/context.h": "#include <tss2/tss2_esys.h>\n",
    "src/tpm/key.cc": '#include "seaworthy/tpm/key.h"\n#include "tpm/context.h"\n',
    "src/verify/quote.cc": "#include <tss2/tss2_mu.h>\n",
    "src/verify/message.cc": '#include "seaworthy/v1/attestation.pb.h"\n',
    "src/modules/keys/keys.cc": '#include "seaworthy/modules/keys.h"\n#include "store.h"\n',
    "src/modules/keys/store.h": "#include <nlohmann/json.hpp>\n",
    "src/modules/keys/service.cc": '#include "seaworthy/v1/key.grpc.pb.h"\n#include <grpcpp/grpcpp.h>\n',
    "src/app/config.cc": "#include <toml++/toml.h>\n",
    "src/app/app.cc": '#include "seaworthy/modules/keys.h"\n',
    "src/ctl/main.cc": "#include <CLI/CLI.hpp>\n",
    "src/tpm/CMakeLists.txt": "seaworthy_layer(tpm SOURCES key.cc PUBLIC seaworthy_base)\n",
}


def errors_of(changes):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**GOOD, **changes}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return check_layers.check(root)


class CheckLayersTest(unittest.TestCase):
    def expect(self, path, include, text):
        errors = errors_of({path: "// A comment.\n" + include + "\n"})
        self.assertEqual(len(errors), 1, errors)
        self.assertTrue(errors[0].startswith(path + ":2: "), errors)
        self.assertIn(text, errors[0])

    def test_good_tree(self):
        self.assertEqual(errors_of({}), [])

    def test_upwards(self):
        self.expect("src/base/log.cc", '#include "seaworthy/tpm/key.h"', "base may not include tpm")
        self.expect("src/verify/x.cc", '#include "seaworthy/tpm/key.h"', "verify may not include")

    def test_private_header_of_another_layer(self):
        self.expect("src/os/x.cc", '#include "tpm/context.h"', "os may not include tpm")

    def test_module_to_module(self):
        self.expect("src/modules/volumes/x.cc", '#include "seaworthy/modules/keys.h"',
                    "modules/volumes may not include modules/keys")
        self.expect("src/modules/volumes/x.cc", '#include "modules/keys/store.h"',
                    "modules/volumes may not include modules/keys")

    def test_nobody_includes_app_or_ctl(self):
        for layer in ("app", "ctl"):
            errors = errors_of({f"src/{layer}/x.h": "", "src/rpc/x.cc": f'#include "{layer}/x.h"\n'})
            self.assertEqual(len(errors), 1, errors)
        self.assertEqual(len(errors_of({"src/app/x.h": "",
                                        "src/ctl/x.cc": '#include "app/x.h"\n'})), 1)

    def test_public_header_to_private(self):
        self.expect("include/seaworthy/tpm/x.h", '#include "tpm/context.h"', "public header")

    def test_libraries(self):
        for path, header in [
                ("src/base/x.cc", "absl/strings/cord.h"),
                ("src/tls/x.cc", "tss2/tss2_esys.h"),
                ("src/verify/x.cc", "tss2/tss2_esys.h"),
                ("src/base/x.cc", "openssl/evp.h"),
                ("src/rpc/x.cc", "openssl/ssl.h"),
                ("src/modules/keys/keys.cc", "grpcpp/grpcpp.h"),
                ("src/modules/keys/keys.cc", "seaworthy/v1/key.pb.h"),
                ("src/tpm/x.cc", "seaworthy/v1/key.pb.h"),
                ("src/tpm/x.cc", "nlohmann/json.hpp"),
                ("src/tls/x.cc", "systemd/sd-journal.h"),
                ("src/app/x.cc", "CLI/CLI.hpp"),
                ("src/ctl/x.cc", "toml++/toml.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.expect(path, f"#include <{header}>", "not this file's to use")

    def test_unknown_library(self):
        self.expect("src/app/x.cc", "#include <boost/asio.hpp>", "unknown library")

    def test_missing_header(self):
        self.expect("src/app/x.cc", '#include "seaworthy/absent.h"', "does not exist")

    def test_one_file_only(self):
        for path, header in [("src/app/x.cc", "toml++/toml.h"),
                             ("src/verify/x.cc", "seaworthy/v1/key.pb.h")]:
            errors = errors_of({path: f"#include <{header}>\n"})
            self.assertEqual(len(errors), 1, errors)
            self.assertIn("2 files use it, 1 may", errors[0])

    def test_no_layer(self):
        self.assertEqual(len(errors_of({"src/common/x.cc": ""})), 1)
        self.assertEqual(len(errors_of({"src/x.cc": ""})), 1)

    def test_link_list(self):
        errors = errors_of({"src/tpm/CMakeLists.txt":
                            "seaworthy_layer(tpm\n  SOURCES key.cc\n  PRIVATE seaworthy_tls)\n"})
        self.assertEqual(errors, ["src/tpm/CMakeLists.txt:1: tpm may not link tls"])


if __name__ == "__main__":
    unittest.main()
