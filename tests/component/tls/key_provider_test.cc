#include "seaworthy/tls/key_provider.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include <fstream>
#include <thread>

#include "component/tls/memory_tls.h"
#include "component/tls/tpm_fixture.h"
#include "seaworthy/tls/x509.h"
#include "seaworthy/tpm/tss2_pem.h"
#include "support/software_ca.h"

namespace seaworthy::tls {
namespace {

using ::seaworthy::testing::BioText;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::MemoryTls;
using ::seaworthy::testing::NewContext;
using ::seaworthy::testing::NewEcKey;
using ::seaworthy::testing::SoftwareCa;
using ::seaworthy::testing::TempRoot;
using ::seaworthy::testing::ToX509;
using ::seaworthy::testing::TpmFixture;
using ::seaworthy::testing::Trust;
using tpm::KeyAlgorithm;

// Verifies with the default provider's key of the public half.
bool Verifies(EVP_PKEY* tpm_key, const Bytes& signature, std::string_view text, bool pss) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(tpm_key, &der);
  const unsigned char* cursor = der;
  const EvpPkeyPtr public_key(d2i_PUBKEY(nullptr, &cursor, size));
  OPENSSL_free(der);
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  EVP_DigestVerifyInit(context.get(), &parameters, EVP_sha256(), nullptr, public_key.get());
  if (pss) {
    EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
  }
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), AsBytes(text).data(),
                          text.size()) == 1;
}

class EveryKeyTest : public TpmFixture, public ::testing::WithParamInterface<KeyAlgorithm> {
 protected:
  void SetUp() override {
    TpmFixture::SetUp();
    wrapped_ = Create(GetParam());
    key_ = Load(wrapped_);
    ASSERT_NE(key_, nullptr);
  }

  bool rsa() const {
    return GetParam() == KeyAlgorithm::kRsa2048 || GetParam() == KeyAlgorithm::kRsa3072;
  }

  tpm::WrappedKey wrapped_;
  EvpPkeyPtr key_;
  SoftwareCa ca_;
};

INSTANTIATE_TEST_SUITE_P(Algorithms, EveryKeyTest,
                         ::testing::Values(KeyAlgorithm::kEcP256, KeyAlgorithm::kEcP384,
                                           KeyAlgorithm::kRsa2048, KeyAlgorithm::kRsa3072),
                         [](const auto& test) { return std::string(tpm::ToString(test.param)); });

TEST_P(EveryKeyTest, MatchesItsOwnCertificateOnly) {
  const X509Ptr own = ca_.Certify(key_.get());
  const X509Ptr other = ca_.Certify(NewEcKey().get());
  EXPECT_EQ(X509_check_private_key(own.get(), key_.get()), 1);
  EXPECT_NE(X509_check_private_key(other.get(), key_.get()), 1);
  const EvpPkeyPtr second = Load(Create(GetParam()));
  EXPECT_NE(X509_check_private_key(own.get(), second.get()), 1);
}

TEST_P(EveryKeyTest, CannotBeExported) {
  EXPECT_LE(i2d_PrivateKey(key_.get(), nullptr), 0);
  const BioPtr pem(BIO_new(BIO_s_mem()));
  EXPECT_NE(PEM_write_bio_PrivateKey(pem.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr),
            1);
  EXPECT_NE(
      PEM_write_bio_PKCS8PrivateKey(pem.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr),
      1);
  EXPECT_EQ(BioText(pem.get()).find("PRIVATE"), std::string::npos);
  OSSL_PARAM* params = nullptr;
  EXPECT_NE(EVP_PKEY_todata(key_.get(), EVP_PKEY_KEYPAIR, &params), 1);
}

TEST_P(EveryKeyTest, CsrIsGood) {
  const auto csr = MakeCsr(key_.get(), {.distinguished_name = "CN=node-17,O=Example",
                                        .dns_names = {"node-17.example"},
                                        .ip_addresses = {"192.0.2.7"},
                                        .uris = {"urn:x:node-17"}});
  ASSERT_THAT(csr, IsOk());
  const BioPtr bio(BIO_new_mem_buf(csr->data(), static_cast<int>(csr->size())));
  const X509ReqPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1);
  EXPECT_EQ(X509_REQ_check_private_key(request.get(), key_.get()), 1);

  // The openssl program, a process of its own, is the oracle.
  const TempRoot root;
  std::ofstream(root / "csr.pem") << *csr;
  const std::string verify = "openssl req -verify -noout -in " + root / "csr.pem" + " 2>/dev/null";
  EXPECT_EQ(std::system(verify.c_str()), 0);
}

TEST_P(EveryKeyTest, SelfSignedIsGood) {
  const auto pem = MakeSelfSigned(key_.get(),
                                  {.distinguished_name = "CN=node-17",
                                   .dns_names = {"node-17"},
                                   .ip_addresses = {},
                                   .uris = {}},
                                  std::chrono::system_clock::now(), std::chrono::hours(24));
  ASSERT_THAT(pem, IsOk());
  const X509Ptr certificate = ToX509(*pem);
  EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())), 1);
  EXPECT_EQ(X509_check_private_key(certificate.get(), key_.get()), 1);
  EXPECT_THAT(CheckChain(*pem, std::chrono::system_clock::now()), IsOk());
}

TEST_P(EveryKeyTest, TlsServer) {
  const X509Ptr certificate = ca_.Certify(key_.get());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslCtxPtr server = NewContext(TLS_server_method(), version);
    ASSERT_EQ(SSL_CTX_use_certificate(server.get(), certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(server.get(), key_.get()), 1);
    ASSERT_EQ(SSL_CTX_check_private_key(server.get()), 1);
    const SslCtxPtr client = NewContext(TLS_client_method(), version);
    Trust(client.get(), ca_.certificate.get());
    MemoryTls tls(server.get(), client.get());
    EXPECT_TRUE(tls.Handshake()) << FromOpenssl(Code::kInternal, "TLS", "tls").ToString();
    EXPECT_EQ(SSL_version(tls.client.get()), version);
    int signature = NID_undef;
    SSL_get_peer_signature_type_nid(tls.client.get(), &signature);
    if (version == TLS1_3_VERSION) {
      EXPECT_EQ(signature, rsa() ? EVP_PKEY_RSA_PSS : EVP_PKEY_EC);
    }
  }
}

TEST_P(EveryKeyTest, TlsClient) {
  const X509Ptr certificate = ca_.Certify(key_.get());
  const EvpPkeyPtr server_key = NewEcKey();
  const X509Ptr server_certificate = ca_.Certify(server_key.get());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslCtxPtr server = NewContext(TLS_server_method(), version);
    SSL_CTX_use_certificate(server.get(), server_certificate.get());
    SSL_CTX_use_PrivateKey(server.get(), server_key.get());
    Trust(server.get(), ca_.certificate.get());
    const SslCtxPtr client = NewContext(TLS_client_method(), version);
    ASSERT_EQ(SSL_CTX_use_certificate(client.get(), certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(client.get(), key_.get()), 1);
    Trust(client.get(), ca_.certificate.get());
    MemoryTls tls(server.get(), client.get());
    EXPECT_TRUE(tls.Handshake()) << FromOpenssl(Code::kInternal, "TLS", "tls").ToString();
    const X509Ptr seen(SSL_get1_peer_certificate(tls.server.get()));
    EXPECT_EQ(X509_cmp(seen.get(), certificate.get()), 0);
  }
}

TEST_P(EveryKeyTest, LoadsByPlainPem) {
  const std::string pem = "A comment before\n" + tpm::ToTss2Pem(wrapped_);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const EvpPkeyPtr loaded(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(loaded, nullptr) << FromOpenssl(Code::kInternal, "PEM", "pem").ToString();
  EXPECT_EQ(EVP_PKEY_eq(loaded.get(), key_.get()), 1);
  EXPECT_THAT(
      MakeCsr(loaded.get(),
              {.distinguished_name = "CN=a", .dns_names = {}, .ip_addresses = {}, .uris = {}}),
      IsOk());
}

TEST_P(EveryKeyTest, SignsInPartsAndDigests) {
  constexpr std::string_view kText = "to be signed";
  Bytes signature(1024);
  std::size_t size = signature.size();
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()), 1);
  ASSERT_EQ(EVP_DigestSignUpdate(context.get(), "to be ", 6), 1);
  ASSERT_EQ(EVP_DigestSignUpdate(context.get(), "signed", 6), 1);
  ASSERT_EQ(EVP_DigestSignFinal(context.get(), signature.data(), &size), 1);
  signature.resize(size);
  EXPECT_TRUE(Verifies(key_.get(), signature, kText, false));

  Bytes digest(32);
  EVP_Q_digest(nullptr, "SHA256", nullptr, kText.data(), kText.size(), digest.data(), nullptr);
  const CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> signer(EVP_PKEY_CTX_new(key_.get(), nullptr));
  ASSERT_EQ(EVP_PKEY_sign_init(signer.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_signature_md(signer.get(), EVP_sha256()), 1);
  signature.resize(1024);
  size = signature.size();
  ASSERT_EQ(EVP_PKEY_sign(signer.get(), signature.data(), &size, digest.data(), digest.size()), 1);
  signature.resize(size);
  EXPECT_TRUE(Verifies(key_.get(), signature, kText, false));
  EXPECT_FALSE(Verifies(key_.get(), signature, "something else", false));
}

using KeyProviderTest = TpmFixture;

TEST_F(KeyProviderTest, PssSaltIsAsLongAsTheDigest) {
  const EvpPkeyPtr key = Load(Create(KeyAlgorithm::kRsa2048));
  const auto sign = [&](int salt, Bytes& signature) {
    const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestSignInit(context.get(), &parameters, EVP_sha256(), nullptr, key.get());
    if (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt) != 1) {
      return false;
    }
    signature.resize(1024);
    std::size_t size = signature.size();
    const bool made =
        EVP_DigestSign(context.get(), signature.data(), &size, AsBytes("text").data(), 4) == 1;
    signature.resize(size);
    return made;
  };
  Bytes signature;
  ASSERT_TRUE(sign(RSA_PSS_SALTLEN_DIGEST, signature));
  EXPECT_TRUE(Verifies(key.get(), signature, "text", true));
  EXPECT_TRUE(sign(32, signature));
  EXPECT_FALSE(sign(20, signature));
  EXPECT_FALSE(sign(RSA_PSS_SALTLEN_MAX, signature));
}

TEST_F(KeyProviderTest, OneAtATimeAndAgainAfterwards) {
  EXPECT_THAT(KeyProvider::Load(broker_), Fails(Code::kAlreadyExists, "KEY_PROVIDER_LOADED"));
  const EvpPkeyPtr key = Load(Create(KeyAlgorithm::kEcP256));
  const Subject subject{
      .distinguished_name = "CN=a", .dns_names = {}, .ip_addresses = {}, .uris = {}};
  for (int i = 0; i < 3; ++i) {
    provider_.reset();
    const auto unloaded = MakeCsr(key.get(), subject);
    EXPECT_THAT(unloaded, Fails(Code::kFailedPrecondition, "KEY_PROVIDER_UNLOADED"));
    auto loaded = KeyProvider::Load(broker_);
    ASSERT_THAT(loaded, IsOk());
    provider_ = *std::move(loaded);
    EXPECT_THAT(MakeCsr(key.get(), subject), IsOk());
    EXPECT_NE(Load(Create(KeyAlgorithm::kEcP256)), nullptr);
  }
}

TEST_F(KeyProviderTest, SoftwareKeysAreLeftAlone) {
  const EvpPkeyPtr key = NewEcKey();
  EXPECT_STREQ(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key.get())), "default");
  sw_tpm_.Kill();
  EXPECT_THAT(
      MakeCsr(key.get(),
              {.distinguished_name = "CN=a", .dns_names = {}, .ip_addresses = {}, .uris = {}}),
      IsOk());
}

TEST_F(KeyProviderTest, SaysWhyATpmDidNotSign) {
  const EvpPkeyPtr key = Load(Create(KeyAlgorithm::kEcP256));
  sw_tpm_.Kill();
  const auto csr = MakeCsr(
      key.get(), {.distinguished_name = "CN=a", .dns_names = {}, .ip_addresses = {}, .uris = {}});
  EXPECT_THAT(csr, Fails(Code::kUnavailable, "TPM_UNAVAILABLE"));
}

TEST_F(KeyProviderTest, RefusesDamagedKeys) {
  tpm::WrappedKey wrapped = Create(KeyAlgorithm::kEcP256);
  std::string pem = tpm::ToTss2Pem(wrapped);
  pem.replace(pem.find('\n') + 1, 8, "AAAAAAAA");
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ERR_clear_error();
  EXPECT_EQ(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), nullptr);
  EXPECT_THAT(FromOpenssl(Code::kInternal, "PEM", "pem"),
              Fails(Code::kInvalidArgument, "INVALID_TSS2_PEM"));
  wrapped.public_area.resize(10);
  EXPECT_THAT(provider_->Key(wrapped), Fails(Code::kInvalidArgument, "INVALID_TPM_PUBLIC"));
}

TEST_F(KeyProviderTest, SignsFromManyThreads) {
  const EvpPkeyPtr key = Load(Create(KeyAlgorithm::kEcP256));
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 5; ++j) {
          const Subject subject{
              .distinguished_name = "CN=a", .dns_names = {}, .ip_addresses = {}, .uris = {}};
          if (MakeCsr(key.get(), subject).ok()) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 20);
}

}  // namespace
}  // namespace seaworthy::tls
