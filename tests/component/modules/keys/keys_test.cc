#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "component/modules/keys/keys_fixture.h"
#include "seaworthy/tpm/tss2_pem.h"

namespace seaworthy::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const tls::Subject kSubject = {.distinguished_name = "CN=node-17,O=Example",
                               .dns_names = {"node-17.example"},
                               .ip_addresses = {"192.0.2.17"},
                               .uris = {"spiffe://example/node-17"}};

std::vector<std::string> FilesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class KeyLifeTest : public KeysTest, public ::testing::WithParamInterface<tpm::KeyAlgorithm> {};

INSTANTIATE_TEST_SUITE_P(Algorithms, KeyLifeTest,
                         ::testing::Values(tpm::KeyAlgorithm::kEcP256, tpm::KeyAlgorithm::kEcP384,
                                           tpm::KeyAlgorithm::kRsa2048,
                                           tpm::KeyAlgorithm::kRsa3072),
                         [](const auto& test) { return std::string(ToString(test.param)); });

TEST_P(KeyLifeTest, CreateCertifyRotateDelete) {
  const auto made = keys().Create(Soon(), "web", {.algorithm = GetParam(), .policy = {}});
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->public_key.algorithm, GetParam());
  EXPECT_THAT(made->public_key.attributes,
              AllOf(Contains("fixedTPM"), Contains("fixedParent"), Contains("sensitiveDataOrigin"),
                    Contains("sign")));
  EXPECT_THAT(keys().Create(Soon(), "web", {}), Fails(Code::kAlreadyExists, "KEY_EXISTS"));
  ExpectSigns("web");

  const auto csr = keys().CreateCsr("web", kSubject);
  ASSERT_THAT(csr, IsOk());
  EXPECT_TRUE(OpensslAcceptsCsr(*csr));
  const std::string chain = ChainFor(ca_, made->public_key);
  const auto installed = keys().InstallCertificate("web", chain);
  ASSERT_THAT(installed, IsOk());
  EXPECT_EQ(installed->certificate_chain_pem, chain);
  ASSERT_TRUE(installed->certificate.has_value());
  EXPECT_EQ(installed->certificate->subject, "CN=test");

  const auto rotation = keys().Rotate(Soon(), "web", kSubject);
  ASSERT_THAT(rotation, IsOk());
  EXPECT_TRUE(OpensslAcceptsCsr(rotation->csr_pem));
  EXPECT_NE(rotation->next.name, made->public_key.name);
  EXPECT_EQ(rotation->next.algorithm, GetParam());
  const auto again = keys().Rotate(Soon(), "web", kSubject);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->next.name, rotation->next.name);
  EXPECT_EQ(keys().Get("web")->public_key.name, made->public_key.name);
  ExpectSigns("web");

  const std::string next_chain = ChainFor(ca_, rotation->next);
  const auto promoted = keys().InstallCertificate("web", next_chain);
  ASSERT_THAT(promoted, IsOk());
  EXPECT_EQ(promoted->public_key.name, rotation->next.name);
  EXPECT_EQ(promoted->certificate_chain_pem, next_chain);
  EXPECT_FALSE(promoted->next.has_value());
  EXPECT_THAT(FilesIn(KeyPath("web")), ElementsAre("key-2.pem", "meta.json"));
  ExpectSigns("web");
  EXPECT_THAT(keys().InstallCertificate("web", chain),
              Fails(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH"));

  ASSERT_THAT(node_.Start(), IsOk());
  ExpectSigns("web");
  EXPECT_EQ(keys().Check().level, Health::Level::kHealthy) << keys().Check().detail;
  EXPECT_THAT(keys().Delete("web"), IsOk());
  EXPECT_THAT(keys().Get("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(Sign("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(keys().Delete("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(FilesIn(KeyPath("")), IsEmpty());

  EXPECT_THAT(node_.TakeChanged(), ElementsAre("web", "web", "web"));
  EXPECT_THAT(node_.Events(), ElementsAre("key.created web", "key.certificate_installed web",
                                          "key.rotation_started web",
                                          "key.certificate_installed web", "key.deleted web"));
}

TEST_F(KeysTest, RsaSignsByEitherSchemeAndEcByItsOwn) {
  ASSERT_THAT(
      keys().Create(Soon(), "rsa", {.algorithm = tpm::KeyAlgorithm::kRsa2048, .policy = {}}),
      IsOk());
  ASSERT_THAT(keys().Create(Soon(), "ec", {}), IsOk());
  const Bytes digest = Sha256("x");
  const auto signature = keys().Sign(Soon(), "rsa", tpm::SignatureScheme::kRsaPkcs1,
                                     tpm::HashAlgorithm::kSha256, digest);
  ASSERT_THAT(signature, IsOk());
  EXPECT_TRUE(OpensslAccepts(keys().Get("rsa")->public_key, digest, *signature,
                             "-pkeyopt rsa_padding_mode:pkcs1"));
  EXPECT_EQ(
      keys()
          .Sign(Soon(), "ec", tpm::SignatureScheme::kRsaPss, tpm::HashAlgorithm::kSha256, digest)
          .status()
          .code(),
      Code::kInvalidArgument);
  EXPECT_THAT(keys().Sign(Soon(), "ec", {}, tpm::HashAlgorithm::kSha1, Bytes(20)),
              Fails(Code::kInvalidArgument, "WEAK_HASH"));
  EXPECT_THAT(keys().Sign(Soon(), "ec", {}, tpm::HashAlgorithm::kSha384, digest),
              Fails(Code::kInvalidArgument, "INVALID_DIGEST"));
}

TEST_F(KeysTest, SignsManyDigestsInTheirOrderOrNone) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  std::vector<Bytes> digests;
  for (int i = 0; i < 64; ++i) digests.push_back(Sha256(std::to_string(i)));
  const auto sign = [&](std::size_t count, tpm::HashAlgorithm hash) {
    const std::vector<ByteView> first(digests.begin(), digests.begin() + std::ptrdiff_t(count));
    return keys().SignBatch(Soon(), "web", std::nullopt, hash, first);
  };
  const auto signatures = sign(64, tpm::HashAlgorithm::kSha256);
  ASSERT_THAT(signatures, IsOk());
  ASSERT_EQ(signatures->size(), 64);
  const tpm::PublicKey key = keys().Get("web")->public_key;
  for (const std::size_t i : {0U, 1U, 62U, 63U}) {
    EXPECT_TRUE(OpensslAccepts(key, digests[i], (*signatures)[i], ""));
  }
  const auto refused = Fails(Code::kInvalidArgument, "INVALID_BATCH");
  EXPECT_THAT(sign(0, tpm::HashAlgorithm::kSha256), refused);
  EXPECT_THAT(sign(1, tpm::HashAlgorithm::kSha1), Fails(Code::kInvalidArgument, "WEAK_HASH"));
  digests.push_back(Sha256("one too many"));
  EXPECT_THAT(sign(65, tpm::HashAlgorithm::kSha256), refused);
  digests[2].pop_back();
  const auto damaged = sign(3, tpm::HashAlgorithm::kSha256);
  EXPECT_THAT(damaged, Fails(Code::kInvalidArgument, "INVALID_DIGEST"));
  EXPECT_THAT(Message(damaged.status()), StartsWith("digests[2]: 31 bytes"));
}

TEST_F(KeysTest, APolicyBoundKeyStopsWhenItsPcrChanges) {
  tpm::KeyTemplate bound;
  bound.policy = tpm::PcrSelection{tpm::HashAlgorithm::kSha256, 1U << 7 | 1U << 23};
  const auto made = keys().Create(Soon(), "bound", bound);
  ASSERT_THAT(made, IsOk());
  ExpectSigns("bound");
  EXPECT_TRUE(OpensslAcceptsCsr(keys().CreateCsr("bound", kSubject).value()));

  node_.broker().Close();
  ASSERT_TRUE(Succeeds("TPM2TOOLS_TCTI='" + sw_tpm_.tcti() +
                       "' tpm2_pcrextend 23:sha256=" + std::string(64, '1')));
  EXPECT_THAT(Sign("bound"), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_FALSE(keys().CreateCsr("bound", kSubject).ok());

  // A next key is bound to the same PCRs' new values.
  const auto rotation = keys().Rotate(Soon(), "bound", kSubject);
  ASSERT_THAT(rotation, IsOk());
  ASSERT_THAT(keys().InstallCertificate("bound", ChainFor(ca_, rotation->next)), IsOk());
  EXPECT_EQ(keys().Get("bound")->wrapped.policy->selection, *bound.policy);
  ExpectSigns("bound");
}

TEST_F(KeysTest, CertificatesThatDoNotFitChangeNothing) {
  const auto made = keys().Create(Soon(), "web", {});
  ASSERT_THAT(made, IsOk());
  const auto other = keys().Create(Soon(), "other", {});
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(keys().InstallCertificate("web", ChainFor(ca_, other->public_key)),
              Fails(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH"));
  EXPECT_THAT(keys().InstallCertificate("web", ChainFor(ca_, made->public_key, -60)),
              Fails(Code::kInvalidArgument, "CERTIFICATE_EXPIRED"));
  EXPECT_THAT(keys().InstallCertificate("web", "not PEM"),
              Fails(Code::kInvalidArgument, "INVALID_CERTIFICATE"));
  const SoftwareCa foreign;
  EXPECT_THAT(keys().InstallCertificate("web", ChainFor(ca_, made->public_key) + foreign.pem()),
              Fails(Code::kInvalidArgument, "CHAIN_BROKEN"));
  EXPECT_THAT(keys().InstallCertificate("none", ChainFor(ca_, made->public_key)),
              Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_EQ(keys().Get("web")->certificate_chain_pem, "");
  EXPECT_THAT(node_.TakeChanged(), IsEmpty());
}

TEST_F(KeysTest, AWrongSubjectStartsNoRotation) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  const tls::Subject wrong = {
      .distinguished_name = "no name", .dns_names = {}, .ip_addresses = {}, .uris = {}};
  EXPECT_THAT(keys().Rotate(Soon(), "web", wrong),
              Fails(Code::kInvalidArgument, "INVALID_SUBJECT"));
  EXPECT_FALSE(keys().Get("web")->next.has_value());
  EXPECT_THAT(FilesIn(KeyPath("web")), ElementsAre("key-1.pem", "meta.json"));
}

TEST_F(KeysTest, ADamagedKeyIsShownRefusedAndNeverOverwritten) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  std::ofstream(KeyPath("web/meta.json")) << "{";
  ASSERT_THAT(node_.Start(), IsOk());
  EXPECT_THAT(node_.Events(), Contains("key.damaged web"));
  EXPECT_EQ(keys().Check().level, Health::Level::kDegraded);
  EXPECT_THAT(keys().Check().detail, HasSubstr("web"));

  const auto listing = keys().List();
  ASSERT_THAT(listing, IsOk());
  ASSERT_EQ(listing->keys.size(), 1U);
  EXPECT_THAT(listing->keys[0].problem, Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(Message(keys().Get("web")->problem), HasSubstr("web/meta.json"));
  EXPECT_THAT(Sign("web"), Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(keys().CreateCsr("web", kSubject), Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(keys().Rotate(Soon(), "web", kSubject),
              Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(keys().Create(Soon(), "web", {}), Fails(Code::kAlreadyExists, "KEY_DAMAGED"));
  EXPECT_EQ(fs::file_size(KeyPath("web/meta.json")), 1U);

  EXPECT_THAT(keys().Delete("web"), IsOk());
  EXPECT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  EXPECT_EQ(keys().Check().level, Health::Level::kHealthy);
}

TEST_F(KeysTest, FilesChangedAtRunTimeCountFromTheNextLook) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  fs::rename(KeyPath("web/key-1.pem"), KeyPath("web/aside"));
  EXPECT_THAT(Sign("web"), IsOk());
  EXPECT_THAT(keys().Get("web")->problem, Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(Sign("web"), Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  fs::rename(KeyPath("web/aside"), KeyPath("web/key-1.pem"));
  EXPECT_THAT(keys().Get("web")->problem, IsOk());
  EXPECT_THAT(Sign("web"), IsOk());
  fs::remove_all(KeyPath("web"));
  EXPECT_THAT(keys().Get("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(Sign("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
}

TEST_F(KeysTest, AKeyOfAnotherTpmIsToldWhenUsed) {
  ASSERT_THAT(keys().Create(Soon(), "ours", {}), IsOk());
  SwTpm other_tpm;
  TempRoot other_state;
  tpm::Broker other({.tcti = other_tpm.tcti(), .state_dir = other_state / "s", .on_change = {}});
  const auto foreign =
      other.Run(Soon(), [](tpm::Context& context) { return tpm::CreateKey(context, {}); });
  ASSERT_THAT(foreign, IsOk());
  std::ofstream(KeyPath("ours/key-1.pem")) << tpm::ToTss2Pem(*foreign);
  ASSERT_THAT(node_.Start(), IsOk());
  const auto signature = Sign("ours");
  EXPECT_THAT(signature, Fails(Code::kFailedPrecondition, "KEY_NOT_OF_THIS_TPM"));
  EXPECT_THAT(Message(signature.status()), HasSubstr("key ours"));
}

TEST_F(KeysTest, NoMoreThanTheCap) {
  for (std::size_t i = 0; i < keys::Keys::kMaxKeys; ++i) {
    fs::create_directories(KeyPath("k" + std::to_string(i)));
  }
  ASSERT_THAT(node_.Start(), IsOk());
  EXPECT_THAT(keys().Create(Soon(), "more", {}), Fails(Code::kResourceExhausted, "TOO_MANY_KEYS"));
  EXPECT_FALSE(keys().List()->truncated);
  fs::create_directories(KeyPath("z"));
  const auto listing = keys().List();
  EXPECT_EQ(listing->keys.size(), keys::Keys::kMaxKeys);
  EXPECT_TRUE(listing->truncated);
  EXPECT_THAT(keys().Delete("k0"), IsOk());
  EXPECT_THAT(keys().Delete("z"), IsOk());
  EXPECT_THAT(keys().Create(Soon(), "more", {}), IsOk());
}

TEST_F(KeysTest, TellsCertificatesThatExpire) {
  const auto soon = keys().Create(Soon(), "soon", {});
  ASSERT_THAT(soon, IsOk());
  const auto late = keys().Create(Soon(), "late", {});
  ASSERT_THAT(late, IsOk());
  const std::time_t day = 24 * 3600;
  ASSERT_THAT(keys().InstallCertificate("soon", ChainFor(ca_, soon->public_key, 29 * day)), IsOk());
  ASSERT_THAT(keys().InstallCertificate("late", ChainFor(ca_, late->public_key, 31 * day)), IsOk());
  ASSERT_THAT(node_.Start(), IsOk());
  EXPECT_EQ(keys().Check().level, Health::Level::kDegraded);
  EXPECT_THAT(keys().Check().detail, AllOf(HasSubstr("soon"), ::testing::Not(HasSubstr("late"))));
  EXPECT_THAT(node_.Events(), Contains("key.certificate_expiring soon"));
  EXPECT_THAT(node_.Events(), ::testing::Not(Contains("key.certificate_expiring late")));
}

TEST_F(KeysTest, TheServerKeyIsMadeOnceAndSelfSignedUntilACertificateComes) {
  const auto first = keys().GetServerKey(Soon(), "server", tpm::KeyAlgorithm::kEcP256, kSubject);
  ASSERT_THAT(first, IsOk());
  EXPECT_TRUE(first->self_signed);
  const std::string pem = WriteFile("server.pem", first->certificate_chain_pem);
  EXPECT_TRUE(Succeeds("openssl verify -x509_strict -CAfile " + pem + " " + pem));
  EXPECT_TRUE(Succeeds("openssl x509 -checkip 192.0.2.17 -noout -in " + pem));
  EXPECT_EQ(keys().Get("server")->certificate_chain_pem, "");

  const auto leaf = tls::ReadLeaf(first->certificate_chain_pem);
  const auto key = keys().Get("server");
  EXPECT_EQ(leaf->subject_public_key_info, key->public_key.subject_public_key_info);
  const std::string chain = ChainFor(ca_, key->public_key);
  ASSERT_THAT(keys().InstallCertificate("server", chain), IsOk());
  const auto second = keys().GetServerKey(Soon(), "server", tpm::KeyAlgorithm::kRsa2048, kSubject);
  ASSERT_THAT(second, IsOk());
  EXPECT_FALSE(second->self_signed);
  EXPECT_EQ(second->certificate_chain_pem, chain);
  EXPECT_EQ(X509_check_private_key(ToX509(chain).get(), second->key.get()), 1);
}

TEST_F(KeysTest, TheAttestationKeyCertifiesCurrentAndNext) {
  const auto made = keys().Create(Soon(), "web", {});
  ASSERT_THAT(made, IsOk());
  const Bytes nonce(32, 7);
  const auto certification = keys().Certify(Soon(), "web", nonce, false);
  ASSERT_THAT(certification, IsOk());
  const verify::EnrolledKey ak{.name = tpm::ReadPublicKey(node_.ak())->name};
  EXPECT_TRUE(verify::VerifyKeyCertification(*certification, nonce, ak,
                                             made->public_key.subject_public_key_info)
                  .trusted);
  EXPECT_THAT(keys().Certify(Soon(), "web", nonce, true),
              Fails(Code::kFailedPrecondition, "NO_NEXT_KEY"));
  EXPECT_THAT(keys().Certify(Soon(), "web", Bytes(15), false),
              Fails(Code::kInvalidArgument, "INVALID_NONCE"));
  const auto rotation = keys().Rotate(Soon(), "web", kSubject);
  ASSERT_THAT(rotation, IsOk());
  const auto of_next = keys().Certify(Soon(), "web", nonce, true);
  ASSERT_THAT(of_next, IsOk());
  EXPECT_EQ(of_next->key_public, rotation->next.public_area);
}

TEST_F(KeysTest, ConcurrentChangesOfOneKeyFollowEachOther) {
  std::atomic<int> created = 0;
  std::atomic<int> odd = 0;
  const auto note = [&](const Status& status) {
    const bool honest =
        status.ok() || status.code() == Code::kAlreadyExists || status.code() == Code::kNotFound;
    if (!honest) {
      ++odd;
      ADD_FAILURE() << status.ToString();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) {
        const auto made = keys().Create(Soon(), "web", {});
        if (made.ok()) ++created;
        note(made.status());
        note(Sign("web").status());
        note(keys().Rotate(Soon(), "web", kSubject).status());
        const auto key = keys().Get("web");
        note(key.status());
        if (key.ok()) note(key->problem);
        note(keys().List().status());
        if ((round + i) % 2 == 0) note(keys().Delete("web"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(created, 0);
  EXPECT_EQ(odd, 0);
  ASSERT_THAT(node_.Start(), IsOk());
  EXPECT_EQ(keys().Check().level, Health::Level::kHealthy) << keys().Check().detail;
}

TEST_F(KeysTest, AFolderThatCannotBeOpenedFailsTheStart) {
  fs::remove(KeyPath(""));
  fs::create_directory_symlink(files_.path(), files_.path() / "state" / "keys");
  EXPECT_THAT(node_.Start(), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(keys().Create(Soon(), "web", {}),
              Fails(Code::kFailedPrecondition, "KEYS_UNAVAILABLE"));
  EXPECT_THAT(keys().List(), Fails(Code::kFailedPrecondition, "KEYS_UNAVAILABLE"));
}

}  // namespace
}  // namespace seaworthy::testing
