// A node enrolled from end to end: its maker's certificates, a credential, the answer. tpm2-tools
// take the place of either side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "seaworthy/enrolment.h"
#include "seaworthy/modules/attestation.h"
#include "seaworthy/tpm/properties.h"
#include "seaworthy/tpm/tss2_pem.h"
#include "support/software_ca.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::attestation {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::SwTpm;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::SizeIs;

const Bytes kSecret(32, 0x5e);

// A daemon's state folder with a TPM.
class Node {
 public:
  explicit Node(SwTpm::Maker maker) : swtpm_(maker) { Start(root_.path().string()); }

  void Start(const std::string& state) {
    state_ = state;
    attestation_.reset();
    broker_ = std::make_unique<tpm::Broker>(
        tpm::Broker::Options{.tcti = swtpm_.tcti(), .state_dir = state, .on_change = {}});
    attestation_ =
        std::make_unique<Attestation>(*broker_, events_, Attestation::Options{state, kEc});
    EXPECT_THAT(attestation_->Start(), IsOk());
  }

  verify::Endorsement Offer() {
    const Result<Attestation::Identity> identity = attestation_->Endorsement(Soon());
    EXPECT_THAT(identity, IsOk());
    verify::Endorsement offer;
    for (const tpm::EndorsementKey& key : identity->endorsement.keys) {
      offer.keys.push_back({key.public_area, key.certificate});
    }
    offer.chain = identity->endorsement.chain;
    offer.ak_public = identity->ak.public_area;
    return offer;
  }

  Result<Bytes> Activate(ByteView ek_public, const verify::Credential& credential) {
    return ActivateNamed(*verify::NameOf(ek_public), credential);
  }
  Result<Bytes> ActivateNamed(ByteView ek_name, const verify::Credential& credential) {
    return attestation_->ActivateCredential(Soon(), ek_name,
                                            {credential.blob, credential.encrypted_secret});
  }

  // With the TPM to itself.
  bool Shell(const std::string& command) {
    broker_->Close();
    const std::string line = "cd " + root_.path().string() + " && TPM2TOOLS_TCTI='" +
                             swtpm_.tcti() + "' sh -ec '" + command + "' >shell.log 2>&1";
    return std::system(line.c_str()) == 0;
  }
  void Write(const std::string& name, ByteView content) {
    ASSERT_THAT(ReplaceFile(root_ / name, content, 0600), IsOk());
  }
  Bytes Read(const std::string& name) { return *ReadFile(root_ / name, 1 << 20); }

  verify::VendorCertificates Vendors() const {
    verify::VendorCertificates vendors;
    for (const std::string file : {"/issuercert.pem", "/swtpm-localca-rootca-cert.pem"}) {
      const Result<std::vector<Bytes>> read =
          verify::ParseCertificates(*ReadFile(swtpm_.ca_folder() + file, 1 << 20));
      EXPECT_THAT(read, IsOk());
      vendors.insert(vendors.end(), read->begin(), read->end());
    }
    return vendors;
  }

  static Deadline Soon() { return DeadlineIn(seconds(20)); }
  Attestation& attestation() { return *attestation_; }
  tpm::Broker& broker() { return *broker_; }
  SwTpm& swtpm() { return swtpm_; }
  const std::string& state() const { return state_; }
  std::string operator/(std::string_view name) const { return root_ / name; }

 private:
  static constexpr tpm::KeyAlgorithm kEc = tpm::KeyAlgorithm::kEcP256;

  testing::TempRoot root_;
  SwTpm swtpm_;
  Events events_;
  std::string state_;
  std::unique_ptr<tpm::Broker> broker_;
  std::unique_ptr<Attestation> attestation_;
};

class EnrolmentTest : public ::testing::Test {
 protected:
  // Making one takes a second: tests share it and leave it as it is.
  static void SetUpTestSuite() { certified_ = new Node(SwTpm::Maker::kCertifies); }
  static void TearDownTestSuite() {
    delete certified_;
    certified_ = nullptr;
  }
  static Node& node() { return *certified_; }

  static verify::EndorsementVerdict Judge(const verify::Endorsement& offer,
                                          const verify::VendorCertificates& vendors) {
    return verify::VerifyEndorsement(offer, vendors, std::chrono::system_clock::now());
  }
  static Bytes AkName() { return *verify::NameOf(node().Offer().ak_public); }

 private:
  static Node* certified_;
};

Node* EnrolmentTest::certified_ = nullptr;

TEST_F(EnrolmentTest, EachCertifiedKeyIsTrustedAndOpensItsCredential) {
  const verify::Endorsement offer = node().Offer();
  ASSERT_THAT(offer.keys, SizeIs(2));  // P-384 with SHA-384 and PolicyOR, RSA-2048
  for (const verify::EndorsementKey& key : offer.keys) {
    const verify::EndorsementVerdict verdict =
        Judge({{key}, offer.chain, offer.ak_public}, node().Vendors());
    ASSERT_TRUE(verdict.trusted) << verdict.findings.back().sentence;
    EXPECT_EQ(verdict.tpm.model, "swtpm");
    EXPECT_EQ(verdict.ek_public, key.public_area);
    const Result<verify::Credential> credential =
        verify::MakeCredential(key.public_area, verdict.ak.name, kSecret);
    ASSERT_THAT(credential, IsOk());
    const Result<Bytes> answer = node().Activate(key.public_area, *credential);
    ASSERT_THAT(answer, IsOk());
    EXPECT_TRUE(verify::IsSecret(*answer, kSecret));
  }
}

TEST_F(EnrolmentTest, OpensslAgreesOnTheCertificates) {
  const verify::Endorsement offer = node().Offer();
  for (const verify::EndorsementKey& key : offer.keys) {
    node().Write("ek.der", key.certificate);
    EXPECT_TRUE(
        node().Shell("openssl x509 -inform der -in ek.der -out ek.pem; "
                     "openssl verify -ignore_critical -CAfile " +
                     node().swtpm().ca_folder() + "/swtpm-localca-rootca-cert.pem -untrusted " +
                     node().swtpm().ca_folder() + "/issuercert.pem ek.pem"));
  }
}

// M-37: the maker is one that the backend trusts.
TEST_F(EnrolmentTest, AnotherMakersTpmIsNotTrusted) {
  Node other(SwTpm::Maker::kCertifies);
  EXPECT_TRUE(Judge(other.Offer(), other.Vendors()).trusted);
  EXPECT_FALSE(Judge(other.Offer(), node().Vendors()).trusted);
  Node uncertified(SwTpm::Maker::kNone);
  EXPECT_FALSE(Judge(uncertified.Offer(), node().Vendors()).trusted);
  // With another node's certificate.
  verify::Endorsement mixed = uncertified.Offer();
  for (verify::EndorsementKey& key : mixed.keys) {
    key.certificate = node().Offer().keys[0].certificate;
  }
  EXPECT_FALSE(Judge(mixed, node().Vendors()).trusted);
}

// What tpm2_makecredential writes begins with a magic number and a version.
TEST_F(EnrolmentTest, OpensWhatTpm2MakecredentialMade) {
  const verify::Endorsement offer = node().Offer();
  node().Write("secret", kSecret);
  for (const verify::EndorsementKey& key : offer.keys) {
    Bytes sized = {static_cast<std::uint8_t>(key.public_area.size() >> 8),
                   static_cast<std::uint8_t>(key.public_area.size() & 0xff)};
    sized.insert(sized.end(), key.public_area.begin(), key.public_area.end());
    node().Write("ek.pub", sized);
    ASSERT_TRUE(node().Shell("tpm2_makecredential -e ek.pub -s secret -n " + Hex(AkName()) +
                             " -o credential"));
    const Bytes file = node().Read("credential");
    const auto blob = file.begin() + 8;
    const auto seed = blob + 2 + (blob[0] << 8 | blob[1]);
    const Result<Bytes> answer =
        node().Activate(key.public_area, {Bytes(blob, seed), Bytes(seed, file.end())});
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(*answer, kSecret);
  }
}

TEST_F(EnrolmentTest, Tpm2ActivatecredentialOpensWhatWeMade) {
  const verify::Endorsement offer = node().Offer();
  const std::string handles[] = {"0x81010016", "0x81010001"};
  ASSERT_TRUE(node().Shell(
      "tpm2_createprimary -C o -c parent.ctx; tpm2_flushcontext -t; "
      "tpm2_create -C parent.ctx -G ecc -u ak.pub -r ak.prv; tpm2_flushcontext -t; "
      "tpm2_load -C parent.ctx -u ak.pub -r ak.prv -c ak.ctx -n ak.name; tpm2_flushcontext -t"));
  for (std::size_t i = 0; i < offer.keys.size(); ++i) {
    const Result<verify::Credential> made =
        verify::MakeCredential(offer.keys[i].public_area, node().Read("ak.name"), kSecret);
    ASSERT_THAT(made, IsOk());
    Bytes file = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};
    file.insert(file.end(), made->blob.begin(), made->blob.end());
    file.insert(file.end(), made->encrypted_secret.begin(), made->encrypted_secret.end());
    node().Write("credential", file);
    // The high-range key may be used with an empty authorization as well as by its policy.
    const std::string session = i == 0 ? ""
                                       : "tpm2_startauthsession --policy-session -S session; "
                                         "tpm2_policysecret -S session -c e; ";
    const std::string use = i == 0 ? "" : " -P session:session";
    EXPECT_TRUE(node().Shell(session + "tpm2_activatecredential -c ak.ctx -C " + handles[i] + use +
                             " -i credential -o answer"));
    EXPECT_EQ(node().Read("answer"), kSecret);
    (void)node().Shell("tpm2_flushcontext -t; tpm2_flushcontext -l; tpm2_flushcontext -s");
  }
}

// M-39: the answer is for one attestation key and one TPM.
TEST_F(EnrolmentTest, ACredentialForAnotherKeyStaysShut) {
  const verify::Endorsement offer = node().Offer();
  Node other(SwTpm::Maker::kNone);
  const verify::Endorsement others = other.Offer();
  for (const verify::EndorsementKey& key : offer.keys) {
    const verify::Credential for_other_ak =
        *verify::MakeCredential(key.public_area, *verify::NameOf(others.ak_public), kSecret);
    EXPECT_THAT(node().Activate(key.public_area, for_other_ak),
                Fails(Code::kInvalidArgument, "CREDENTIAL_MISMATCH"));
    for (const verify::EndorsementKey& foreign : others.keys) {
      const verify::Credential for_other_ek =
          *verify::MakeCredential(foreign.public_area, AkName(), kSecret);
      EXPECT_THAT(node().Activate(key.public_area, for_other_ek),
                  Fails(Code::kInvalidArgument, "CREDENTIAL_MISMATCH"));
      EXPECT_THAT(node().Activate(foreign.public_area, for_other_ek),
                  Fails(Code::kNotFound, "EK_UNKNOWN"));
    }
  }
}

TEST_F(EnrolmentTest, CutAndFlippedCredentialsStayShutAndLeaveNothing) {
  const auto count = [] {
    return *node().broker().Run(Node::Soon(),
                                [](tpm::Context& context) { return tpm::CountHandles(context); });
  };
  for (const verify::EndorsementKey& key : node().Offer().keys) {
    const verify::Credential whole = *verify::MakeCredential(key.public_area, AkName(), kSecret);
    ASSERT_THAT(node().Activate(key.public_area, whole), IsOk());
    const tpm::HandleCounts before = count();
    const auto refuses = [&](const verify::Credential& credential) {
      EXPECT_THAT(node().Activate(key.public_area, credential),
                  AnyOf(Fails(Code::kInvalidArgument, "CREDENTIAL_MISMATCH"),
                        Fails(Code::kInvalidArgument, "INVALID_TPM_STRUCTURE")));
    };
    for (const auto part : {&verify::Credential::blob, &verify::Credential::encrypted_secret}) {
      for (std::size_t i = 0; i < (whole.*part).size(); i += 7) {
        verify::Credential changed = whole;
        (changed.*part)[i] ^= 0x10;
        refuses(changed);
        (changed.*part).resize(i);
        refuses(changed);
      }
      verify::Credential longer = whole;
      (longer.*part).resize(70'000);
      refuses(longer);
    }
    const tpm::HandleCounts after = count();
    EXPECT_EQ(after.transient, before.transient);
    EXPECT_EQ(after.sessions, before.sessions);
    EXPECT_THAT(node().Activate(key.public_area, whole), IsOk());
  }
}

// M-38: the disk of an enrolled node in another machine.
TEST_F(EnrolmentTest, AClonedDiskNeitherQuotesNorEnrolsAsTheFirst) {
  const verify::Endorsement offer = node().Offer();
  const Bytes ek = offer.keys[0].public_area;
  const verify::Credential challenge = *verify::MakeCredential(ek, AkName(), kSecret);
  const Bytes nonce(32, 1);
  const std::vector<tpm::PcrSelection> pcrs = {{tpm::HashAlgorithm::kSha256, 1}};
  ASSERT_THAT(node().attestation().Quote(Node::Soon(), nonce, pcrs), IsOk());

  Node second(SwTpm::Maker::kCertifies);
  const std::string clone = second / "clone";
  std::filesystem::copy(node().state(), clone, std::filesystem::copy_options::recursive);
  second.Start(clone);
  EXPECT_THAT(second.Activate(ek, challenge), Fails(Code::kFailedPrecondition, "TPM_REPLACED"));
  EXPECT_THAT(second.attestation().Quote(Node::Soon(), nonce, pcrs),
              Fails(Code::kFailedPrecondition, "TPM_REPLACED"));
  EXPECT_THAT(second.attestation().Endorsement(Node::Soon()),
              Fails(Code::kFailedPrecondition, "TPM_REPLACED"));

  // Whoever cloned the disk takes the pin away.
  std::filesystem::remove(clone + "/srk.name");
  second.Start(clone);
  EXPECT_THAT(second.attestation().Quote(Node::Soon(), nonce, pcrs),
              Fails(Code::kFailedPrecondition, "KEY_NOT_OF_THIS_TPM"));
  EXPECT_THAT(second.Activate(ek, challenge), Fails(Code::kNotFound, "EK_UNKNOWN"));
  const Bytes own_ek = *verify::NameOf(second.Offer().keys[0].public_area);
  EXPECT_THAT(second.ActivateNamed(own_ek, challenge),
              Fails(Code::kFailedPrecondition, "KEY_NOT_OF_THIS_TPM"));

  // And has a new attestation key made: it is another one.
  std::filesystem::remove(clone + "/attestation/ak.pem");
  second.Start(clone);
  const Result<verify::Evidence> quote = second.attestation().Quote(Node::Soon(), nonce, pcrs);
  ASSERT_THAT(quote, IsOk());
  EXPECT_FALSE(verify::VerifyQuote(*quote, nonce, {AkName()}).trusted);
  EXPECT_THAT(second.Activate(ek, challenge), Fails(Code::kNotFound, "EK_UNKNOWN"));
  EXPECT_THAT(second.ActivateNamed(own_ek, challenge),
              Fails(Code::kInvalidArgument, "CREDENTIAL_MISMATCH"));
}

TEST_F(EnrolmentTest, HighRangeKeysWithSha256OpenTheirCredentials) {
  Node plain(SwTpm::Maker::kNone);
  // The index says that the maker certified such a key; what is in it is the verifier's to judge.
  ASSERT_TRUE(
      plain.Shell("printf 0123456789 >none; "
                  "for index in 0x01c00012 0x01c00014; do tpm2_nvdefine -C o -s 10 "
                  "-a \"ownerwrite|ownerread\" $index; tpm2_nvwrite -C o -i none $index; done"));
  const verify::Endorsement offer = plain.Offer();
  ASSERT_THAT(offer.keys, SizeIs(2));
  for (const verify::EndorsementKey& key : offer.keys) {
    const Bytes ak = *verify::NameOf(offer.ak_public);
    const verify::Credential credential = *verify::MakeCredential(key.public_area, ak, kSecret);
    const Result<Bytes> answer = plain.Activate(key.public_area, credential);
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(*answer, kSecret);
  }
  EXPECT_EQ(Judge(offer, node().Vendors()).findings[1].code, "EK_CERTIFICATE_MALFORMED");
}

TEST_F(EnrolmentTest, LowRangeKeysOfBothKindsOpenTheirCredentials) {
  Node plain(SwTpm::Maker::kNone);
  const verify::Endorsement offer = plain.Offer();
  ASSERT_THAT(offer.keys, SizeIs(2));
  const Bytes ak = *verify::NameOf(offer.ak_public);
  for (const verify::EndorsementKey& key : offer.keys) {
    const verify::Credential credential = *verify::MakeCredential(key.public_area, ak, kSecret);
    EXPECT_THAT(plain.Activate(key.public_area, credential), IsOk());
  }
}

TEST_F(EnrolmentTest, ACertificateForTheAttestationKeyIsInstalledAndOnlyForIt) {
  Node plain(SwTpm::Maker::kNone);
  const tpm::PublicKey ak = *plain.attestation().AttestationKey(Node::Soon());
  EXPECT_EQ(*plain.attestation().AttestationCertificate(ak), "");
  const testing::SoftwareCa ca;
  const std::uint8_t* at = ak.subject_public_key_info.data();
  const tls::EvpPkeyPtr key(
      d2i_PUBKEY(nullptr, &at, static_cast<long>(ak.subject_public_key_info.size())));
  const std::string chain = testing::ToPem(ca.Certify(key.get()).get()) + ca.pem();
  ASSERT_THAT(plain.attestation().InstallCertificate(Node::Soon(), chain), IsOk());
  EXPECT_EQ(*plain.attestation().AttestationCertificate(ak), chain);
  const std::string foreign =
      testing::ToPem(ca.Certify(testing::NewEcKey().get()).get()) + ca.pem();
  EXPECT_THAT(plain.attestation().InstallCertificate(Node::Soon(), foreign),
              Fails(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH"));
  EXPECT_EQ(*plain.attestation().AttestationCertificate(ak), chain);
  plain.Start(plain.state());
  EXPECT_EQ(*plain.attestation().AttestationCertificate(ak), chain);
  // M-06: what somebody put there is not told as this key's.
  plain.Write("attestation/ak-cert.pem", AsBytes(foreign));
  EXPECT_THAT(plain.attestation().AttestationCertificate(ak),
              Fails(Code::kFailedPrecondition, "AK_CERTIFICATE_DAMAGED"));
}

}  // namespace
}  // namespace seaworthy::attestation
