// integrity as an operator runs it; evmctl says whether the signatures are what they should be.
#include <gmock/gmock.h>
#include <sys/xattr.h>

#include <filesystem>

#include "component/ctl/node.h"

namespace seaworthy::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class IntegrityProgram : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { node_ = new Node; }
  static void TearDownTestSuite() {
    delete node_;
    node_ = nullptr;
  }
  static Ran Ctl(const Words& arguments) { return node_->Ctl(arguments); }
  static std::string File(std::string_view name) { return *node_ / name; }
  static void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(File(name)).parent_path());
    std::ofstream(File(name)) << text;
  }

  static Node* node_;
};

Node* IntegrityProgram::node_ = nullptr;

TEST_F(IntegrityProgram, ChecksAPolicyBeforeTheKernelDoes) {
  Write("good", "measure func=BPRM_CHECK mask=MAY_EXEC\nmeasure func=BPRM_CHECK mask=MAY_EXEC\n");
  const Ran good = Ctl({"integrity", "check-policy", File("good")});
  EXPECT_EQ(good.exit, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("line 2: "));
  EXPECT_THAT(good.out, EndsWith("the kernel takes it: 2 rules\n"));
  Write("bad", "measure func=BPRM_CHECK\nmeasure mask=MAY_RUN\n");
  const Ran bad = Ctl({"integrity", "check-policy", File("bad")});
  EXPECT_EQ(bad.exit, 1);
  EXPECT_THAT(bad.err, HasSubstr(File("bad")));
  EXPECT_THAT(bad.err, ContainsRegex("line 2.*MAY_RUN"));
  EXPECT_EQ(Ctl({"integrity", "check-policy", File("absent")}).exit, 2);
}

// With a certificate that openssl made for the key's request; evmctl takes it in DER.
TEST_F(IntegrityProgram, SignsFilesByATpmKeyAsEvmctlTakesThem) {
  Write("tree/bin/runc", "a runtime");
  Write("tree/bin/dockerd", "an engine");
  ASSERT_EQ(Ctl({"key", "create", "ima"}).exit, 0);
  ASSERT_EQ(Ctl({"key", "csr", "ima", "--subject", "CN=files", "--out", File("csr")}).exit, 0);
  ASSERT_EQ(RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=CA", "-days", "1",
                        "-keyout", File("ca.key"), "-out", File("ca.pem")})
                .exit,
            0);
  ASSERT_EQ(
      RunProgram({"openssl", "x509", "-req", "-in", File("csr"), "-CA", File("ca.pem"), "-CAkey",
                  File("ca.key"), "-CAcreateserial", "-days", "1", "-out", File("ima.pem")})
          .exit,
      0);
  ASSERT_EQ(RunProgram({"openssl", "x509", "-in", File("ima.pem"), "-outform", "der", "-out",
                        File("ima.der")})
                .exit,
            0);
  ASSERT_EQ(Ctl({"key", "install", "ima", "--chain", File("ima.pem")}).exit, 0);
  const Words sign = {"integrity", "sign", "--key", "ima", "--root", File("tree"), "/bin"};
  const Words check = {"integrity", "check",      "--certificate", File("ima.pem"),
                       "--root",    File("tree"), "/bin"};
  EXPECT_EQ(Ctl(check).exit, 1);
  const Ran first = Ctl(sign);
  if (setxattr(File("tree").c_str(), "security.ima", "x", 1, 0) != 0) {
    // Without CAP_SYS_ADMIN nobody writes these attributes.
    EXPECT_EQ(first.exit, 1);
    EXPECT_THAT(first.out, HasSubstr("XATTR_DENIED"));
    return;
  }
  EXPECT_EQ(first.exit, 0) << first.out << first.err;
  EXPECT_THAT(first.out, HasSubstr("2 signed, 0 had been signed, 0 failed"));
  EXPECT_THAT(Ctl(sign).out, HasSubstr("0 signed, 2 had been"));
  EXPECT_EQ(Ctl(check).exit, 0);
  // A package has a file of the tree, which is signed, and one that is not.
  Write("tree/usr/lib/library", "code");
  Write("tree/var/lib/dpkg/status", "Package: tool\nStatus: install ok installed\n");
  Write("tree/var/lib/dpkg/info/tool.list", "/.\n/bin\n/bin/runc\n/usr/lib/library\n");
  const Ran package =
      Ctl({"integrity", "sign", "--key", "ima", "--root", File("tree"), "--package", "tool"});
  EXPECT_THAT(package.out, HasSubstr("1 signed, 1 had been")) << package.err;
  const Words evmctl = {"evmctl", "ima_verify", "--key", File("ima.der"), File("tree/bin/runc")};
  EXPECT_EQ(RunProgram(evmctl).exit, 0);
  Write("tree/bin/runc", "a back door");
  EXPECT_NE(RunProgram(evmctl).exit, 0);
  const Ran changed = Ctl(check);
  EXPECT_EQ(changed.exit, 1);
  EXPECT_THAT(changed.out, ContainsRegex("bin/runc.*IMA_SIGNATURE_INVALID"));
  EXPECT_EQ(Ctl({"integrity", "sign", "--key", "nobody", "/none"}).exit, 4);
}

TEST_F(IntegrityProgram, NamesWhatToSign) {
  const Ran nothing = Ctl({"integrity", "sign", "--key", "nobody"});
  EXPECT_EQ(nothing.exit, 2);
  EXPECT_THAT(nothing.err, HasSubstr("--package"));
  const Ran unknown = Ctl({"integrity", "sign", "--key", "nobody", "--package", "no-such-package"});
  EXPECT_EQ(unknown.exit, 2);
  EXPECT_THAT(unknown.err, HasSubstr("no-such-package"));
}

TEST_F(IntegrityProgram, ShowsHowFarItIsOnATerminalAlone) {
  Write("lone/file", "text");
  ASSERT_EQ(RunProgram({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=files", "-keyout", File("lone.key"), "-out", File("lone.pem")})
                .exit,
            0);
  const Words check = {"integrity", "check",      "--certificate", File("lone.pem"),
                       "--root",    File("lone"), "/file"};
  EXPECT_EQ(Ctl(check).err, "");
  std::string command = SEAWORTHYCTL;
  for (const std::string& word : check) command += " " + word;
  const Ran seen = RunProgram({"script", "-qec", command, "/dev/null"});
  EXPECT_THAT(seen.out, HasSubstr("1 files")) << seen.err;
}

}  // namespace
}  // namespace seaworthy::testing
