// A node enrolled with the programs alone, by the files that go back and forth.
#include <gmock/gmock.h>

#include "component/ctl/node.h"

namespace seaworthy::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class EnrolTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { node_ = new Node(SwTpm::Maker::kCertifies); }
  static void TearDownTestSuite() {
    delete node_;
    node_ = nullptr;
  }

  static Ran Ctl(const Words& arguments) { return node_->Ctl(arguments); }
  // The backend's side asks no daemon.
  static Ran Backend(Words arguments) {
    arguments.insert(arguments.begin(), SEAWORTHYCTL);
    return RunProgram(arguments);
  }
  static std::string File(std::string_view name) { return *node_ / name; }

  static Ran Challenge(const std::string& roots, const Words& more = {}) {
    Words words = {"enrol", "challenge", "--offer",         File("offer"), "--roots",
                   roots,   "--out",     File("challenge"), "--pending",   File("pending")};
    words.insert(words.end(), more.begin(), more.end());
    return Backend(words);
  }
  static Ran Finish() {
    return Backend({"enrol", "finish", "--pending", File("pending"), "--answer", File("answer"),
                    "--out", File("enrolled.pem")});
  }

  static Node* node_;
};

Node* EnrolTest::node_ = nullptr;

TEST_F(EnrolTest, TheEnrolledKeyIsTheOneThatVerifyTakes) {
  ASSERT_EQ(Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  const Ran challenge = Challenge(node_->tpm().ca_folder());
  ASSERT_EQ(challenge.exit, 0) << challenge.err;
  EXPECT_THAT(challenge.out, HasSubstr("model swtpm"));
  EXPECT_THAT(challenge.err, Not(HasSubstr("ERROR")));
  const Ran answer =
      Ctl({"enrol", "answer", "--challenge", File("challenge"), "--out", File("answer")});
  ASSERT_EQ(answer.exit, 0) << answer.err;
  const Ran finish = Finish();
  ASSERT_EQ(finish.exit, 0) << finish.err;
  EXPECT_THAT(finish.out, EndsWith("trusted\n"));

  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  EXPECT_EQ(Content(File("enrolled.pem")), Content(File("ak.pem")));
  const std::string nonce(64, 'c');
  ASSERT_EQ(Ctl({"quote", "--nonce", nonce, "--out", File("evidence")}).exit, 0);
  EXPECT_EQ(Backend({"verify", "--evidence", File("evidence"), "--nonce", nonce, "--ak",
                     File("enrolled.pem")})
                .exit,
            0);
}

TEST_F(EnrolTest, TheSecretIsForItsOwnerAndInNoTrail) {
  ASSERT_EQ(Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  ASSERT_EQ(Challenge(node_->tpm().ca_folder()).exit, 0);
  for (const std::string file : {"pending", "answer"}) {
    ASSERT_EQ(
        Ctl({"enrol", "answer", "--challenge", File("challenge"), "--out", File("answer")}).exit,
        0);
    EXPECT_EQ(std::filesystem::status(File(file)).permissions(), std::filesystem::perms(0600));
  }
  const std::string secret = Content(File("answer")).substr(0, 64);
  EXPECT_THAT(Content(File("pending")), HasSubstr(secret));
  const std::string trail = Content(File("audit/log"));
  EXPECT_THAT(trail, HasSubstr("AttestationService/ActivateCredential"));
  EXPECT_THAT(trail, Not(HasSubstr(secret)));
  EXPECT_THAT(Content(File("err")), Not(HasSubstr(secret)));
  const nlohmann::json json = node_->Json({"enrol", "answer", "--challenge", File("challenge")});
  EXPECT_THAT(trail, Not(HasSubstr(json["secret"])));
}

TEST_F(EnrolTest, AWrongAnswerIsANo) {
  ASSERT_EQ(Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  ASSERT_EQ(Challenge(node_->tpm().ca_folder()).exit, 0);
  ASSERT_EQ(
      Ctl({"enrol", "answer", "--challenge", File("challenge"), "--out", File("answer")}).exit, 0);
  // The next challenge has another secret.
  ASSERT_EQ(Challenge(node_->tpm().ca_folder()).exit, 0);
  std::filesystem::remove(File("enrolled.pem"));
  const Ran finish = Finish();
  EXPECT_EQ(finish.exit, 1);
  EXPECT_THAT(finish.out, EndsWith("NOT trusted: SECRET_MISMATCH\n"));
  std::ofstream(File("answer")) << "no hex";
  EXPECT_THAT(Finish().out, EndsWith("NOT trusted: MALFORMED\n"));
  EXPECT_FALSE(std::filesystem::exists(File("enrolled.pem")));
}

TEST_F(EnrolTest, AnUnknownMakerGetsNoChallenge) {
  ASSERT_EQ(Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  std::filesystem::create_directories(File("roots"));
  std::ofstream(File("roots/README")) << "not looked at";
  EXPECT_EQ(Challenge(File("roots")).exit, 2);
  std::ofstream(File("roots/broken.CER")) << "garbage";
  std::filesystem::copy_file(TEST_DATA "/captures/tpm-vendor/root.pem", File("roots/root.pem"));
  std::filesystem::remove(File("challenge"));
  const Ran refused = Challenge(File("roots"), {"--output", "json"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("left out"));
  const nlohmann::json json = nlohmann::json::parse(refused.out);
  EXPECT_EQ(json["trusted"], false);
  EXPECT_EQ(json["tpm"]["model"], "swtpm");
  EXPECT_THAT(std::string(json["ek_name"]), ::testing::SizeIs(100));  // SHA-384
  EXPECT_EQ(json["findings"][3]["code"], "EK_ROOT_UNKNOWN");
  EXPECT_FALSE(std::filesystem::exists(File("challenge")));
  std::ofstream(File("offer")) << "garbage";
  EXPECT_THAT(Challenge(File("roots")).out, EndsWith("NOT trusted: MALFORMED\n"));
}

TEST_F(EnrolTest, AnotherNodeCannotAnswer) {
  const Node other;
  ASSERT_EQ(Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  ASSERT_EQ(Challenge(node_->tpm().ca_folder()).exit, 0);
  const Ran refused = other.Ctl({"enrol", "answer", "--challenge", File("challenge")});
  EXPECT_EQ(refused.exit, 4);
  EXPECT_THAT(refused.out, IsEmpty());
  EXPECT_THAT(refused.err, HasSubstr("[EK_UNKNOWN]"));
}

// A TPM without certificates in it, whose maker publishes them: here, the test's own CA.
TEST_F(EnrolTest, ACertificateMayComeInAFile) {
  const Node plain;
  ASSERT_EQ(plain.Ctl({"enrol", "offer", "--out", File("offer")}).exit, 0);
  EXPECT_THAT(Challenge(node_->tpm().ca_folder()).out,
              EndsWith("NOT trusted: EK_CERTIFICATE_MISSING\n"));
  EXPECT_THAT(Challenge(node_->tpm().ca_folder(),
                        {"--certificate", TEST_DATA "/captures/ovmf-direct/ek.cert.der"})
                  .out,
              EndsWith("NOT trusted: EK_CERTIFICATE_OF_ANOTHER_KEY\n"));
}

TEST_F(EnrolTest, ReadersNeitherOfferNorAnswer) {
  const std::ofstream empty(File("empty"));
  for (const Words& words :
       {Words{"enrol", "offer", "--output", "json"},
        Words{"enrol", "answer", "--challenge", File("empty"), "--output", "json"}}) {
    const Ran refused = node_->Ctl(words, "read/s");
    EXPECT_EQ(refused.exit, 4) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("ROLE_TOO_LOW"));
  }
}

TEST_F(EnrolTest, TheAttestationKeysCertificateIsInstalledAndTold) {
  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  const auto run = [](const Words& words) { ASSERT_EQ(RunProgram(words).exit, 0) << words[1]; };
  run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-subj", "/CN=CA", "-days", "1", "-keyout", File("ca.key"), "-out", File("ca.pem")});
  run({"openssl", "req", "-new", "-key", File("ca.key"), "-subj", "/CN=ak", "-out",
       File("ak.csr")});
  run({"openssl", "x509", "-req", "-in", File("ak.csr"), "-CA", File("ca.pem"), "-CAkey",
       File("ca.key"), "-CAcreateserial", "-days", "1", "-force_pubkey", File("ak.pem"), "-out",
       File("ak-cert.pem")});
  const Ran installed = Ctl({"ak-install", "--chain", File("ak-cert.pem")});
  EXPECT_EQ(installed.exit, 0) << installed.err;
  EXPECT_EQ(node_->Json({"ak"})["certificate_chain_pem"], Content(File("ak-cert.pem")));
  const Ran refused = Ctl({"ak-install", "--chain", File("ca.pem")});
  EXPECT_EQ(refused.exit, 4);
  EXPECT_THAT(refused.err, HasSubstr("[CERTIFICATE_KEY_MISMATCH]"));
}

}  // namespace
}  // namespace seaworthy::testing
