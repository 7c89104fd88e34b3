// What a stranger offers for its enrolment, and bytes that may be certificates. Nothing but the
// captured EK certificates may come out as trusted: the fuzzer has no CA's key.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "seaworthy/der.h"
#include "seaworthy/enrolment.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

Bytes Read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

verify::VendorCertificates ReadVendors() {
  verify::VendorCertificates vendors;
  for (const char* file : {"root.pem", "issuer.pem"}) {
    const auto read = verify::ParseCertificates(
        Read(std::filesystem::path(TEST_DATA) / "captures/tpm-vendor" / file));
    if (!read.ok()) std::abort();
    vendors.insert(vendors.end(), read->begin(), read->end());
  }
  return vendors;
}

std::set<Bytes> ReadCertified() {
  std::set<Bytes> certificates;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TEST_DATA "/captures")) {
    if (entry.path().filename() == "ek.cert.der") certificates.insert(Read(entry.path()));
  }
  if (certificates.empty()) std::abort();
  return certificates;
}

void FuzzOffer(ByteView bytes) {
  static const verify::VendorCertificates vendors = ReadVendors();
  static const std::set<Bytes> certified = ReadCertified();
  const auto offer = verify::ParseEndorsement(bytes);
  if (!offer.ok()) return;
  // In the lifetime of the captured certificates.
  const std::chrono::system_clock::time_point time{std::chrono::seconds(1'900'000'000)};
  const verify::EndorsementVerdict verdict = verify::VerifyEndorsement(*offer, vendors, time);
  bool failure = false;
  for (const verify::Finding& finding : verdict.findings) {
    if (finding.code.empty() || finding.sentence.empty()) std::abort();
    failure = failure || finding.severity == verify::Severity::kFailure;
  }
  if (verdict.trusted == failure) std::abort();
  const auto credential =
      verify::MakeCredential(verdict.ek_public, verdict.ak.name, Bytes(16, 0x07));
  if (!verdict.trusted) return;
  if (!credential.ok()) std::abort();
  for (const verify::EndorsementKey& key : offer->keys) {
    if (key.public_area != verdict.ek_public) continue;
    const std::vector<Bytes> parts = seaworthy::SplitSequences(key.certificate);
    if (parts.size() == 1 && certified.contains(parts[0])) return;
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  FuzzOffer(bytes);
  static_cast<void>(verify::ParseCertificates(bytes));
  // What is split off is there, and nothing that is no padding is lost.
  std::size_t taken = 0;
  for (const Bytes& part : seaworthy::SplitSequences(bytes)) taken += part.size();
  if (taken > size) std::abort();
  for (const std::uint8_t byte : bytes.subspan(taken)) {
    if (byte != 0x00 && byte != 0xff) std::abort();
  }
  return 0;
}
