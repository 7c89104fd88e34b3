// seaworthyctl and seaworthyd as an operator runs them, on a software TPM; openssl and
// tpm2-tools say whether what comes out is what it should be.
#include <gmock/gmock.h>

#include <fstream>

#include "component/ctl/node.h"
#include "seaworthy/v1/attestation.pb.h"

namespace seaworthy::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kNonce(64, 'a');
const std::string kOtherNonce(64, 'b');

class ProgramTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { node_ = new Node; }
  static void TearDownTestSuite() {
    delete node_;
    node_ = nullptr;
  }

  static Ran Ctl(const Words& arguments) { return node_->Ctl(arguments); }
  static std::string File(std::string_view name) { return *node_ / name; }

  // A certificate for the request by a CA of a day.
  static void Certify(const std::string& csr, const std::string& certificate) {
    if (!std::filesystem::exists(File("ca.pem"))) {
      ASSERT_EQ(RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=CA", "-days", "1",
                            "-keyout", File("ca.key"), "-out", File("ca.pem")})
                    .exit,
                0);
    }
    const Ran signed_by_ca =
        RunProgram({"openssl", "x509", "-req", "-in", csr, "-CA", File("ca.pem"), "-CAkey",
                    File("ca.key"), "-CAcreateserial", "-days", "90", "-out", certificate});
    ASSERT_EQ(signed_by_ca.exit, 0) << signed_by_ca.err;
  }

  static Node* node_;
};

Node* ProgramTest::node_ = nullptr;

TEST_F(ProgramTest, StatusAndHealthForAPersonAndAScript) {
  const Ran text = Ctl({"status"});
  EXPECT_EQ(text.exit, 0);
  EXPECT_THAT(text.out, ContainsRegex("TPM +available\n"));
  EXPECT_THAT(text.out, ContainsRegex("your role +ADMIN\n"));
  EXPECT_THAT(text.out, Not(HasSubstr("\033")));
  const nlohmann::json status = node_->Json({"status"});
  EXPECT_EQ(status["tpm"]["available"], true);
  EXPECT_EQ(status["caller_role"], "ADMIN");
  const Ran health = Ctl({"health"});
  EXPECT_EQ(health.exit, 0) << health.out;
}

TEST_F(ProgramTest, AKeyFromCreateToDelete) {
  const Ran created = Ctl({"key", "create", "life"});
  ASSERT_EQ(created.exit, 0) << created.err;
  EXPECT_THAT(created.out, HasSubstr("fixedTPM"));
  EXPECT_EQ(Ctl({"key", "create", "life"}).exit, 4);
  EXPECT_THAT(Ctl({"key", "list", "--names"}).out, HasSubstr("life\n"));

  ASSERT_EQ(Ctl({"key", "csr", "life", "--subject", "CN=node", "--dns", "node.example", "--dns",
                 "n.example", "--out", File("life.csr")})
                .exit,
            0);
  EXPECT_THAT(RunProgram({"openssl", "req", "-in", File("life.csr"), "-verify", "-noout", "-text"}),
              ::testing::AllOf(::testing::Field(&Ran::exit, 0),
                               ::testing::Field(&Ran::out, HasSubstr("DNS:n.example"))));
  Certify(File("life.csr"), File("life.pem"));
  const Ran installed = Ctl({"key", "install", "life", "--chain", File("life.pem")});
  ASSERT_EQ(installed.exit, 0) << installed.err;
  EXPECT_THAT(installed.out, ContainsRegex("expires in (89|90) days"));

  ASSERT_EQ(Ctl({"key", "rotate", "life", "--subject", "CN=node", "--out", File("next.csr")}).exit,
            0);
  EXPECT_THAT(Ctl({"key", "show", "life"}).out, HasSubstr("a next key waits"));
  Certify(File("next.csr"), File("next.pem"));
  ASSERT_EQ(Ctl({"key", "install", "life", "--chain", File("next.pem")}).exit, 0);
  EXPECT_EQ(node_->Json({"key", "show", "life"})["rotation_pending"], false);

  EXPECT_EQ(Ctl({"key", "delete", "life"}).exit, 2);  // no terminal to ask on
  EXPECT_EQ(Ctl({"key", "delete", "life", "--yes"}).exit, 0);
  const Ran gone = Ctl({"key", "show", "life", "--output", "json"});
  EXPECT_EQ(gone.exit, 4);
  EXPECT_THAT(gone.out, IsEmpty());
  EXPECT_EQ(nlohmann::json::parse(gone.err)["error"]["code"], "NOT_FOUND");
}

TEST_F(ProgramTest, SignsWhatOpensslVerifies) {
  ASSERT_EQ(Ctl({"key", "create", "signer"}).exit, 0);
  ASSERT_EQ(Ctl({"key", "public", "signer", "--out", File("public.pem")}).exit, 0);
  std::ofstream(File("document")) << "signed by the TPM";
  const auto verify = [&](const std::string& hash) {
    return RunProgram({"openssl", "dgst", "-" + hash, "-verify", File("public.pem"), "-signature",
                       File("signature"), File("document")})
        .exit;
  };
  for (const std::string hash : {"sha256", "sha384"}) {
    const Ran ran = Ctl({"key", "sign", "signer", "--file", File("document"), "--hash", hash,
                         "--out", File("signature")});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(verify(hash), 0) << hash;
  }
  EXPECT_NE(verify("sha256"), 0);  // the signature is over another digest
  const Ran mismatch =
      Ctl({"key", "sign", "signer", "--scheme", "rsa-pss", "--file", File("document")});
  EXPECT_EQ(mismatch.exit, 4);
  EXPECT_THAT(mismatch.err, StartsWith("seaworthyctl: "));
}

TEST_F(ProgramTest, CertificationTiesARequestToTheTpm) {
  ASSERT_EQ(Ctl({"key", "create", "certified"}).exit, 0);
  ASSERT_EQ(Ctl({"key", "create", "another"}).exit, 0);
  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  for (const std::string name : {"certified", "another"}) {
    ASSERT_EQ(Ctl({"key", "csr", name, "--subject", "CN=n", "--out", File(name + ".csr")}).exit, 0);
  }
  ASSERT_EQ(
      Ctl({"key", "certify", "certified", "--nonce", kNonce, "--out", File("certified.bin")}).exit,
      0);
  const auto verify = [&](const std::string& nonce, const std::string& csr) {
    return RunProgram({SEAWORTHYCTL, "verify-key", "--certification", File("certified.bin"),
                       "--nonce", nonce, "--ak", File("ak.pem"), "--csr", csr});
  };
  EXPECT_EQ(verify(kNonce, File("certified.csr")).exit, 0);
  EXPECT_THAT(verify(kNonce, File("another.csr")).out, EndsWith("NOT trusted: KEY_MISMATCH\n"));
  EXPECT_THAT(verify(kOtherNonce, File("certified.csr")).out,
              EndsWith("NOT trusted: NONCE_MISMATCH\n"));
  EXPECT_EQ(verify(kOtherNonce, File("certified.csr")).exit, 1);
}

TEST_F(ProgramTest, TellsWhatTheKernelsIntegrityIs) {
  const Ran text = Ctl({"integrity", "state"});
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_THAT(text.out, ContainsRegex("evm-hmac +(yes|no): "));
  EXPECT_EQ(node_->Json({"integrity", "state"})["features"].size(), 5U);
  EXPECT_EQ(node_->Ctl({"integrity", "state"}, "read/s").exit, 0);
}

TEST_F(ProgramTest, FollowsTheImaList) {
  const Ran text = Ctl({"--timeout", "3", "integrity", "watch", "--recent"});
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_THAT(text.out, EndsWith(File("ima_list") + " does not exist\n"));
  // What stays as it is, is told once.
  EXPECT_LE(std::ranges::count(text.out, '\n'), 2);
  EXPECT_EQ(node_->Json({"integrity", "watch", "--count", "1"})["list"]["problem_reason"],
            "IMA_LIST_MISSING");
}

TEST_F(ProgramTest, EvidenceCarriesTheLogsThatAreThere) {
  const Words attest = {"attest", "--nonce", kNonce, "--out", File("evidence")};
  std::ofstream(File("boot_log")) << "a boot log";
  Words export_too = attest;
  export_too.insert(export_too.end(), {"--export-dir", File("logs")});
  const Ran ran = Ctl(export_too);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("10 bytes"));
  EXPECT_EQ(Content(File("logs/binary_bios_measurements")), "a boot log");
  EXPECT_FALSE(std::filesystem::exists(File("logs/binary_runtime_measurements")));
  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  const Ran verified =
      Ctl({"verify", "--evidence", File("evidence"), "--nonce", kNonce, "--ak", File("ak.pem")});
  EXPECT_EQ(verified.exit, 0) << verified.out;
  Words with_state = attest;
  with_state.insert(with_state.end(), {"--state", File("round.json")});
  EXPECT_EQ(Ctl(with_state).exit, 0);  // the first round: there is none yet
  std::ofstream(File("round.json")) << "{";
  const Ran malformed = Ctl(with_state);
  EXPECT_EQ(malformed.exit, 2);
  EXPECT_THAT(malformed.err, HasSubstr(File("round.json")));
  EXPECT_EQ(Ctl({"attest", "--nonce", kNonce}).exit, 2);
  EXPECT_EQ(node_->Ctl(attest, "read/s").exit, 4);
}

// M-54.
TEST_F(ProgramTest, OneVerificationCoversTheNodeAndItsKeys) {
  for (const std::string name : {"covered", "uncovered"}) {
    ASSERT_EQ(Ctl({"key", "create", name}).exit, 0);
    ASSERT_EQ(Ctl({"key", "csr", name, "--subject", "CN=n", "--out", File(name + ".csr")}).exit, 0);
  }
  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  ASSERT_EQ(Ctl({"key", "public", "covered", "--out", File("covered.pem")}).exit, 0);
  ASSERT_EQ(Ctl({"key", "certify", "covered", "--nonce", kNonce, "--out", File("one")}).exit, 0);
  const Ran attested =
      Ctl({"attest", "--nonce", kNonce, "--key", "covered", "--out", File("quoted")});
  ASSERT_EQ(attested.exit, 0) << attested.err;
  const Ran unknown =
      Ctl({"attest", "--nonce", kNonce, "--key", "nobody", "--out", File("quoted")});
  EXPECT_EQ(unknown.exit, 4);
  EXPECT_THAT(unknown.err, HasSubstr("nobody"));
  const auto verify = [&](const std::string& key, const Words& more = {}) {
    Words words = {SEAWORTHYCTL, "verify", "--evidence",   File("quoted"), "--nonce",
                   kNonce,       "--ak",   File("ak.pem"), "--expect-key", key};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(words);
  };
  EXPECT_EQ(verify(File("covered.csr"), {"--expect-key", File("covered.pem")}).exit, 0);
  const Ran json = verify(File("covered.csr"), {"--output", "json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["keys"][0]["public_key_pem"],
            Content(File("covered.pem")));
  const Ran uncovered = verify(File("uncovered.csr"));
  EXPECT_EQ(uncovered.exit, 1);
  EXPECT_THAT(uncovered.out, EndsWith("NOT trusted: KEY_NOT_CERTIFIED\n"));
  std::ofstream(File("policy.json")) << R"({"seaworthy_policy": 1})";
  EXPECT_EQ(verify(File("covered.csr"), {"--policy", File("policy.json")}).exit, 0);
  // A request in which somebody hides a certified key is judged as the request it is.
  std::ofstream(File("both")) << Content(File("covered.pem")) << Content(File("uncovered.csr"));
  EXPECT_EQ(verify(File("both")).exit, 1);
  EXPECT_THAT(verify(File("ak.pem")).out, EndsWith("NOT trusted: KEY_NOT_CERTIFIED\n"));
  EXPECT_THAT(verify(File("one")).out, EndsWith("NOT trusted: MALFORMED\n"));
  EXPECT_EQ(verify(File("absent")).exit, 2);
}

TEST_F(ProgramTest, AQuoteIsTrustedByUsAndByTpm2Checkquote) {
  ASSERT_EQ(Ctl({"ak", "--out", File("ak.pem")}).exit, 0);
  const Ran quote = Ctl({"quote", "--nonce", kNonce, "--pcrs", "sha256:0-7,16", "--out",
                         File("evidence"), "--export-dir", File("quote")});
  ASSERT_EQ(quote.exit, 0) << quote.err;
  const auto verify = [&](const std::string& nonce, const Words& more) {
    Words words = {SEAWORTHYCTL, "verify", "--evidence", File("evidence"),
                   "--nonce",    nonce,    "--ak",       File("ak.pem")};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(words);
  };
  EXPECT_THAT(verify(kNonce, {"--expect-pcr", "sha256:16=" + std::string(64, '0')}).out,
              EndsWith("\ntrusted\n"));
  EXPECT_THAT(verify(kOtherNonce, {}).out, EndsWith("NOT trusted: NONCE_MISMATCH\n"));
  const Ran unexpected = verify(kNonce, {"--expect-pcr", "16=" + std::string(64, '1')});
  EXPECT_EQ(unexpected.exit, 1);
  EXPECT_THAT(unexpected.out, EndsWith("NOT trusted: PCR_UNEXPECTED\n"));

  const auto checkquote = [&](const std::string& nonce) {
    return RunProgram({"tpm2_checkquote", "-u", File("quote/ak.pem"), "-m", File("quote/quote.msg"),
                       "-s", File("quote/quote.sig"), "-f", File("quote/quote.pcrs"), "-g",
                       "sha256", "-q", nonce})
        .exit;
  };
  EXPECT_EQ(checkquote(kNonce), 0);
  EXPECT_NE(checkquote(kOtherNonce), 0);
}

TEST_F(ProgramTest, TheReadSocketLooksAndDoesNotTouch) {
  EXPECT_EQ(node_->Ctl({"key", "list"}, "read/s").exit, 0);
  const Ran refused = node_->Ctl({"key", "create", "no", "--output", "json"}, "read/s");
  EXPECT_EQ(refused.exit, 4);
  EXPECT_THAT(refused.out, IsEmpty());
  const nlohmann::json error = nlohmann::json::parse(refused.err)["error"];
  EXPECT_EQ(error["code"], "PERMISSION_DENIED");
  EXPECT_EQ(error["reason"], "ROLE_TOO_LOW");
  const std::string request_id = error["request_id"];
  EXPECT_FALSE(request_id.empty());
  EXPECT_THAT(Content(File("audit/log")), HasSubstr(request_id));
}

TEST_F(ProgramTest, EventsComeOneALine) {
  ASSERT_EQ(Ctl({"key", "create", "eventful"}).exit, 0);
  const Ran events = Ctl({"events", "--recent", "--count", "1", "--output", "json"});
  ASSERT_EQ(events.exit, 0) << events.err;
  EXPECT_EQ(std::count(events.out.begin(), events.out.end(), '\n'), 1);
  EXPECT_TRUE(nlohmann::json::parse(events.out).contains("type"));
  // A time limit that the user gave is an end like any other.
  EXPECT_EQ(Ctl({"events", "--timeout", "0.2"}).exit, 0);
}

}  // namespace
}  // namespace seaworthy::testing
