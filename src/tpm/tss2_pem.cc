#include "seaworthy/tpm/tss2_pem.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <memory>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"
#include "tpm/srk.h"

// OpenSSL's ASN.1 template macros make C: old-style casts and symbols of their own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"

namespace seaworthy::tpm {
namespace {

// TPMPolicy ::= SEQUENCE { commandCode [0] EXPLICIT INTEGER,
//                          commandPolicy [1] EXPLICIT OCTET STRING }
struct TpmPolicy {
  ASN1_INTEGER* command_code;
  ASN1_OCTET_STRING* command_policy;
};
DEFINE_STACK_OF(TpmPolicy)

// TPMKey ::= SEQUENCE { type OBJECT IDENTIFIER, emptyAuth [0] EXPLICIT BOOLEAN OPTIONAL,
//   policy [1] EXPLICIT SEQUENCE OF TPMPolicy OPTIONAL, secret [2] EXPLICIT OCTET STRING
//   OPTIONAL, parent INTEGER, pubkey OCTET STRING, privkey OCTET STRING }
struct TpmKey {
  ASN1_OBJECT* type;
  ASN1_BOOLEAN empty_auth;
  STACK_OF(TpmPolicy) * policy;
  ASN1_OCTET_STRING* secret;
  ASN1_INTEGER* parent;
  ASN1_OCTET_STRING* public_area;
  ASN1_OCTET_STRING* private_area;
};

ASN1_SEQUENCE(TpmPolicy) =
    {
        ASN1_EXP(TpmPolicy, command_code, ASN1_INTEGER, 0),
        ASN1_EXP(TpmPolicy, command_policy, ASN1_OCTET_STRING, 1),
} static_ASN1_SEQUENCE_END(TpmPolicy)

        ASN1_SEQUENCE(TpmKey) =
            {
                ASN1_SIMPLE(TpmKey, type, ASN1_OBJECT),
                ASN1_EXP_OPT(TpmKey, empty_auth, ASN1_BOOLEAN, 0),
                ASN1_EXP_SEQUENCE_OF_OPT(TpmKey, policy, TpmPolicy, 1),
                ASN1_EXP_OPT(TpmKey, secret, ASN1_OCTET_STRING, 2),
                ASN1_SIMPLE(TpmKey, parent, ASN1_INTEGER),
                ASN1_SIMPLE(TpmKey, public_area, ASN1_OCTET_STRING),
                ASN1_SIMPLE(TpmKey, private_area, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(TpmKey)

#pragma GCC diagnostic pop

                constexpr char kLabel[] = "TSS2 PRIVATE KEY";
constexpr char kLoadableKey[] = "2.23.133.10.1.3";

struct FreeTpmKey {
  void operator()(TpmKey* key) const {
    ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(key), ASN1_ITEM_rptr(TpmKey));
  }
};
using TpmKeyPtr = std::unique_ptr<TpmKey, FreeTpmKey>;

Status Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_TSS2_PEM", "TSS2 PRIVATE KEY: " + std::string(why));
}

ByteView Octets(const ASN1_OCTET_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

bool SetOctets(ASN1_OCTET_STRING* string, ByteView bytes) {
  return ASN1_OCTET_STRING_set(string, bytes.data(), static_cast<int>(bytes.size())) == 1;
}

// draft-bottomley-tpm2-keys, 4.1: the command's parameters as they are on the wire, which for
// TPM2_PolicyPCR are pcrDigest and pcrs.
Bytes PolicyParameters(const PcrPolicy& policy) {
  Bytes parameters = Marshal<Tss2_MU_TPM2B_DIGEST_Marshal>(
      ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(policy.pcr_digest));
  const Bytes selection = Marshal<Tss2_MU_TPML_PCR_SELECTION_Marshal>(ToTss({policy.selection}));
  parameters.insert(parameters.end(), selection.begin(), selection.end());
  return parameters;
}

Result<PcrPolicy> ParsePolicy(const STACK_OF(TpmPolicy) * policies) {
  if (sk_TpmPolicy_num(policies) != 1) return Invalid("policy: has not exactly one command");
  const TpmPolicy* command = sk_TpmPolicy_value(policies, 0);
  std::int64_t code = 0;
  if (ASN1_INTEGER_get_int64(&code, command->command_code) != 1 || code != TPM2_CC_PolicyPCR) {
    return Invalid("policy: is another than TPM2_PolicyPCR");
  }
  const ByteView parameters = Octets(command->command_policy);
  TPM2B_DIGEST digest = {};
  TPML_PCR_SELECTION selection = {};
  std::size_t used = 0;
  if (Tss2_MU_TPM2B_DIGEST_Unmarshal(parameters.data(), parameters.size(), &used, &digest) != 0 ||
      Tss2_MU_TPML_PCR_SELECTION_Unmarshal(parameters.data(), parameters.size(), &used,
                                           &selection) != 0 ||
      used != parameters.size() || selection.count != 1 || digest.size != 32) {
    return Invalid("policy: its parameters are not a SHA-256 digest and one PCR selection");
  }
  const TPMS_PCR_SELECTION& bank = selection.pcrSelections[0];
  PcrPolicy policy;
  policy.selection.bank = HashAlgorithm{bank.hash};
  if (DigestSize(policy.selection.bank) == 0 || bank.sizeofSelect != kPcrCount / 8) {
    return Invalid("policy: its PCR bank is unknown");
  }
  for (std::uint32_t octet = 0; octet < bank.sizeofSelect; ++octet) {
    policy.selection.mask |= std::uint32_t{bank.pcrSelect[octet]} << (8 * octet);
  }
  policy.pcr_digest.assign(digest.buffer, digest.buffer + digest.size);
  return policy;
}

Result<TpmKeyPtr> Decode(std::string_view pem) {
  if (pem.size() > kMaxTss2Pem) return Invalid("is larger than any TPM key");
  const CPtr<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_bytes_read_bio(&der, &size, nullptr, kLabel, bio.get(), nullptr, nullptr) != 1) {
    ERR_clear_error();
    return Invalid("no such PEM block");
  }
  const std::unique_ptr<unsigned char, CDelete<[](unsigned char* p) { OPENSSL_free(p); }>> owner(
      der);
  const unsigned char* at = der;
  TpmKeyPtr key(
      reinterpret_cast<TpmKey*>(ASN1_item_d2i(nullptr, &at, size, ASN1_ITEM_rptr(TpmKey))));
  ERR_clear_error();
  if (key == nullptr || at != der + size) return Invalid("the content is not a TPMKey in DER");
  return key;
}

Status CheckFrame(const TpmKey& key) {
  char type[64] = {};
  OBJ_obj2txt(type, sizeof(type), key.type, 1);
  if (std::string_view(type) != kLoadableKey) {
    return Invalid("type: " + std::string(type) + " is not a loadable key");
  }
  // -1 when absent, which means that there is an auth value.
  if (key.empty_auth <= 0) return Invalid("emptyAuth: keys with an auth value are not used here");
  if (key.secret != nullptr) return Invalid("secret: importable keys are not used here");
  // Older writers take the handle for a signed number.
  std::int64_t parent = 0;
  if (ASN1_INTEGER_get_int64(&parent, key.parent) != 1) return Invalid("parent: out of range");
  const auto handle = static_cast<std::uint32_t>(parent & 0xffffffff);
  if (parent < INT32_MIN || parent > UINT32_MAX ||
      (handle != 0 && handle != TPM2_RH_OWNER && handle != kSrkHandle)) {
    return Invalid("parent: is not the owner's storage root key");
  }
  return {};
}

}  // namespace

std::string ToTss2Pem(const WrappedKey& key) {
  const TpmKeyPtr encoded(reinterpret_cast<TpmKey*>(ASN1_item_new(ASN1_ITEM_rptr(TpmKey))));
  if (encoded == nullptr) return {};
  ASN1_OBJECT_free(encoded->type);
  encoded->type = OBJ_txt2obj(kLoadableKey, 1);
  encoded->empty_auth = 0xff;
  bool ok = ASN1_INTEGER_set_uint64(encoded->parent, kSrkHandle) == 1 &&
            SetOctets(encoded->public_area, key.public_area) &&
            SetOctets(encoded->private_area, key.private_area);
  if (key.policy.has_value()) {
    encoded->policy = sk_TpmPolicy_new_null();
    auto* command = reinterpret_cast<TpmPolicy*>(ASN1_item_new(ASN1_ITEM_rptr(TpmPolicy)));
    ok = ok && command != nullptr &&
         ASN1_INTEGER_set_uint64(command->command_code, TPM2_CC_PolicyPCR) == 1 &&
         SetOctets(command->command_policy, PolicyParameters(*key.policy)) &&
         sk_TpmPolicy_push(encoded->policy, command) == 1;
  }
  unsigned char* der = nullptr;
  const int size = ok ? ASN1_item_i2d(reinterpret_cast<const ASN1_VALUE*>(encoded.get()), &der,
                                      ASN1_ITEM_rptr(TpmKey))
                      : -1;
  if (size <= 0) return {};
  const CPtr<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), kLabel, "", der, size);
  OPENSSL_free(der);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

Result<WrappedKey> ParseTss2Pem(std::string_view pem) {
  ASSIGN_OR_RETURN(const TpmKeyPtr decoded, Decode(pem));
  RETURN_IF_ERROR(CheckFrame(*decoded));
  const ByteView public_area = Octets(decoded->public_area);
  const ByteView private_area = Octets(decoded->private_area);
  WrappedKey key;
  key.public_area.assign(public_area.begin(), public_area.end());
  key.private_area.assign(private_area.begin(), private_area.end());
  const Result<TPM2B_PUBLIC> parsed = ParsePublic(key.public_area);
  if (!parsed.ok()) return Invalid("pubkey: " + Message(parsed.status()));
  if (Status status = ParsePrivate(key.private_area).status(); !status.ok()) {
    return Invalid("privkey: " + Message(status));
  }
  const TPM2B_DIGEST& auth_policy = parsed->publicArea.authPolicy;
  const Bytes expected(auth_policy.buffer, auth_policy.buffer + auth_policy.size);
  Bytes described;
  if (decoded->policy != nullptr) {
    ASSIGN_OR_RETURN(key.policy, ParsePolicy(decoded->policy));
    described = PcrPolicyDigest(*key.policy);
  }
  if (described != expected) {
    return Invalid("policy: is not the one that the key's public area asks for");
  }
  return key;
}

}  // namespace seaworthy::tpm
