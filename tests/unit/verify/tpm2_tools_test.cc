#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/verify/captures.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;

// Whether tpm2_checkquote, which shares no code with us, takes the files.
bool CheckquoteAccepts(const Tpm2ToolsFiles& files, const Bytes& nonce, const std::string& hash) {
  const TempRoot root;
  Write(root / "ak.pem", AsBytes(files.ak_pem));
  Write(root / "quote.msg", files.message);
  Write(root / "quote.sig", files.signature);
  Write(root / "quote.pcrs", files.pcrs);
  const std::string command = "cd " + root.path().string() +
                              " && tpm2_checkquote -Q -u ak.pem -m quote.msg -s quote.sig "
                              "-f quote.pcrs -g " +
                              hash + " -q " + Hex(nonce) + " 2>log";
  return std::system(command.c_str()) == 0;
}

class Tpm2Tools : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Guests, Tpm2Tools, ::testing::ValuesIn(GuestFolders()), TestName);
INSTANTIATE_TEST_SUITE_P(Swtpm, Tpm2Tools, ::testing::ValuesIn(SwtpmFolders()), TestName);

TEST_P(Tpm2Tools, FilesAreThoseThatTpm2QuoteWrote) {
  const auto files = ToTpm2Tools(ReadQuote(GetParam()).evidence);
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(Hex(files->pcrs), Hex(ReadCapture(GetParam(), "quote.pcrs")));
  EXPECT_EQ(Hex(files->message), Hex(ReadCapture(GetParam(), "quote.msg")));
  EXPECT_EQ(Hex(files->signature), Hex(ReadCapture(GetParam(), "quote.sig")));
  EXPECT_EQ(files->ak_pem, AsText(ReadCapture(GetParam(), "ak.pub.pem")));
}

// tpm2_checkquote 5.4 knows no RSAPSS.
class Checkquote : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, Checkquote,
                         ::testing::Values("seabios-direct", "swtpm-ecdsa-p256", "swtpm-ecdsa-p384",
                                           "swtpm-rsassa-2048"),
                         TestName);

TEST_P(Checkquote, AcceptsTheFilesAndNoFlippedBit) {
  const std::string hash = GetParam() == "swtpm-ecdsa-p384" ? "sha384" : "sha256";
  const Capture capture = ReadQuote(GetParam());
  auto files = ToTpm2Tools(capture.evidence);
  ASSERT_THAT(files, IsOk());
  EXPECT_TRUE(CheckquoteAccepts(*files, capture.nonce, hash));
  Evidence flipped = capture.evidence;
  flipped.pcrs.back().digest.back() ^= 1;
  files = ToTpm2Tools(flipped);
  ASSERT_THAT(files, IsOk());
  EXPECT_FALSE(CheckquoteAccepts(*files, capture.nonce, hash));
}

TEST(ToTpm2Tools, RefusesWhatItCannotWrite) {
  const Capture capture = ReadQuote("swtpm-ecdsa-p256");
  Evidence evidence = capture.evidence;
  evidence.pcrs.pop_back();
  EXPECT_THAT(ToTpm2Tools(evidence), Fails(Code::kInvalidArgument, "PCR_MISSING"));
  evidence = capture.evidence;
  evidence.quoted = ReadCapture("swtpm-ecdsa-p256", "certify.msg");
  EXPECT_THAT(ToTpm2Tools(evidence), Fails(Code::kInvalidArgument, "WRONG_TYPE"));
  for (const auto part : {&Evidence::ak_public, &Evidence::quoted, &Evidence::signature}) {
    evidence = capture.evidence;
    (evidence.*part).pop_back();
    EXPECT_THAT(ToTpm2Tools(evidence), Fails(Code::kInvalidArgument, "MALFORMED"));
  }
}

}  // namespace
}  // namespace seaworthy::verify
