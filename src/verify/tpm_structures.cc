#include "verify/tpm_structures.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <utility>

#include "seaworthy/status_macros.h"
#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

Status Malformed(std::string_view type, std::string_view what) {
  return Fail(Code::kInvalidArgument, "MALFORMED", std::string(type) + " " + std::string(what));
}

template <class T>
using Unmarshaller = TSS2_RC (*)(const std::uint8_t*, std::size_t, std::size_t*, T*);

// tss2-mu reads into a structure whose size bounds that of its marshalled form.
template <class T>
Status Unmarshal(ByteView bytes, Unmarshaller<T> unmarshal, std::string_view type, T& structure) {
  if (bytes.empty()) return Malformed(type, "is empty");
  if (bytes.size() > sizeof(T)) {
    return Malformed(type, "is too long: " + std::to_string(bytes.size()) + " bytes");
  }
  structure = {};
  std::size_t used = 0;
  if (unmarshal(bytes.data(), bytes.size(), &used, &structure) != TSS2_RC_SUCCESS) {
    return Malformed(type, "is cut short or has a value that the TPM specification does not allow");
  }
  if (used != bytes.size()) {
    return Malformed(type, "is followed by " + std::to_string(bytes.size() - used) + " bytes");
  }
  return {};
}

// For TPM2B_*, whose sizes tss2-mu has checked against their buffers.
template <class Sized, std::size_t N>
Bytes ToBytes(const Sized& sized, const BYTE (&buffer)[N]) {
  return {buffer, buffer + std::min<std::size_t>(sized.size, N)};
}

bool HasSchemeHash(std::uint16_t scheme) {
  return scheme == TPM2_ALG_RSASSA || scheme == TPM2_ALG_RSAPSS || scheme == TPM2_ALG_ECDSA;
}

void ReadSymmetric(const TPMT_SYM_DEF_OBJECT& symmetric, PublicArea& key) {
  key.symmetric = symmetric.algorithm;
  if (symmetric.algorithm == TPM2_ALG_NULL) return;
  key.symmetric_bits = symmetric.keyBits.sym;
  key.symmetric_mode = symmetric.mode.sym;
}

std::vector<PcrBank> ToBanks(const TPML_PCR_SELECTION& list) {
  std::vector<PcrBank> banks;
  for (std::uint32_t i = 0; i < list.count; ++i) {
    const TPMS_PCR_SELECTION& selection = list.pcrSelections[i];
    PcrBank& bank = banks.emplace_back();
    bank.bank = selection.hash;
    bank.select_size = selection.sizeofSelect;
    for (std::uint32_t pcr = 0; pcr < selection.sizeofSelect * 8U; ++pcr) {
      if ((selection.pcrSelect[pcr / 8] >> (pcr % 8) & 1) != 0) bank.indices.push_back(pcr);
    }
  }
  return banks;
}

}  // namespace

Result<PublicArea> ParsePublicArea(ByteView marshalled) {
  TPMT_PUBLIC area;
  RETURN_IF_ERROR(Unmarshal(marshalled, Tss2_MU_TPMT_PUBLIC_Unmarshal, "TPMT_PUBLIC", area));
  PublicArea key;
  key.type = area.type;
  key.name_hash = area.nameAlg;
  key.attributes = area.objectAttributes;
  if (area.type == TPM2_ALG_RSA) {
    const TPMS_RSA_PARMS& rsa = area.parameters.rsaDetail;
    key.scheme = rsa.scheme.scheme;
    if (HasSchemeHash(key.scheme)) key.scheme_hash = rsa.scheme.details.anySig.hashAlg;
    ReadSymmetric(rsa.symmetric, key);
    key.key_bits = rsa.keyBits;
    key.exponent = rsa.exponent;
    key.modulus = ToBytes(area.unique.rsa, area.unique.rsa.buffer);
  } else if (area.type == TPM2_ALG_ECC) {
    const TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
    key.scheme = ecc.scheme.scheme;
    if (HasSchemeHash(key.scheme)) key.scheme_hash = ecc.scheme.details.anySig.hashAlg;
    ReadSymmetric(ecc.symmetric, key);
    key.curve = ecc.curveID;
    key.x = ToBytes(area.unique.ecc.x, area.unique.ecc.x.buffer);
    key.y = ToBytes(area.unique.ecc.y, area.unique.ecc.y.buffer);
  } else {
    return Malformed("TPMT_PUBLIC", "is neither of an RSA nor of an ECC key");
  }
  return key;
}

Result<Bytes> NameOf(ByteView public_area) {
  ASSIGN_OR_RETURN(const PublicArea key, ParsePublicArea(public_area));
  ASSIGN_OR_RETURN(const Bytes digest, Digest(key.name_hash, public_area));
  Bytes name = {static_cast<std::uint8_t>(key.name_hash >> 8),
                static_cast<std::uint8_t>(key.name_hash & 0xff)};
  name.insert(name.end(), digest.begin(), digest.end());
  return name;
}

std::string AttributeNames(std::uint32_t attributes) {
  constexpr std::pair<std::uint32_t, std::string_view> kNames[] = {
      {TPMA_OBJECT_FIXEDTPM, "fixedTPM"},
      {TPMA_OBJECT_STCLEAR, "stClear"},
      {TPMA_OBJECT_FIXEDPARENT, "fixedParent"},
      {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin"},
      {TPMA_OBJECT_USERWITHAUTH, "userWithAuth"},
      {TPMA_OBJECT_ADMINWITHPOLICY, "adminWithPolicy"},
      {TPMA_OBJECT_NODA, "noDA"},
      {TPMA_OBJECT_ENCRYPTEDDUPLICATION, "encryptedDuplication"},
      {TPMA_OBJECT_RESTRICTED, "restricted"},
      {TPMA_OBJECT_DECRYPT, "decrypt"},
      {TPMA_OBJECT_SIGN_ENCRYPT, "sign"},
  };
  std::string names;
  for (const auto& [bit, name] : kNames) {
    if ((attributes & bit) == 0) continue;
    if (!names.empty()) names += ' ';
    names += name;
  }
  return names.empty() ? "none" : names;
}

Result<Signature> ParseSignature(ByteView marshalled) {
  TPMT_SIGNATURE parsed;
  RETURN_IF_ERROR(
      Unmarshal(marshalled, Tss2_MU_TPMT_SIGNATURE_Unmarshal, "TPMT_SIGNATURE", parsed));
  Signature signature;
  signature.scheme = parsed.sigAlg;
  if (parsed.sigAlg == TPM2_ALG_ECDSA) {
    const TPMS_SIGNATURE_ECC& ecdsa = parsed.signature.ecdsa;
    signature.hash = ecdsa.hash;
    signature.r = ToBytes(ecdsa.signatureR, ecdsa.signatureR.buffer);
    signature.s = ToBytes(ecdsa.signatureS, ecdsa.signatureS.buffer);
  } else if (parsed.sigAlg == TPM2_ALG_RSASSA || parsed.sigAlg == TPM2_ALG_RSAPSS) {
    // Both schemes have the same members (TPMS_SIGNATURE_RSA, TPM 2.0 part 2, 11.3.1).
    const TPMS_SIGNATURE_RSA& rsa = parsed.signature.rsassa;
    signature.hash = rsa.hash;
    signature.rsa = ToBytes(rsa.sig, rsa.sig.buffer);
  } else {
    return Malformed("TPMT_SIGNATURE", "is not one of ECDSA, RSASSA, RSAPSS");
  }
  return signature;
}

Result<AttestHeader> ParseAttestHeader(ByteView marshalled) {
  AttestHeader header;
  std::size_t used = 0;
  if (marshalled.empty() ||
      Tss2_MU_UINT32_Unmarshal(marshalled.data(), marshalled.size(), &used, &header.magic) !=
          TSS2_RC_SUCCESS ||
      Tss2_MU_UINT16_Unmarshal(marshalled.data(), marshalled.size(), &used, &header.type) !=
          TSS2_RC_SUCCESS) {
    return Malformed("TPMS_ATTEST", "is cut short");
  }
  return header;
}

Result<Attest> ParseAttest(ByteView marshalled) {
  TPMS_ATTEST parsed;
  RETURN_IF_ERROR(Unmarshal(marshalled, Tss2_MU_TPMS_ATTEST_Unmarshal, "TPMS_ATTEST", parsed));
  Attest attest;
  attest.header = {parsed.magic, parsed.type};
  attest.extra_data = ToBytes(parsed.extraData, parsed.extraData.buffer);
  attest.clock = {.clock_ms = parsed.clockInfo.clock,
                  .reset_count = parsed.clockInfo.resetCount,
                  .restart_count = parsed.clockInfo.restartCount,
                  .safe = parsed.clockInfo.safe == TPM2_YES,
                  .firmware_version = parsed.firmwareVersion};
  if (parsed.type == TPM2_ST_ATTEST_QUOTE) {
    const TPMS_QUOTE_INFO& quote = parsed.attested.quote;
    attest.pcrs = ToBanks(quote.pcrSelect);
    attest.pcr_digest = ToBytes(quote.pcrDigest, quote.pcrDigest.buffer);
  } else if (parsed.type == TPM2_ST_ATTEST_CERTIFY) {
    const TPM2B_NAME& name = parsed.attested.certify.name;
    attest.certified_name = ToBytes(name, name.name);
  } else {
    return Malformed("TPMS_ATTEST", "is neither a quote nor a certification");
  }
  return attest;
}

}  // namespace seaworthy::verify
