// What `verify` and `verify-key` add to the verifier library: inputs from files, and the
// expectations a user has of PCRs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/v1/common.pb.h"
#include "seaworthy/verify.h"

namespace seaworthy::ctl {

// The name in what `seaworthyctl ak --out` wrote: its line "TPM name: HEX".
Result<verify::EnrolledKey> ParseEnrolledKey(std::string_view text);

// `verdict` with a finding for each expected value: PCR_AS_EXPECTED, PCR_UNEXPECTED, or
verify::Verdict ExpectPcrs(verify::Verdict verdict, const verify::Evidence& evidence,
                           const std::vector<v1::PcrValue>& expected);

// A key that must be among the proven ones, and the file that named it.
struct ExpectedKey {
  std::string file;
  Bytes subject_public_key_info;  // DER
};

// `verdict` with a finding for each expected key, KEY_MATCHES or KEY_NOT_CERTIFIED; as it is when
// it does not trust, for then no key is proven.
verify::Verdict ExpectKeys(verify::Verdict verdict, const std::vector<ExpectedKey>& expected);

// A verdict that does not trust, for this reason alone.
verify::Verdict Distrust(std::string_view code, std::string_view sentence);

// The SubjectPublicKeyInfo, DER, of a PEM public key.
Result<Bytes> PublicKeyOf(std::string_view pem);

// The same of a PKCS#10 request. PERMISSION_DENIED (CSR_SIGNATURE_INVALID) when the request is
// not signed by that key: then whoever made it need not have the key.
Result<Bytes> PublicKeyOfCsr(std::string_view pem);

// PEM of a SubjectPublicKeyInfo.
std::string ToPem(ByteView subject_public_key_info);

}  // namespace seaworthy::ctl
