#include "seaworthy/tpm/seal.h"

#include <gtest/gtest.h>

#include "seaworthy/tpm/key.h"
#include "support/status_matchers.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

Bytes FromHex(std::string_view hex) { return *ParseHex(hex); }

// By openssl genrsa 2048; golden values for it by tpm2-tools 5.4.
constexpr char kPublicKey[] = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAteKuZPV8z5krqsPZ30eV
2AX6vv8IR4RVrL7DpL5EJCl8wtBWPUgxACk2JVd0KL+4a2957Psqi70pavHD/FmI
VO+mn8EsvM46OVTRdwiXCsMsz89T+CZocI6CQpt344mx6JLonrNm1/41h/q8OjJn
qDemNjDJWg12cvwjwHFrARLfb8QJWsx24Z90T0bYvtss2lRFB339wvrSroWgHyur
uo+LUhR50Tm3rggiDKM3oz/INZxwmNuX4cArQX4e7HFysYUJQTZkwig5r+K+/GYb
pveT25is1fKZ3TRV2T4SfqNtDaMmbIMrx76i7lSuCCVFIKKt8gvKuNsYeDh2FB0R
KQIDAQAB
-----END PUBLIC KEY-----
)";

constexpr char kKeyName[] = "000b5fbc236ce701ce9ec0606c698e08162d32f4f9d4bc5841b8074b048f828e5f47";

// Over PCRs 7 and 11 of zeros.
SealPolicy Zeros() {
  return {.pcrs = {{HashAlgorithm::kSha256, 1U << 7 | 1U << 11},
                   FromHex("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b")}};
}

std::string HexOf(const SealPolicy& policy) { return Hex(*PolicyDigest(policy)); }

TEST(PolicyDigest, EqualsTpm2Tools) {
  EXPECT_EQ(HexOf({}), std::string(64, '0'));
  EXPECT_EQ(HexOf(Zeros()), "384378caeddc9690b2ac9589827a756a5c46c8b33178b2fe468c80531b97a53e");
  EXPECT_EQ(HexOf({.pin = true}),
            "8fcd2169ab92694e0c633f1ab772842b8241bbc20288981fc7ac1eddc1fddb0e");
  SealPolicy policy{.signed_pcrs = SignedPcrs{kPublicKey, {HashAlgorithm::kSha256, 1U << 11}}};
  EXPECT_EQ(HexOf(policy), "f920629ca5708a5a5331553061b588058b3e5eaf9717b0bd2ee1b19c90f25206");
  policy.pcrs = Zeros().pcrs;
  policy.pin = true;
  EXPECT_EQ(HexOf(policy), "5ce05ff22d4b052cb6ff26f5b20c20d8958150b06900c36d6a57d8ce04347325");
}

TEST(PolicyDigest, RefusesWhatIsNoPolicy) {
  SealPolicy policy = Zeros();
  policy.pcrs.pcr_digest.pop_back();
  EXPECT_THAT(PolicyDigest(policy), Fails(Code::kInvalidArgument, "INVALID_SEAL_POLICY"));
  policy.pcrs.selection.mask = 1U << kPcrCount;
  EXPECT_THAT(PolicyDigest(policy), Fails(Code::kInvalidArgument, "INVALID_SEAL_POLICY"));
  for (const std::uint32_t mask : {0U, 1U << kPcrCount}) {
    EXPECT_THAT(
        PolicyDigest({.signed_pcrs = SignedPcrs{kPublicKey, {HashAlgorithm::kSha256, mask}}}),
        Fails(Code::kInvalidArgument, "INVALID_SEAL_POLICY"));
  }
}

TEST(PcrDigest, IsOverTheValues) {
  const Bytes zeros(32);
  EXPECT_EQ(PcrDigest({{HashAlgorithm::kSha256, 7, zeros}, {HashAlgorithm::kSha256, 11, zeros}}),
            Zeros().pcrs.pcr_digest);
}

TEST(PolicyKeyName, EqualsTpm2Tools) { EXPECT_EQ(Hex(*PolicyKeyName(kPublicKey)), kKeyName); }

TEST(PolicyKeyName, RefusesOtherKeys) {
  EXPECT_THAT(PolicyKeyName(""), Fails(Code::kInvalidArgument, "INVALID_POLICY_KEY"));
  EXPECT_THAT(PolicyKeyName(std::string(17 * 1024, 'A')),
              Fails(Code::kInvalidArgument, "INVALID_POLICY_KEY"));
  EXPECT_THAT(PolicyKeyName(R"(-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDaVce6Qpc8lffEpd3hvNFermzo
qni01A7KOASYRUDxzzn1OiklwKucwMfFAciLm9lPQfUyy2EbszuVk1v41Zg5Vxzh
D8H3Z5/inlyYLzff3ikcVWy5PhCYr2Uw3008y98dbDQGBibpqeD4nyXA6hPNo1hL
yNaD8SgAzBQOHBBecQIDAQAB
-----END PUBLIC KEY-----
)"),
              Fails(Code::kInvalidArgument, "INVALID_POLICY_KEY"));
  EXPECT_THAT(PolicyKeyName(R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE466tQp6kFXG2NqqivH1q15nExYLl
uDKn5lBZUswiLJZHaFsxKquFACe/+CdSTRoH7/JR4ubEgAErCOskPXWgAQ==
-----END PUBLIC KEY-----
)"),
              Fails(Code::kUnimplemented, "POLICY_KEY_UNSUPPORTED"));
}

// Golden: Python's hashlib, by the formulas of systemd 252 and 257.
TEST(PinAuthValue, IsSystemds) {
  const auto pin = [](std::string_view text) { return SecretBytes::Copy(AsBytes(text)); };
  EXPECT_EQ(Hex(PinAuthValue252(pin("1234"))->view()),
            "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4");
  EXPECT_EQ(Hex(PinAuthValueSalted(pin("1234"), Bytes(32, 0x5a))->view()),
            "fcf8260345affdae52f3f123fc7c2ed5050b0a07af2b7c12a960b667421371c0");
  // SHA-256 of "1270" ends with a zero, which the TPM would take off.
  EXPECT_EQ(Hex(PinAuthValue252(pin("1270"))->view()),
            "93654b454b7bc1eea6739e8ca279d028a9f2650c4f3e8843abc47fc5a88933");
  EXPECT_THAT(PinAuthValue252({}), Fails(Code::kInvalidArgument, "PIN_MISSING"));
  EXPECT_THAT(PinAuthValueSalted({}, Bytes(32)), Fails(Code::kInvalidArgument, "PIN_MISSING"));
}

// Sealed with tpm2_create, tpm2-tools 5.4, under an ECC storage root key.
constexpr char kPrivateArea[] =
    ""
    "009e00202344bf68e26446d11ecddf2b01eac83f38ac4147810510c32ae14ca75a669aca0010e2713af490992b"
    "8a50b12484c10339cc8f9e1a063885d18198f8353856d2ddee3c50b7c2ec2b3acf0eacc133002d9196fe030d3d"
    "127bbe94629e207049519da8dc5d1d9400b353729b5440e2cd43c504505994c534b80a5cb265a5a71590940268"
    "4d55ad7c9352742ece31dfd2829dee02cd4e136760d275da66";
constexpr char kPublicArea[] =
    ""
    "004e0008000b000004120020384378caeddc9690b2ac9589827a756a5c46c8b33178b2fe468c80531b97a53e00"
    "1000201a8dbbdfe70f3b1ead7290705fd6eb82c5d1650f9d12ec97991488852520c3e0";

Bytes Blob() { return FromHex(std::string(kPrivateArea) + kPublicArea); }

TEST(ParseSealedObject, CutsABlobInTwo) {
  const Result<SealedObject> object = ParseSealedObject(Blob());
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(Hex(object->private_area), kPrivateArea);
  EXPECT_EQ(Hex(object->public_area), kPublicArea);
  EXPECT_EQ(ToBlob(*object), Blob());
}

TEST(ParseSealedObject, TellsAThirdPart) {
  Bytes blob = Blob();
  blob.insert(blob.end(), {0, 0});
  EXPECT_THAT(ParseSealedObject(blob), IsOk());
  blob.back() = 1;
  EXPECT_THAT(ParseSealedObject(blob), Fails(Code::kInvalidArgument, "INVALID_SEALED_OBJECT"));
  blob.push_back(7);
  EXPECT_THAT(ParseSealedObject(blob), Fails(Code::kUnimplemented, "SEALED_OBJECT_IMPORT"));
  blob.push_back(7);
  EXPECT_THAT(ParseSealedObject(blob), Fails(Code::kInvalidArgument, "INVALID_SEALED_OBJECT"));
}

TEST(ParseSealedObject, RefusesEachCut) {
  const Bytes blob = Blob();
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_THAT(ParseSealedObject(ByteView(blob).first(size)),
                Fails(Code::kInvalidArgument, "INVALID_SEALED_OBJECT"))
        << size;
  }
  EXPECT_THAT(ParseSealedObject(Bytes(kMaxSealedObject + 1)),
              Fails(Code::kInvalidArgument, "INVALID_SEALED_OBJECT"));
}

TEST(ParseSealedObject, RefusesAnotherNameAlgorithm) {
  Bytes blob = Blob();
  const std::size_t name_algorithm = FromHex(kPrivateArea).size() + 4;
  blob[name_algorithm + 1] = 0x0c;
  EXPECT_THAT(ParseSealedObject(blob), Fails(Code::kUnimplemented, "SEALED_OBJECT_UNSUPPORTED"));
}

// By tpm2_readpublic -t of 0x81000001.
constexpr char kSrk[] =
    ""
    "810000010022000bcdfbcdbe68c95f064c5abf16a909b73474c0f99150df62c047f595d14c8d852b0000000100"
    "5a0023000b0003047200000006008000430010000300100020694aa3c4ca2f6592c2b86cd1c0e0df3cef19f1ab"
    "7f6a6e03e08fc77d104e0e8b0020e69a0c472887f894c2e6f90220d814327742203ff2c0843d1a5f4b8fff5866"
    "3d";

TEST(ReadSrkName, IsTheNameOfTheKeyBesideIt) {
  EXPECT_EQ(Hex(*ReadSrkName(FromHex(kSrk))),
            "000bcdfbcdbe68c95f064c5abf16a909b73474c0f99150df62c047f595d14c8d852b");
  for (const std::size_t at : {10U, 43U, 60U, 100U}) {
    Bytes changed = FromHex(kSrk);
    changed[at] ^= 1;
    EXPECT_THAT(ReadSrkName(changed), Fails(Code::kInvalidArgument, "INVALID_SRK")) << at;
  }
  Bytes longer = FromHex(kSrk);
  longer.push_back(0);
  EXPECT_THAT(ReadSrkName(longer), Fails(Code::kInvalidArgument, "INVALID_SRK"));
  EXPECT_THAT(ReadSrkName({}), Fails(Code::kInvalidArgument, "INVALID_SRK"));
}

}  // namespace
}  // namespace seaworthy::tpm
