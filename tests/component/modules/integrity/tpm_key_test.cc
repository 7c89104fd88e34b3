// A key in the TPM signs a tree; evmctl is the judge.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "component/tpm/fixture.h"
#include "seaworthy/modules/integrity/sign_tree.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::IsOk;
using verify::ImaHash;

class TpmKey : public tpm::TpmTest, public ::testing::WithParamInterface<tpm::KeyAlgorithm> {
 protected:
  TpmKey() : key_(Make({.algorithm = GetParam()}).value()) {
    std::filesystem::create_directories(root_ / "tree/folder");
    for (const char* file : {"tree/1", "tree/folder/2"}) WriteText(root_ / file, file);
    // evmctl wants a certificate.
    WriteText(root_ / "public.der",
              AsText(tpm::ReadPublicKey(key_).value().subject_public_key_info));
    EXPECT_TRUE(
        Runs(root_,
             "openssl pkey -pubin -inform DER -in public.der -out public.pem && "
             "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca && "
             "openssl x509 -new -force_pubkey public.pem -subj /CN=ima -CA ca.pem -CAkey ca.key "
             "-days 2 -out certificate.pem && "
             "openssl x509 -in certificate.pem -outform DER -out certificate.der"))
        << ReadText(root_ / "log");
  }

  FileSigner Signer() {
    const bool rsa = GetParam() == tpm::KeyAlgorithm::kRsa2048;
    return FileSigner::Create(ReadText(root_ / "certificate.pem"),
                              OneByOne([this, rsa](ImaHash hash, ByteView digest) {
                                return Run([&](tpm::Context& context) {
                                  return tpm::Sign(context, key_,
                                                   rsa ? tpm::SignatureScheme::kRsaPkcs1
                                                       : tpm::SignatureScheme::kEcdsa,
                                                   kHashes.at(hash), digest);
                                });
                              }))
        .value();
  }

  const std::map<ImaHash, tpm::HashAlgorithm> kHashes = {
      {ImaHash::kSha256, tpm::HashAlgorithm::kSha256},
      {ImaHash::kSha384, tpm::HashAlgorithm::kSha384},
      {ImaHash::kSha512, tpm::HashAlgorithm::kSha512}};
  const tpm::WrappedKey key_;
};
INSTANTIATE_TEST_SUITE_P(Keys, TpmKey,
                         ::testing::Values(tpm::KeyAlgorithm::kRsa2048, tpm::KeyAlgorithm::kEcP256),
                         [](const auto& param) { return std::string(ToString(param.param)); });

TEST_P(TpmKey, SignsATreeThatEvmctlTakes) {
  for (const auto& [hash, name] : kHashes) {
    const SignatureOptions options = {.hash = hash, .evm = true, .user_attributes = true};
    const TreeRun run = {.deadline = Soon(), .failed = nullptr};
    const auto progress = SignTree(root_ / "tree", run, Signer(), options, nullptr);
    ASSERT_THAT(progress, IsOk());
    EXPECT_EQ(progress->done, 2);
    for (const char* file : {"tree/1", "tree/folder/2"}) {
      for (const char* judge : {"ima_verify", "verify"}) {
        EXPECT_TRUE(Runs(
            root_, std::string("evmctl --xattr-user --key certificate.der ") + judge + " " + file))
            << ReadText(root_ / "log");
      }
    }
    const auto keys = verify::ImaKeys::Parse({ReadText(root_ / "certificate.pem")});
    EXPECT_EQ(CheckTree(root_ / "tree", run, *keys, options, nullptr)->ok, 2);
  }
}

TEST_P(TpmKey, ALostTpmEndsTheRun) {
  const FileSigner signer = Signer();
  swtpm_.Kill();
  const auto progress = SignTree(root_ / "tree", {.deadline = Soon(), .failed = nullptr}, signer,
                                 {.user_attributes = true}, nullptr);
  EXPECT_EQ(progress.status().code(), Code::kUnavailable) << progress.status();
  swtpm_.Start();
  EXPECT_THAT(SignTree(root_ / "tree", {.deadline = Soon(), .failed = nullptr}, signer,
                       {.user_attributes = true}, nullptr),
              IsOk());
}

}  // namespace
}  // namespace seaworthy::integrity
