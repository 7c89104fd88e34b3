// Evidence from a stranger. Whoever enrolled the very key in it must still not be talked into
// trust: the fuzzer has no key to sign with, so only statements of the captures may pass.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "seaworthy/verifier.h"
#include "verify/tpm_structures.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

std::set<Bytes> ReadSignedStatements() {
  std::set<Bytes> statements;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TEST_DATA "/captures")) {
    if (entry.path().extension() != ".msg") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    statements.emplace(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  if (statements.empty()) std::abort();
  return statements;
}

void Check(const verify::Evidence& evidence, const verify::Verdict& verdict) {
  static const std::set<Bytes> signed_statements = ReadSignedStatements();
  bool failure = false;
  for (const verify::Finding& finding : verdict.findings) {
    if (finding.code.empty() || finding.sentence.empty()) std::abort();
    failure = failure || finding.severity == verify::Severity::kFailure;
  }
  if (verdict.trusted == failure) std::abort();
  if (verdict.trusted && !signed_statements.contains(evidence.quoted)) std::abort();
  for (std::size_t i = 0; i < verdict.keys.size(); ++i) {
    if (!signed_statements.contains(evidence.keys.at(i).attested)) std::abort();
  }
  // What is trusted can be shown to another program too.
  if (verdict.trusted && !ToTpm2Tools(evidence).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto evidence = verify::ParseEvidence(ByteView(data, size));
  if (!evidence.ok()) return 0;
  // Enrolled key and nonce are the evidence's own, so that every check is reached.
  const auto name = verify::NameOf(evidence->ak_public);
  const auto attest = verify::ParseAttest(evidence->quoted);
  const Bytes nonce = attest.ok() ? attest->extra_data : Bytes(20);
  const verify::EnrolledKey ak{name.ok() ? *name : Bytes()};
  Check(*evidence, VerifyQuote(*evidence, nonce, ak));
  // With the keys in it.
  static const verify::Verifier verifier = verify::Verifier::Create({}).value();
  const verify::Verdict whole = verifier.Verify(*evidence, nonce, ak).verdict;
  Check(*evidence, whole);
  if (whole.keys.size() != (whole.trusted ? evidence->keys.size() : 0)) std::abort();
  for (const verify::ProvenKey& key : whole.keys) {
    if (!IsProven(whole, key.subject_public_key_info)) std::abort();
  }
  static_cast<void>(ToTpm2Tools(*evidence));
  return 0;
}
