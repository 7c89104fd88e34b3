// KeyService as a client sees it.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>

#include "component/modules/keys/keys_fixture.h"
#include "seaworthy/rpc/audit.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/v1/key.grpc.pb.h"

namespace seaworthy::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class KeyServiceTest : public KeysTest {
 protected:
  void SetUp() override {
    KeysTest::SetUp();
    audit_ = rpc::AuditLog::Open(files_ / "audit.jsonl").value();
    gate_ = std::make_unique<rpc::Gate>(rpc::Gate::Options{
        .identify = [this](const grpc::ServerContext&) -> Result<rpc::Peer> {
          return rpc::Peer{.role = role_, .identity = "test"};
        },
        .audit = *audit_,
    });
    services_ = keys().MakeServices(*gate_);
    grpc::ServerBuilder builder;
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::KeyService::NewStub(server_->InProcessChannel({}));
  }

  void TearDown() override { server_->Shutdown(); }

  // Calls, and returns "" or "CODE REASON: message".
  template <class Request, class Response>
  std::string Call(grpc::Status (v1::KeyService::Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                   const Request& request, Response& response) {
    grpc::ClientContext context;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (status.ok()) return "";
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto reason = trailers.find("seaworthy-reason");
    return std::to_string(status.error_code()) + " " +
           (reason == trailers.end() ? ""
                                     : std::string(reason->second.data(), reason->second.size())) +
           ": " + status.error_message();
  }

  std::string Create(const v1::CreateKeyRequest& request) {
    created_.Clear();
    return Call(&v1::KeyService::Stub::CreateKey, request, created_);
  }

  std::atomic<rpc::Role> role_ = rpc::Role::kAdmin;  // read by gRPC's threads
  std::unique_ptr<rpc::AuditLog> audit_;
  std::unique_ptr<rpc::Gate> gate_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::KeyService::Stub> stub_;
  v1::Key created_;
};

TEST_F(KeyServiceTest, AKeyIsShownWithAllItHas) {
  v1::CreateKeyRequest create;
  create.set_name("bound");
  create.set_algorithm(v1::EC_P384);
  create.mutable_policy()->set_bank(v1::SHA256);
  create.mutable_policy()->add_indices(23);
  create.mutable_policy()->add_indices(7);
  ASSERT_EQ(Create(create), "");
  EXPECT_EQ(created_.name(), "bound");
  EXPECT_EQ(created_.algorithm(), v1::EC_P384);
  EXPECT_THAT(created_.attributes(), Contains("fixedTPM"));
  EXPECT_THAT(created_.policy().indices(), ElementsAre(7, 23));
  EXPECT_EQ(created_.tpm_name().size(), 2 * 34U);
  EXPECT_THAT(created_.tss2_pem(), StartsWith("-----BEGIN TSS2 PRIVATE KEY-----"));
  EXPECT_GT(created_.created().seconds(), 1'700'000'000);
  EXPECT_FALSE(created_.has_certificate());
  EXPECT_TRUE(Succeeds("openssl pkey -pubin -noout -in " +
                       WriteFile("key.pem", created_.public_key_pem())));
}

TEST_F(KeyServiceTest, CertificateAndRotationAreShown) {
  v1::CreateKeyRequest create;
  create.set_name("web");
  ASSERT_EQ(Create(create), "");
  const auto key = keys().Get("web");
  v1::InstallCertificateRequest install;
  install.set_name("web");
  install.set_certificate_chain_pem(ChainFor(ca_, key->public_key, 10 * 24 * 3600 + 60));
  v1::Key installed;
  ASSERT_EQ(Call(&v1::KeyService::Stub::InstallCertificate, install, installed), "");
  EXPECT_EQ(installed.certificate_chain_pem(), install.certificate_chain_pem());
  EXPECT_EQ(installed.certificate().days_left(), 10);
  EXPECT_FALSE(installed.certificate().expired());
  EXPECT_EQ(installed.certificate().issuer(), "CN=Test CA");

  v1::RotateKeyRequest rotate;
  rotate.set_name("web");
  rotate.mutable_subject()->set_distinguished_name("CN=node-17");
  rotate.mutable_subject()->add_dns_names("node-17.example");
  v1::RotateKeyResponse rotation;
  ASSERT_EQ(Call(&v1::KeyService::Stub::RotateKey, rotate, rotation), "");
  EXPECT_TRUE(OpensslAcceptsCsr(rotation.csr_pem()));

  v1::GetKeyRequest get;
  get.set_name("web");
  v1::Key shown;
  ASSERT_EQ(Call(&v1::KeyService::Stub::GetKey, get, shown), "");
  EXPECT_TRUE(shown.rotation_pending());
  EXPECT_EQ(shown.next_public_key_pem(), rotation.next_public_key_pem());
  EXPECT_EQ(shown.problem(), "");

  v1::ListKeysResponse list;
  ASSERT_EQ(Call(&v1::KeyService::Stub::ListKeys, v1::ListKeysRequest(), list), "");
  ASSERT_EQ(list.keys_size(), 1);
  EXPECT_EQ(list.keys(0).public_key_pem(), shown.public_key_pem());
  EXPECT_EQ(list.keys(0).certificate().subject(), shown.certificate().subject());
  EXPECT_EQ(list.keys(0).tss2_pem(), "");
  EXPECT_EQ(list.keys(0).certificate_chain_pem(), "");

  // A CSR is for the key that waits for its certificate.
  v1::CreateCsrRequest csr;
  csr.set_name("web");
  *csr.mutable_subject() = rotate.subject();
  v1::CreateCsrResponse made;
  ASSERT_EQ(Call(&v1::KeyService::Stub::CreateCsr, csr, made), "");
  EXPECT_TRUE(Succeeds("openssl req -noout -pubkey -in " + WriteFile("a.pem", made.csr_pem()) +
                       " | cmp - " + WriteFile("b.pem", shown.next_public_key_pem())));
}

TEST_F(KeyServiceTest, CreateRefusesAndNamesTheField) {
  v1::CreateKeyRequest create;
  create.set_name("Not a name");
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_NAME: name: "));
  create.set_name("web");
  create.set_algorithm(static_cast<v1::KeyAlgorithm>(99));
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_ALGORITHM: algorithm: "));
  create.clear_algorithm();
  create.mutable_policy()->set_bank(v1::SHA256);
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_PCR: policy.indices: "));
  create.mutable_policy()->add_indices(24);
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_PCR: policy.indices: 24"));
  create.mutable_policy()->set_indices(0, 7);
  create.mutable_policy()->add_indices(7);
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_PCR: policy.indices: 7"));
  create.mutable_policy()->clear_bank();
  EXPECT_THAT(Create(create), StartsWith("3 INVALID_HASH: policy.bank: "));
  create.clear_policy();
  ASSERT_EQ(Create(create), "");
  EXPECT_EQ(created_.algorithm(), v1::EC_P256);
  EXPECT_THAT(Create(create), StartsWith("6 KEY_EXISTS: "));
}

TEST_F(KeyServiceTest, SignRefusesWhatIsNotADigest) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  v1::SignRequest sign;
  v1::SignResponse signature;
  sign.set_name("web");
  sign.set_digest(std::string(20, 'x'));
  EXPECT_THAT(Call(&v1::KeyService::Stub::Sign, sign, signature),
              StartsWith("3 INVALID_HASH: hash: "));
  sign.set_hash(v1::SHA1);
  EXPECT_THAT(Call(&v1::KeyService::Stub::Sign, sign, signature),
              StartsWith("3 WEAK_HASH: hash: "));
  sign.set_hash(v1::SHA256);
  EXPECT_THAT(Call(&v1::KeyService::Stub::Sign, sign, signature),
              StartsWith("3 INVALID_DIGEST: digest: "));
  sign.set_digest(std::string(32, 'x'));
  sign.set_scheme(static_cast<v1::SignatureScheme>(99));
  EXPECT_THAT(Call(&v1::KeyService::Stub::Sign, sign, signature),
              StartsWith("3 INVALID_SCHEME: scheme: "));
  sign.clear_scheme();
  EXPECT_EQ(Call(&v1::KeyService::Stub::Sign, sign, signature), "");
}

TEST_F(KeyServiceTest, SignBatchAnswersInTheOrderOfTheDigests) {
  tpm::KeyTemplate rsa;
  rsa.algorithm = tpm::KeyAlgorithm::kRsa2048;
  ASSERT_THAT(keys().Create(Soon(), "rsa", rsa), IsOk());
  v1::SignBatchRequest batch;
  v1::SignBatchResponse signatures;
  batch.set_name("rsa");
  batch.set_hash(v1::SHA256);
  batch.set_scheme(v1::RSASSA_PKCS1_V1_5);
  EXPECT_THAT(Call(&v1::KeyService::Stub::SignBatch, batch, signatures),
              StartsWith("3 INVALID_BATCH: digests: 0, must be 1 to 64"));
  v1::SignRequest one;
  v1::SignResponse signature;
  one.set_name("rsa");
  one.set_hash(v1::SHA256);
  one.set_scheme(v1::RSASSA_PKCS1_V1_5);
  for (const char letter : {'a', 'b', 'a'}) batch.add_digests(std::string(32, letter));
  ASSERT_EQ(Call(&v1::KeyService::Stub::SignBatch, batch, signatures), "");
  ASSERT_EQ(signatures.signatures_size(), 3);
  // This scheme signs the same in the same way.
  for (int i = 0; i < 3; ++i) {
    one.set_digest(batch.digests(i));
    ASSERT_EQ(Call(&v1::KeyService::Stub::Sign, one, signature), "");
    EXPECT_EQ(signatures.signatures(i), signature.signature());
  }
  batch.set_scheme(v1::ECDSA);
  EXPECT_THAT(Call(&v1::KeyService::Stub::SignBatch, batch, signatures),
              StartsWith("3 SCHEME_MISMATCH: "));
  role_ = rpc::Role::kReader;
  EXPECT_THAT(Call(&v1::KeyService::Stub::SignBatch, batch, signatures),
              StartsWith("7 ROLE_TOO_LOW: "));
}

TEST_F(KeyServiceTest, CertifyAndDelete) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  v1::CertifyKeyRequest certify;
  v1::CertifyKeyResponse certification;
  certify.set_name("web");
  certify.set_nonce("short");
  EXPECT_THAT(Call(&v1::KeyService::Stub::CertifyKey, certify, certification),
              StartsWith("3 INVALID_NONCE: nonce: "));
  certify.set_nonce(std::string(16, 'n'));
  EXPECT_EQ(Call(&v1::KeyService::Stub::CertifyKey, certify, certification), "");
  EXPECT_FALSE(certification.certification().attested().empty());

  v1::DeleteKeyRequest remove;
  v1::DeleteKeyResponse removed;
  remove.set_name("none");
  EXPECT_THAT(Call(&v1::KeyService::Stub::DeleteKey, remove, removed),
              StartsWith("5 KEY_NOT_FOUND: "));
  remove.set_name("web");
  EXPECT_EQ(Call(&v1::KeyService::Stub::DeleteKey, remove, removed), "");
}

TEST_F(KeyServiceTest, ADamagedKeyShowsItsNameAndProblemOnly) {
  std::filesystem::create_directories(KeyPath("web"));
  v1::GetKeyRequest get;
  get.set_name("web");
  v1::Key shown;
  ASSERT_EQ(Call(&v1::KeyService::Stub::GetKey, get, shown), "");
  EXPECT_THAT(shown.problem(), HasSubstr("meta.json"));
  EXPECT_EQ(shown.public_key_pem(), "");
  EXPECT_FALSE(shown.has_created());
}

TEST_F(KeyServiceTest, AReaderUsesNoKeyAndIsAudited) {
  ASSERT_THAT(keys().Create(Soon(), "web", {}), IsOk());
  role_ = rpc::Role::kReader;
  v1::SignRequest sign;
  sign.set_name("web");
  sign.set_hash(v1::SHA256);
  sign.set_digest(std::string(32, 'x'));
  v1::SignResponse signature;
  EXPECT_THAT(Call(&v1::KeyService::Stub::Sign, sign, signature), StartsWith("7 ROLE_TOO_LOW: "));
  v1::GetKeyRequest get;
  get.set_name("web");
  v1::Key shown;
  EXPECT_EQ(Call(&v1::KeyService::Stub::GetKey, get, shown), "");
  std::ifstream audit(files_ / "audit.jsonl");
  const std::string text{std::istreambuf_iterator<char>(audit), {}};
  EXPECT_THAT(text, AllOf(HasSubstr("refused"), HasSubstr("KeyService/Sign"), HasSubstr("web")));
}

}  // namespace
}  // namespace seaworthy::testing
