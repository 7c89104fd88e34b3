#include "ctl/file_key.h"

#include "ctl/arguments.h"
#include "seaworthy/v1/key.grpc.pb.h"

namespace seaworthy::ctl {

Outcome GetKey(Session& session, const std::string& name, v1::Key& key) {
  v1::GetKeyRequest request;
  request.set_name(name);
  return session.client().Call(&v1::KeyService::Stub::GetKey, request, key);
}

std::string PemOf(const v1::Key& key) {
  const std::string& certificate = key.certificate_chain_pem();
  return certificate.empty() ? key.public_key_pem() : certificate;
}

Result<std::vector<Bytes>> SignDigests(Session& session, const v1::Key& key, verify::ImaHash hash,
                                       std::span<const Bytes> digests) {
  const bool rsa = key.algorithm() == v1::RSA_2048 || key.algorithm() == v1::RSA_3072;
  v1::SignBatchRequest request;
  request.set_name(key.name());
  request.set_hash(ParseHash(verify::ToString(hash)));
  request.set_scheme(rsa ? v1::RSASSA_PKCS1_V1_5 : v1::ECDSA);
  for (const Bytes& digest : digests) request.add_digests(digest.data(), digest.size());
  v1::SignBatchResponse response;
  const Outcome outcome =
      session.client().Call(&v1::KeyService::Stub::SignBatch, request, response);
  if (!outcome.ok()) return outcome.status;
  std::vector<Bytes> signatures;
  for (const std::string& signature : response.signatures()) {
    signatures.emplace_back(signature.begin(), signature.end());
  }
  return signatures;
}

}  // namespace seaworthy::ctl
