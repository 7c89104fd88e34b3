// A boot log from a stranger. The first byte says whether events keep their digests or get those
// over their data, which no fuzzer finds and a statement needs.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

#include "seaworthy/boot_log.h"
#include "verify/digest.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

void Require(bool holds) {
  if (!holds) std::abort();
}

void RequireOneLine(const std::string& text) {
  Require(std::ranges::none_of(text, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }));
}

void RequireSentence(const std::string& text) {
  Require(!text.empty());
  RequireOneLine(text);
}

void MeasureData(verify::BootLog& log) {
  for (verify::BootEvent& event : log.events) {
    for (auto& [bank, digest] : event.digests) {
      if (const EVP_MD* hash = verify::PcrBankHash(bank)) {
        EVP_Digest(event.data.data(), event.data.size(), digest.data(), nullptr, hash, nullptr);
      }
    }
  }
}

void CheckEvents(const verify::BootLog& log) {
  std::size_t number = 0;
  for (const verify::BootEvent& event : log.events) {
    Require(event.number == ++number);
    const verify::DecodedBootEvent decoded = DecodeBootEvent(event);
    RequireSentence(decoded.type_name);
    RequireSentence(decoded.sentence);
  }
}

void CheckFacts(const verify::BootLog& log, std::uint16_t bank) {
  const verify::BootFacts facts = AnalyseBootLog(log, bank);
  RequireSentence(facts.secure_boot.sentence);
  RequireSentence(facts.verified_boot.sentence);
  RequireSentence(facts.all_authorities.sentence);
  for (const std::string& note : facts.notes) RequireSentence(note);
  for (const verify::BootCommandLine& line : facts.command_lines) {
    RequireOneLine(line.text.value_or(""));
    IsCommandLine(line, bank, line.text.value_or(""));
  }
  if (facts.verified_boot.answer != verify::Answer::kYes) return;
  Require(facts.secure_boot.answer == verify::Answer::kYes);
  Require(!facts.authorities.empty() && !facts.images.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  auto log = verify::ParseBootLog(ByteView(data + 1, size - 1));
  if (!log.ok()) {
    RequireSentence(seaworthy::Message(log.status()));
    return 0;
  }
  if ((data[0] & 1) != 0) MeasureData(*log);
  CheckEvents(*log);
  const verify::BootReplay replay = ReplayBootLog(*log);
  Require(replay.pcrs.size() == verify::kPcrCount * (log->banks.size() - replay.notes.size()));
  for (const verify::BootBank& bank : log->banks) CheckFacts(*log, bank.bank);
  return 0;
}
