// evmctl of ima-evm-utils as the judge: it shares no code with us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "seaworthy/ima_signature.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/verify/ima_evidence.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;

std::string ReadText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

bool Runs(const TempRoot& root, const std::string& command) {
  return std::system(("cd " + root.path().string() + " && (" + command + ") >log 2>&1").c_str()) ==
         0;
}

class EvmctlList : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, EvmctlList, ::testing::ValuesIn(GuestFolders()), TestName);

TEST_P(EvmctlList, AgreesOnTheListUpToTheQuote) {
  const Capture capture = ReadImaCapture(GetParam());
  const TempRoot root;
  const auto agrees = [&](const Bytes& list) {
    Write(root / "list", list);
    std::string pcrs;
    for (const PcrValue& pcr : capture.evidence.pcrs) {
      char line[160];
      std::snprintf(line, sizeof(line), "PCR-%02u: %s\n", pcr.index, Hex(pcr.digest).c_str());
      if (pcr.bank == TPM2_ALG_SHA256) pcrs += line;
    }
    Write(root / "pcrs", AsBytes(pcrs));
    return Runs(root, "evmctl ima_measurement --ignore-violations --pcrs sha256,pcrs list");
  };
  EXPECT_TRUE(agrees(capture.evidence.ima_list)) << ReadText(root / "log");
  const std::vector<std::size_t> at = EntryOffsets(capture.evidence.ima_list);
  Bytes shorter = capture.evidence.ima_list;
  shorter.resize(at[at.size() - 2]);
  EXPECT_FALSE(agrees(shorter));
}

struct Signed {
  std::string certificate;
  std::string public_key;
  Bytes digest;
  Bytes signature;  // security.ima
};

// A file with `content`, signed by evmctl with a new key.
Signed SignByEvmctl(const std::string& key_options, const std::string& content) {
  const TempRoot root;
  Write(root / "file", AsBytes(content));
  EXPECT_TRUE(Runs(root, "openssl req -x509 -newkey " + key_options +
                             " -nodes -keyout key.pem -out certificate.pem -subj /CN=ima -days 2"))
      << ReadText(root / "log");
  EXPECT_TRUE(Runs(root, "openssl x509 -in certificate.pem -noout -pubkey -out public.pem"));
  EXPECT_TRUE(Runs(root, "evmctl ima_sign --sigfile --hashalgo sha256 --key key.pem file"))
      << ReadText(root / "log");
  EXPECT_TRUE(Runs(root, "openssl dgst -sha256 -binary -out digest file"));
  const std::string digest = ReadText(root / "digest");
  const std::string signature = ReadText(root / "file.sig");
  return {.certificate = ReadText(root / "certificate.pem"),
          .public_key = ReadText(root / "public.pem"),
          .digest = {digest.begin(), digest.end()},
          .signature = {signature.begin(), signature.end()}};
}

ImaFields FieldsOf(const Signed& file) {
  ImaFields fields;
  fields.hash = "sha256";
  fields.digest = file.digest;
  fields.path = "/file";
  fields.signature = file.signature;
  return fields;
}

class EvmctlSignature : public ::testing::TestWithParam<std::string> {
 protected:
  Signed file_ = SignByEvmctl(GetParam(), "signed");
};
INSTANTIATE_TEST_SUITE_P(Keys, EvmctlSignature,
                         ::testing::Values("rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256",
                                           "ec -pkeyopt ec_paramgen_curve:P-384"),
                         [](const auto& key) { return "Key" + std::to_string(key.index); });

TEST_P(EvmctlSignature, IsTakenByCertificateAndByPublicKey) {
  for (const std::string& pem : {file_.certificate, file_.public_key}) {
    const Result<ImaKeys> keys = ImaKeys::Parse({pem});
    ASSERT_THAT(keys, IsOk());
    EXPECT_THAT(keys->Check(FieldsOf(file_)), IsOk());
  }
}

TEST_P(EvmctlSignature, OfAnotherFileOrKeyIsRefused) {
  const ImaKeys keys = ImaKeys::Parse({file_.certificate}).value();
  Signed other = file_;
  other.digest[0] ^= 1;
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
  other = file_;
  other.signature.back() ^= 1;
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
  other = file_;
  other.signature[3] ^= 1;  // the key's id
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_KEY_UNKNOWN"));
  ImaFields fields = FieldsOf(file_);
  fields.hash = "sha512";
  EXPECT_THAT(keys.Check(fields), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
}

TEST_P(EvmctlSignature, CutAnywhereIsRefused) {
  const ImaKeys keys = ImaKeys::Parse({file_.certificate}).value();
  for (std::size_t size = 0; size < file_.signature.size(); ++size) {
    ImaFields fields = FieldsOf(file_);
    fields.signature = ByteView(file_.signature).first(size);
    EXPECT_THAT(keys.Check(fields),
                Fails(Code::kPermissionDenied,
                      size == 0 ? "IMA_SIGNATURE_MISSING" : "IMA_SIGNATURE_MALFORMED"));
  }
}

// Format 3 is over what kind of digest it is, too; evmctl 1.4 makes none, so OpenSSL does.
TEST(ImaSignature, Format3) {
  const TempRoot root;
  ASSERT_TRUE(Runs(root,
                   "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem "
                   "-subj /CN=ima -days 2"));
  const Signed v2 = SignByEvmctl("rsa:2048", "signed");
  for (const std::uint8_t type : {std::uint8_t{0x03}, std::uint8_t{0x06}}) {
    Bytes id = {type, 4};  // struct ima_file_id: type, hash (4 is SHA-256), digest
    id.insert(id.end(), v2.digest.begin(), v2.digest.end());
    Write(root / "id", id);
    ASSERT_TRUE(Runs(root, "openssl dgst -sha256 -sign key.pem -out signature id"));
    ASSERT_TRUE(Runs(root,
                     "openssl x509 -in c.pem -noout -ext subjectKeyIdentifier | tail -1 | "
                     "tr -d ' :\\n' | tail -c 8 >keyid"));
    const Bytes key_id = ParseHex(ReadText(root / "keyid")).value();
    const std::string signature = ReadText(root / "signature");
    Signed v3 = v2;
    v3.signature = {type, 3, 4};
    v3.signature.insert(v3.signature.end(), key_id.begin(), key_id.end());
    v3.signature.push_back(static_cast<std::uint8_t>(signature.size() >> 8));
    v3.signature.push_back(static_cast<std::uint8_t>(signature.size() & 0xff));
    v3.signature.insert(v3.signature.end(), signature.begin(), signature.end());
    const ImaKeys keys = ImaKeys::Parse({ReadText(root / "c.pem")}).value();
    EXPECT_THAT(keys.Check(FieldsOf(v3)), IsOk());
    // The same signature said to be over the digest itself.
    v3.signature[1] = 2;
    EXPECT_THAT(keys.Check(FieldsOf(v3)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
  }
}

// As the kernel does: else what signed a file's content would sign fs-verity's digest of another.
TEST(ImaSignature, OfAnotherTypeIsRefused) {
  const Signed file = SignByEvmctl("rsa:2048", "signed");
  const ImaKeys keys = ImaKeys::Parse({file.certificate}).value();
  Signed other = file;
  other.signature[0] = 0x06;  // fs-verity's, which is in format 3
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
  other.signature[0] = 0x05;  // EVM's
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING"));
}

TEST(ImaSignature, EncodesWhatItParses) {
  const Signed file = SignByEvmctl("ec -pkeyopt ec_paramgen_curve:P-256", "signed");
  const auto signature = ImaSignature::Parse(file.signature);
  ASSERT_THAT(signature, IsOk());
  EXPECT_EQ(signature->Encode(), file.signature);
  EXPECT_THAT(ImaKeys::Parse({file.certificate}).value().Ids(),
              ::testing::ElementsAre(signature->key_id));
}

// In pieces of any size; OpenSSL's program is the judge.
TEST(ImaSignature, DigestIsOverAllPieces) {
  const std::string content = "signed";
  std::size_t at = 0;
  const auto digest = ImaDigest(ImaHash::kSha256, [&]() -> Result<ByteView> {
    const std::string_view piece =
        std::string_view(content).substr(std::min(at, content.size()), 4);
    at += 4;
    return AsBytes(piece);
  });
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, SignByEvmctl("rsa:2048", content).digest);
}

TEST(ImaSignature, WeakHashesAndOldFormatsAreRefused) {
  const Signed file = SignByEvmctl("rsa:2048", "signed");
  const ImaKeys keys = ImaKeys::Parse({file.certificate}).value();
  Signed other = file;
  other.signature[2] = 2;  // SHA-1
  EXPECT_THAT(keys.Check(FieldsOf(other)),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MALFORMED"));
  other = file;
  other.signature[1] = 1;
  EXPECT_THAT(keys.Check(FieldsOf(other)),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MALFORMED"));
  other = file;
  other.signature[0] = 0x04;  // IMA_XATTR_DIGEST_NG: a hash
  EXPECT_THAT(keys.Check(FieldsOf(other)), Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING"));
}

TEST(ImaKeys, NamesTheOneThatIsNone) {
  const auto keys = ImaKeys::Parse({"-----BEGIN NOTHING-----"});
  EXPECT_THAT(keys, Fails(Code::kInvalidArgument, "IMA_KEY_MALFORMED"));
  EXPECT_THAT(Message(keys.status()), ::testing::HasSubstr("key 1"));
}

}  // namespace
}  // namespace seaworthy::verify
