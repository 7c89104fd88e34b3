// Evidence from a stranger, logs and all, judged by a policy that asks for everything and by the
// one that is learned from it: 16 bits of length, a state as the last round left it, the message.
// The fuzzer has no key to sign with, so only statements of the captures may be trusted, and a list
// in chunks must be judged as in one piece.
#include <algorithm>
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

constexpr std::size_t kChunk = 100;

void Require(bool holds) {
  if (!holds) std::abort();
}

Bytes Read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Require(stream.is_open());
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::set<Bytes> ReadSignedStatements() {
  std::set<Bytes> statements;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TEST_DATA "/captures")) {
    if (entry.path().extension() == ".msg") statements.insert(Read(entry.path()));
  }
  Require(!statements.empty());
  return statements;
}

verify::Verifier MakeStrictVerifier() {
  verify::Policy policy;
  policy.pcrs[{0x000b, 7}] = {Bytes(32)};
  policy.pcrs[{0x000b, 11}] = {Bytes(32), Bytes(32, 0x11)};
  policy.boot = {.required = true,
                 .secure_boot = true,
                 .verified_boot = true,
                 .command_lines = {"quiet"},
                 .images = {Bytes(32)},
                 .authorities = {Bytes(32)}};
  policy.ima.required = true;
  policy.ima.files["/bin/busybox"] = {{"sha256", Bytes(32)}};
  policy.ima.exclude = {"/m/*", "/usr/bin/sleep"};
  const Bytes key = Read(TEST_DATA "/captures/swtpm-ecdsa-p256/ak.pub.pem");
  policy.ima.keys = {std::string(seaworthy::AsText(key))};
  policy.ima.violations = verify::Judge::kTell;
  return verify::Verifier::Create(std::move(policy)).value();
}

// What the fuzzed evidence is judged beside.
struct Claim {
  verify::Evidence evidence;
  // The evidence's own, so that every check is reached.
  Bytes nonce;
  verify::EnrolledKey ak;
  std::optional<verify::NodeState> previous;
};

void CheckVerdict(const Claim& claim, const verify::Verdict& verdict) {
  static const std::set<Bytes> signed_statements = ReadSignedStatements();
  bool failure = false;
  for (const verify::Finding& finding : verdict.findings) {
    Require(!finding.code.empty() && !finding.sentence.empty());
    failure = failure || finding.severity == verify::Severity::kFailure;
  }
  Require(verdict.trusted != failure);
  Require(!verdict.trusted || signed_statements.contains(claim.evidence.quoted));
}

std::vector<std::string> Sentences(const verify::Verdict& verdict) {
  std::vector<std::string> sentences;
  for (const verify::Finding& finding : verdict.findings) sentences.push_back(finding.sentence);
  return sentences;
}

verify::Judgement JudgeInChunks(const verify::Verifier& verifier, Claim claim) {
  const Bytes list = std::move(claim.evidence.ima_list);
  claim.evidence.ima_list.clear();
  verify::Round round = verifier.Begin(claim.evidence, claim.nonce, claim.ak, claim.previous);
  for (std::size_t at = 0; at < list.size(); at += kChunk) {
    round.AddImaList(ByteView(list).subspan(at, std::min(kChunk, list.size() - at)));
  }
  return std::move(round).Finish();
}

void Judge(const verify::Verifier& verifier, const Claim& claim, bool quote_trusted) {
  const verify::Judgement whole =
      verifier.Verify(claim.evidence, claim.nonce, claim.ak, claim.previous);
  CheckVerdict(claim, whole.verdict);
  Require(quote_trusted || !whole.verdict.trusted);
  Require(whole.state.has_value() == whole.verdict.trusted);
  if (whole.state) {
    const std::string json = ToJson(*whole.state);
    const auto again = verify::ParseNodeState(json);
    Require(again.ok() && ToJson(*again) == json);
  }
  const verify::Judgement parts = JudgeInChunks(verifier, claim);
  Require(Sentences(parts.verdict) == Sentences(whole.verdict));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const verify::Verifier strict = MakeStrictVerifier();
  if (size < 2) return 0;
  const ByteView input(data + 2, size - 2);
  const std::size_t length = static_cast<std::size_t>(data[0] << 8 | data[1]);
  const ByteView json = input.first(std::min(length, input.size()));
  auto evidence = verify::ParseEvidence(input.subspan(json.size()));
  if (!evidence.ok()) return 0;
  Claim claim{.evidence = *std::move(evidence), .nonce = Bytes(20), .ak = {}, .previous = {}};
  const auto name = verify::NameOf(claim.evidence.ak_public);
  if (name.ok()) claim.ak.name = *name;
  const auto attest = verify::ParseAttest(claim.evidence.quoted);
  if (attest.ok()) claim.nonce = attest->extra_data;
  auto previous = verify::ParseNodeState(seaworthy::AsText(json));
  if (previous.ok()) claim.previous = *std::move(previous);

  const verify::Verdict quote = VerifyQuote(claim.evidence, claim.nonce, claim.ak);
  CheckVerdict(claim, quote);
  Judge(strict, claim, quote.trusted);
  auto learned = LearnPolicy(claim.evidence, {0, 7, 11});
  if (!learned.ok()) return 0;
  auto verifier = verify::Verifier::Create(*std::move(learned));
  Require(verifier.ok());
  Judge(*verifier, claim, quote.trusted);
  return 0;
}
