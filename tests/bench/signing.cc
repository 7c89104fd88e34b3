#include "bench/signing.h"

#include <fstream>

#include "bench/process.h"

namespace seaworthy::bench {
namespace {

constexpr char kKey[] = "ima";
constexpr std::size_t kFileSize = std::size_t{32} * 1024;

}  // namespace

Signing::Signing(const std::string& program, v1::KeyAlgorithm algorithm)
    : daemon_(program, tpm_.tcti()) {
  daemon_.Start();
  daemon_.CreateKey(kKey, algorithm);
  const v1::SignatureScheme scheme = algorithm == v1::EC_P256 ? v1::ECDSA : v1::RSASSA_PKCS1_V1_5;
  Result<integrity::FileSigner> signer = integrity::FileSigner::Create(
      daemon_.PublicKeyPem(kKey),
      [this, scheme](verify::ImaHash /*hash*/, std::span<const Bytes> digests) {
        return Result<std::vector<Bytes>>(daemon_.SignBatch(kKey, scheme, digests));
      });
  if (!signer.ok()) Give(Message(signer.status()));
  signer_ = *std::move(signer);
}

void Signing::ChangeFiles() {
  ++change_;
  for (int i = 0; i < kFiles; ++i) {
    std::ofstream file(root_ / ("program-" + std::to_string(i)), std::ios::binary);
    file << change_ << " " << i << std::string(kFileSize, '\0');
    if (!file.flush()) Give("writing a file to sign");
  }
}

void Signing::SignFiles() {
  integrity::SignatureOptions options;
  // No privilege is needed for these, and the cost is the same.
  options.user_attributes = true;
  const Result<integrity::SignProgress> signed_files = integrity::SignTree(
      root_.path().string(), {.deadline = DeadlineIn(std::chrono::minutes(5)), .failed = {}},
      *signer_, options, nullptr);
  if (!signed_files.ok()) Give(Message(signed_files.status()));
  if (signed_files->done != kFiles) Give("not every file was signed");
}

}  // namespace seaworthy::bench
