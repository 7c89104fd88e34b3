#include "ctl/render.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include "ctl/json.h"

namespace seaworthy::ctl {
namespace {

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

constexpr char kKey[] = R"(
  name: "tls" algorithm: EC_P256 created { seconds: 1795317913 } tpm_name: "000bab"
  attributes: "fixedTPM" attributes: "sign"
  policy { bank: SHA256 indices: 0 indices: 7 }
  certificate {
    subject: "CN=node-17" issuer: "CN=Fleet CA" serial_hex: "0a1b"
    not_before { seconds: 1795317913 } not_after { seconds: 1803093913 } days_left: 89
  }
  rotation_pending: true)";

TEST(Render, Key) {
  EXPECT_EQ(RenderKey(Parse<v1::Key>(kKey), {}),
            "tls\n"
            "  algorithm      ec-p256\n"
            "  created        2026-11-22 03:25:13 UTC\n"
            "  TPM name       000bab\n"
            "  attributes     fixedTPM sign\n"
            "  bound to PCRs  sha256:0,7\n"
            "  certificate    CN=node-17\n"
            "    issuer       CN=Fleet CA\n"
            "    serial       0a1b\n"
            "    valid from   2026-11-22 03:25:13 UTC\n"
            "    valid until  2027-02-20 03:25:13 UTC, expires in 89 days\n"
            "  rotation       a next key waits for its certificate\n");
}

TEST(Render, Keys) {
  v1::ListKeysResponse keys;
  EXPECT_EQ(RenderKeys(keys, {}), "no keys yet (seaworthyctl key create NAME makes one)\n");
  *keys.add_keys() = Parse<v1::Key>(kKey);
  *keys.add_keys() = Parse<v1::Key>(R"(
    name: "old" algorithm: RSA_2048 created { seconds: 0 }
    certificate { subject: "CN=\033[31mred" expired: true days_left: -3 })");
  *keys.add_keys() = Parse<v1::Key>(R"(name: "broken" problem: "key.pem: cut")");
  *keys.add_keys() = Parse<v1::Key>(R"(name: "new" algorithm: EC_P384)");
  *keys.add_keys() = Parse<v1::Key>(R"(
    name: "soon" algorithm: EC_P256
    certificate { subject: "CN=x" not_before { seconds: 86400 } not_yet_valid: true })");
  keys.set_truncated(true);
  EXPECT_EQ(
      RenderKeys(keys, {}),
      "NAME    ALGORITHM  PCRS        CREATED                  CERTIFICATE\n"
      "tls     ec-p256    sha256:0,7  2026-11-22 03:25:13 UTC  CN=node-17, expires in 89 days, "
      "rotation under way\n"
      "old     rsa-2048   -           1970-01-01 00:00:00 UTC  CN=\\x1b[31mred, EXPIRED 3 days "
      "ago\n"
      "broken  -          -           -                        damaged: key.pem: cut\n"
      "new     ec-p384    -           1970-01-01 00:00:00 UTC  no certificate\n"
      "soon    ec-p256    -           1970-01-01 00:00:00 UTC  CN=x, NOT YET VALID, from "
      "1970-01-02 00:00:00 UTC\n"
      "(there are more: the list is cut here)\n");
}

constexpr char kStatus[] = R"(
  version: "0.1.0" started { seconds: 1795317913 } caller_role: ADMIN
  tpm {
    available: true tcti: "device:/dev/tpmrm0" manufacturer: "IBM " vendor: "SW  TPM"
    firmware: "8217.4131.22.13878" specification: "2.0 revision 1.64" srk_name: "000bcd"
    lockout { failures: 1 max_failures: 32 recovery_interval_seconds: 1000 }
    pcr_banks: SHA1 pcr_banks: SHA256 key_algorithms: "EC_P256" key_algorithms: "RSA_2048"
  }
  modules { name: "keys" health: HEALTHY }
  modules { name: "remote" health: DEGRADED detail: "self-signed certificate" }
  facilities { name: "ima" present: true detail: "the kernel has measured 306 files" }
  facilities { name: "docker" detail: "no Docker Engine is installed" })";

TEST(Render, Status) {
  EXPECT_EQ(RenderStatus(Parse<v1::GetStatusResponse>(kStatus), {}),
            "seaworthyd 0.1.0, ready since 2026-11-22 03:25:13 UTC\n"
            "\n"
            "TPM               available\n"
            "  reached by      device:/dev/tpmrm0\n"
            "  made by         IBM  (SW  TPM), firmware 8217.4131.22.13878\n"
            "  specification   2.0 revision 1.64\n"
            "  SRK name        000bcd\n"
            "  lockout         1 of 32 failures, one is forgotten every 1000 s\n"
            "  PCR banks       sha1 sha256\n"
            "  key algorithms  ec-p256 rsa-2048\n"
            "modules\n"
            "  keys            healthy\n"
            "  remote          degraded: self-signed certificate\n"
            "node\n"
            "  ima             yes: the kernel has measured 306 files\n"
            "  docker          no: no Docker Engine is installed\n"
            "your role         ADMIN\n");
}

TEST(Render, HealthIsNoWhenAnythingIsNotHealthy) {
  auto status = Parse<v1::GetStatusResponse>(kStatus);
  EXPECT_FALSE(IsHealthy(status));
  status.mutable_modules(1)->set_health(v1::HEALTHY);
  EXPECT_TRUE(IsHealthy(status));
  status.mutable_tpm()->set_available(false);
  status.mutable_tpm()->set_problem("gone");
  EXPECT_FALSE(IsHealthy(status));
  EXPECT_EQ(RenderHealth(status, {}),
            "tpm     not available: gone\n"
            "keys    healthy\n"
            "remote  healthy: self-signed certificate\n");
}

TEST(Render, EventsCannotSteerTheTerminal) {
  const auto event = Parse<v1::Event>(R"(
    time { seconds: 0 } type: "key.created" target: "a\nb" message: "\033[2Jmade" missed: 2)");
  EXPECT_EQ(RenderEvent(event, {}),
            "(2 events came too fast and were left out here)\n"
            "1970-01-01 00:00:00 UTC  key.created  a\\nb  \\x1b[2Jmade\n");
}

verify::Verdict SomeVerdict() {
  verify::Verdict verdict;
  verdict.findings = {
      {"SIGNATURE_VALID", verify::Severity::kInfo, "", "", "The signature is good."},
      {"NONCE_MISMATCH", verify::Severity::kFailure, "aa", "bb\033", "The nonce is another."},
      {"PCR_MISSING", verify::Severity::kFailure, "", "", "One is missing."}};
  return verdict;
}

TEST(Render, Verdict) {
  verify::Verdict verdict = SomeVerdict();
  EXPECT_EQ(RenderVerdict(verdict, {}),
            "  ok    The signature is good.\n"
            "  FAIL  The nonce is another. [NONCE_MISMATCH]\n"
            "          expected  aa\n"
            "          found     bb\\x1b\n"
            "  FAIL  One is missing. [PCR_MISSING]\n"
            "NOT trusted: NONCE_MISMATCH, PCR_MISSING\n");
  verdict.findings.resize(1);
  verdict.trusted = true;
  EXPECT_EQ(RenderVerdict(verdict, {}), "  ok    The signature is good.\ntrusted\n");
}

TEST(Json, HasEveryFieldByItsProtoName) {
  v1::SignResponse response;
  response.set_signature("\x01\x02");
  EXPECT_EQ(ToJson(response, false), R"({"signature":"AQI="})");
  EXPECT_EQ(ToJson(v1::ListKeysResponse(), false), R"({"keys":[],"truncated":false})");
  EXPECT_EQ(ToJson(Parse<v1::Key>(kKey), true).find("\n\"name\""), std::string::npos);
  EXPECT_NE(ToJson(Parse<v1::Key>(kKey), true).find("\"rotation_pending\": true"),
            std::string::npos);
}

TEST(Json, VerdictAndErrorsTakeAnyBytes) {
  EXPECT_EQ(ToJson(SomeVerdict()).substr(0, 20), "{\n \"trusted\": false,");
  const Outcome outcome{ExitCode::kFailed,
                        Fail(Code::kPermissionDenied, "ROLE_TOO_LOW", "no\xff\"\n"), "id-1"};
  EXPECT_EQ(ErrorJson(outcome),
            "{\"error\":{\"code\":\"PERMISSION_DENIED\",\"reason\":\"ROLE_TOO_LOW\","
            "\"message\":\"no\xef\xbf\xbd\\\"\\n\",\"request_id\":\"id-1\"}}");
}

}  // namespace
}  // namespace seaworthy::ctl
