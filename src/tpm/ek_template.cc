#include "tpm/ek_template.h"

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"

namespace seaworthy::tpm {
namespace {

constexpr EkTemplate kTemplates[] = {
    {"L-2", 0x01c0000a, 0x01c0000b, 0x01c0000c, 0x81010002, true, TPM2_ALG_ECC, TPM2_ALG_SHA256,
     128, TPM2_ECC_NIST_P256},
    {"H-2", 0x01c00014, 0, 0x01c00015, 0x81010014, false, TPM2_ALG_ECC, TPM2_ALG_SHA256, 128,
     TPM2_ECC_NIST_P256},
    {"H-3", 0x01c00016, 0, 0x01c00017, 0x81010016, false, TPM2_ALG_ECC, TPM2_ALG_SHA384, 256,
     TPM2_ECC_NIST_P384},
    {"L-1", 0x01c00002, 0x01c00003, 0x01c00004, 0x81010001, true, TPM2_ALG_RSA, TPM2_ALG_SHA256,
     128, 2048},
    {"H-1", 0x01c00012, 0, 0x01c00013, 0x81010012, false, TPM2_ALG_RSA, TPM2_ALG_SHA256, 128, 2048},
    {"H-6", 0x01c0001c, 0, 0x01c0001d, 0x8101001c, false, TPM2_ALG_RSA, TPM2_ALG_SHA384, 256, 3072},
};

constexpr TPMA_OBJECT kEkAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                      TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                      TPMA_OBJECT_DECRYPT;

// TPM_CC_PolicySecret and TPM_CC_PolicyOR, and the endorsement hierarchy's name, marshalled.
constexpr std::uint8_t kPolicySecret[] = {0x00, 0x00, 0x01, 0x51};
constexpr std::uint8_t kPolicyOr[] = {0x00, 0x00, 0x01, 0x71};
constexpr std::uint8_t kEndorsementName[] = {0x40, 0x00, 0x00, 0x0b};

// PolicyC of the profile, PolicyAuthorizeNV with the index 0x01c07f01 (SHA-256) or 0x01c07f02
// (SHA-384).
constexpr std::uint8_t kPolicyCSha256[] = {
    0x37, 0x67, 0xe2, 0xed, 0xd4, 0x3f, 0xf4, 0x5a, 0x3a, 0x7e, 0x1e, 0xae, 0xfc, 0xef, 0x78, 0x64,
    0x3d, 0xca, 0x96, 0x46, 0x32, 0xe7, 0xaa, 0xd8, 0x2c, 0x67, 0x3a, 0x30, 0xd8, 0x63, 0x3f, 0xde};
constexpr std::uint8_t kPolicyCSha384[] = {
    0xd6, 0x03, 0x2c, 0xe6, 0x1f, 0x2f, 0xb3, 0xc2, 0x40, 0xeb, 0x3c, 0xf6, 0xa3, 0x32, 0x37, 0xef,
    0x2b, 0x6a, 0x16, 0xf4, 0x29, 0x3c, 0x22, 0xb4, 0x55, 0xe2, 0x61, 0xcf, 0xfd, 0x21, 0x7a, 0xd5,
    0xb4, 0x94, 0x7c, 0x2d, 0x73, 0xe6, 0x30, 0x05, 0xee, 0xd2, 0xdc, 0x2b, 0x35, 0x93, 0xd1, 0x65};

ByteView PolicyC(HashAlgorithm hash) {
  return hash == HashAlgorithm::kSha256 ? ByteView(kPolicyCSha256) : ByteView(kPolicyCSha384);
}

// Part 3, 23.4: the digest is extended twice, the second time with the empty policyRef.
Bytes PolicyA(HashAlgorithm hash) {
  const Bytes start(DigestSize(hash));
  return Digest(hash, {Digest(hash, {start, kPolicySecret, kEndorsementName})});
}

// Part 3, 23.6.
Bytes PolicyB(HashAlgorithm hash) {
  const Bytes start(DigestSize(hash));
  return Digest(hash, {start, kPolicyOr, PolicyA(hash), PolicyC(hash)});
}

bool HasTemplates(TPMI_ALG_HASH hash) { return hash == TPM2_ALG_SHA256 || hash == TPM2_ALG_SHA384; }

bool HasKnownCurve(const TPMT_PUBLIC& area) {
  return area.type != TPM2_ALG_ECC || area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 ||
         area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P384;
}

Status Unsuitable(const EkTemplate& ek_template, std::string_view why) {
  return Fail(Code::kFailedPrecondition, "EK_TEMPLATE_UNSUITABLE",
              "the TPM's own template in NV for the endorsement key " +
                  std::string(ek_template.id) + " " + std::string(why));
}

TPMT_PUBLIC ProfileArea(const EkTemplate& ek_template) {
  TPMT_PUBLIC area = {};
  area.type = ek_template.type;
  area.nameAlg = ek_template.name_hash;
  area.objectAttributes = kEkAttributes | TPMA_OBJECT_ADMINWITHPOLICY;
  const HashAlgorithm hash{ek_template.name_hash};
  if (!ek_template.low_range) area.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
  area.authPolicy = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(
      ek_template.low_range ? PolicyA(hash) : PolicyB(hash));
  const bool ecc = ek_template.type == TPM2_ALG_ECC;
  TPMT_SYM_DEF_OBJECT& symmetric =
      ecc ? area.parameters.eccDetail.symmetric : area.parameters.rsaDetail.symmetric;
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = ek_template.aes_bits;
  symmetric.mode.aes = TPM2_ALG_CFB;
  if (ecc) {
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.curveID = ek_template.size;
    area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  } else {
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = ek_template.size;
  }
  // The low range has the unique field filled with zeros, the high range has it empty.
  if (ek_template.low_range && ecc) area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
  if (ek_template.low_range && !ecc) area.unique.rsa.size = 256;
  return area;
}

}  // namespace

std::span<const EkTemplate> EkTemplates() { return kTemplates; }

Result<TPM2B_PUBLIC> MakeEkPublic(const EkTemplate& ek_template, const std::optional<Bytes>& own,
                                  const std::optional<Bytes>& nonce) {
  TPM2B_PUBLIC result = {};
  TPMT_PUBLIC& area = result.publicArea;
  area = ProfileArea(ek_template);
  if (own.has_value()) {
    const auto parsed = Unmarshal<TPMT_PUBLIC, Tss2_MU_TPMT_PUBLIC_Unmarshal>(*own, "the template");
    if (!parsed.ok()) return Unsuitable(ek_template, "is no TPMT_PUBLIC");
    if (parsed->type != ek_template.type ||
        (parsed->objectAttributes & kEkAttributes) != kEkAttributes ||
        (parsed->objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0 ||
        !HasTemplates(parsed->nameAlg) || !HasKnownCurve(*parsed)) {
      return Unsuitable(
          ek_template,
          "is none of a restricted decryption key, RSA or on P-256 or P-384, that cannot "
          "leave the TPM");
    }
    area = *parsed;
  }
  if (!nonce.has_value()) return result;
  const bool ecc = ek_template.type == TPM2_ALG_ECC;
  const std::size_t room = ecc ? 32 : 256;
  if (nonce->size() > room) return Unsuitable(ek_template, "has a nonce that is too long");
  if (ecc) {
    area.unique.ecc = {};
    area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
    std::ranges::copy(*nonce, area.unique.ecc.x.buffer);
  } else {
    area.unique.rsa = {};
    area.unique.rsa.size = 256;
    std::ranges::copy(*nonce, area.unique.rsa.buffer);
  }
  return result;
}

bool SameTemplate(TPMT_PUBLIC left, TPMT_PUBLIC right) {
  if (left.type != right.type) return false;
  for (TPMT_PUBLIC* area : {&left, &right}) {
    area->unique = {};
    // Part 2, 12.2.3.5: 0 stands for it.
    if (area->type == TPM2_ALG_RSA && area->parameters.rsaDetail.exponent == 65537) {
      area->parameters.rsaDetail.exponent = 0;
    }
  }
  return Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(left) == Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(right);
}

Result<EkPolicy> PolicyOf(const TPMT_PUBLIC& ek) {
  const TPM2B_DIGEST& digest = ek.authPolicy;
  const Bytes policy(digest.buffer, digest.buffer + digest.size);
  if (HasTemplates(ek.nameAlg)) {
    if (policy == PolicyA(HashAlgorithm{ek.nameAlg})) return EkPolicy::kSecret;
    if (policy == PolicyB(HashAlgorithm{ek.nameAlg})) return EkPolicy::kOr;
  }
  if ((ek.objectAttributes & TPMA_OBJECT_USERWITHAUTH) != 0) return EkPolicy::kPassword;
  return Fail(Code::kFailedPrecondition, "EK_POLICY_UNKNOWN",
              "the endorsement key asks for the policy " + Hex(policy) +
                  ", which is none of the TCG EK Credential Profile");
}

TPML_DIGEST OrBranches(TPMI_ALG_HASH name_hash) {
  const HashAlgorithm hash{name_hash};
  TPML_DIGEST branches = {};
  branches.count = 2;
  branches.digests[0] = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(PolicyA(hash));
  branches.digests[1] = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(PolicyC(hash));
  return branches;
}

}  // namespace seaworthy::tpm
