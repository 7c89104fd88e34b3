// The floor: ESYS commands alone, on loaded keys, with nothing of ours between.
#pragma once

#include <tss2/tss2_esys.h>

#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::bench {

// Ends the program when the TPM does not do as told: a benchmark has nothing to fall back on.
class BareTpm {
 public:
  explicit BareTpm(const std::string& tcti);
  ~BareTpm();
  BareTpm(const BareTpm&) = delete;
  BareTpm& operator=(const BareTpm&) = delete;

  // TPM2_Sign by a P-256 key, password authorization.
  void Sign();
  // The same by an RSA-2048 key, PKCS#1 v1.5; the key is made at the first call.
  void SignByRsa();
  // TPM2_Quote over the 24 PCRs of the SHA-256 bank by a restricted P-256 key.
  void Quote();
  // TPM2_PCR_Extend of the SHA-256 bank.
  void ExtendPcr10(ByteView sha256);

 private:
  ESYS_TR MakeKey(bool restricted);
  ESYS_TR MakeKey(const TPM2B_PUBLIC& public_area);
  void Sign(ESYS_TR key, TPMI_ALG_SIG_SCHEME algorithm);

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
  ESYS_TR key_ = ESYS_TR_NONE;
  ESYS_TR ak_ = ESYS_TR_NONE;
  ESYS_TR rsa_key_ = ESYS_TR_NONE;
};

}  // namespace seaworthy::bench
