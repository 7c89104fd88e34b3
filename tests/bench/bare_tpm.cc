#include "bench/bare_tpm.h"

#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <cstdlib>

#include "bench/process.h"

namespace seaworthy::bench {
namespace {

constexpr TPMA_OBJECT kSigns = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                               TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                               TPMA_OBJECT_SIGN_ENCRYPT;

void Check(TSS2_RC rc, const char* what) {
  if (rc == TSS2_RC_SUCCESS) return;
  char code[16];
  std::snprintf(code, sizeof(code), "0x%x", rc);
  Give(std::string(what) + ": " + code);
}

}  // namespace

BareTpm::BareTpm(const std::string& tcti) {
  Check(Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_), "opening the TPM");
  Check(Esys_Initialize(&esys_, tcti_, nullptr), "opening the TPM");
  key_ = MakeKey(false);
  ak_ = MakeKey(true);
}

BareTpm::~BareTpm() {
  Esys_FlushContext(esys_, key_);
  Esys_FlushContext(esys_, ak_);
  if (rsa_key_ != ESYS_TR_NONE) Esys_FlushContext(esys_, rsa_key_);
  Esys_Finalize(&esys_);
  Tss2_TctiLdr_Finalize(&tcti_);
}

ESYS_TR BareTpm::MakeKey(bool restricted) {
  TPM2B_PUBLIC in_public = {};
  TPMT_PUBLIC& area = in_public.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kSigns | (restricted ? TPMA_OBJECT_RESTRICTED : 0);
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = restricted ? TPM2_ALG_ECDSA : TPM2_ALG_NULL;
  ecc.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return MakeKey(in_public);
}

ESYS_TR BareTpm::MakeKey(const TPM2B_PUBLIC& public_area) {
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION no_pcrs = {};
  ESYS_TR key = ESYS_TR_NONE;
  Check(Esys_CreatePrimary(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &public_area, &outside, &no_pcrs, &key, nullptr, nullptr,
                           nullptr, nullptr),
        "making a key");
  return key;
}

void BareTpm::Sign() { Sign(key_, TPM2_ALG_ECDSA); }

void BareTpm::SignByRsa() {
  if (rsa_key_ == ESYS_TR_NONE) {
    TPM2B_PUBLIC in_public = {};
    TPMT_PUBLIC& area = in_public.publicArea;
    area.type = TPM2_ALG_RSA;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = kSigns;
    TPMS_RSA_PARMS& rsa = area.parameters.rsaDetail;
    rsa.symmetric.algorithm = TPM2_ALG_NULL;
    rsa.scheme.scheme = TPM2_ALG_NULL;
    rsa.keyBits = 2048;
    rsa_key_ = MakeKey(in_public);
  }
  Sign(rsa_key_, TPM2_ALG_RSASSA);
}

void BareTpm::Sign(ESYS_TR key, TPMI_ALG_SIG_SCHEME algorithm) {
  TPM2B_DIGEST digest = {};
  digest.size = TPM2_SHA256_DIGEST_SIZE;
  TPMT_SIG_SCHEME scheme = {};
  scheme.scheme = algorithm;
  scheme.details.any.hashAlg = TPM2_ALG_SHA256;
  TPMT_TK_HASHCHECK ticket = {};
  ticket.tag = TPM2_ST_HASHCHECK;
  ticket.hierarchy = TPM2_RH_NULL;
  TPMT_SIGNATURE* signature = nullptr;
  Check(Esys_Sign(esys_, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme,
                  &ticket, &signature),
        "TPM2_Sign");
  Esys_Free(signature);
}

void BareTpm::Quote() {
  TPM2B_DATA nonce = {};
  nonce.size = 32;
  TPMT_SIG_SCHEME scheme = {};
  scheme.scheme = TPM2_ALG_NULL;
  TPML_PCR_SELECTION pcrs = {};
  pcrs.count = 1;
  pcrs.pcrSelections[0] = {TPM2_ALG_SHA256, 3, {0xff, 0xff, 0xff}};
  TPM2B_ATTEST* quoted = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  Check(Esys_Quote(esys_, ak_, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nonce, &scheme, &pcrs,
                   &quoted, &signature),
        "TPM2_Quote");
  Esys_Free(quoted);
  Esys_Free(signature);
}

void BareTpm::ExtendPcr10(ByteView sha256) {
  TPML_DIGEST_VALUES digests = {};
  digests.count = 1;
  digests.digests[0].hashAlg = TPM2_ALG_SHA256;
  std::ranges::copy(sha256, digests.digests[0].digest.sha256);
  Check(
      Esys_PCR_Extend(esys_, ESYS_TR_PCR10, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digests),
      "TPM2_PCR_Extend");
}

}  // namespace seaworthy::bench
