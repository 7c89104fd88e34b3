#include "seaworthy/modules/volumes/boot_state.h"

#include <algorithm>
#include <map>
#include <optional>

#include "seaworthy/base64.h"
#include "seaworthy/boot_log.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/os/boot_log_file.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kDamaged[] = "BOOT_STATE_DAMAGED";
constexpr auto kBank = tpm::HashAlgorithm::kSha256;
constexpr auto kBankId = static_cast<std::uint16_t>(kBank);
constexpr char kPcrsField[] = "sha256";
constexpr std::uint32_t kVersion = 1;
// The log in base64, and 24 digests in hex.
constexpr std::size_t kMaxFile = 2 * os::kMaxBootLogFile;

// By index, so that they come out ascending.
void ReadPcrs(const json& object, BootState& state, FirstError& error) {
  const std::string where = std::string("/") + kPcrsField;
  ObjectReader reader(object, where, error);
  std::map<std::uint32_t, Bytes> pcrs;
  for (const auto& [name, value] : object.items()) {
    std::uint64_t index = 0;
    Bytes digest;
    if (!ParseDecimal(name, verify::kPcrCount - 1, index)) {
      error.Tell(where, "has " + Quoted(name) + ", which is no PCR");
    } else if (reader.Hex(name.c_str(), digest) && digest.size() != tpm::DigestSize(kBank)) {
      reader.Tell(name.c_str(), "is not a digest of 32 bytes");
    }
    pcrs.emplace(static_cast<std::uint32_t>(index), std::move(digest));
  }
  for (auto& [index, digest] : pcrs) state.pcrs.push_back({kBankId, index, std::move(digest)});
}

// A log to compare with, where there is one.
struct ParsedLog {
  explicit ParsedLog(const Bytes& file) {
    if (file.empty()) return;
    Result<verify::BootLog> parsed = verify::ParseBootLog(file);
    if (parsed.ok()) {
      log = *std::move(parsed);
    } else {
      why_not = Message(parsed.status());
    }
  }
  const verify::BootLog* get() const { return log.has_value() ? &*log : nullptr; }

  std::optional<verify::BootLog> log;
  std::string why_not;
};

}  // namespace

Result<BootState> ReadBootState(tpm::Broker& broker, Deadline deadline,
                                const std::string& boot_log) {
  BootState state;
  const auto values = broker.Run(deadline, [](tpm::Context& context) {
    return tpm::ReadPcrs(context, {{kBank, tpm::kAllPcrs}});
  });
  if (!values.ok()) return values.status();
  for (const tpm::PcrValue& value : *values) {
    state.pcrs.push_back({kBankId, value.index, value.digest});
  }
  // Outside of the turn: the firmware's log does not grow once the system runs.
  ASSIGN_OR_RETURN(state.log, os::ReadBootLogFile(boot_log));
  return state;
}

Status WriteBootState(const Directory& directory, const std::string& name, const BootState& state) {
  if (state.log.size() > os::kMaxBootLogFile) {
    return Fail(Code::kInvalidArgument, "BOOT_STATE_TOO_LARGE",
                "the boot log has more than " + std::to_string(os::kMaxBootLogFile) + " bytes");
  }
  nlohmann::ordered_json pcrs = nlohmann::ordered_json::object();
  for (const verify::PcrValue& value : state.pcrs) {
    if (value.bank == kBankId) pcrs[std::to_string(value.index)] = Hex(value.digest);
  }
  const nlohmann::ordered_json root = {
      {"version", kVersion}, {kPcrsField, pcrs}, {"log", Base64(state.log)}};
  return directory.Replace(name, AsBytes(root.dump(2) + "\n"));
}

Result<BootState> ParseBootState(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxFile, kDamaged));
  FirstError error(kDamaged);
  ObjectReader reader(root, "", error);
  BootState state;
  std::uint32_t version = 0;
  if (reader.Number("version", version) && version != kVersion) {
    reader.Tell("version", "is not " + std::to_string(kVersion));
  }
  if (const json* pcrs = reader.Object(kPcrsField); pcrs != nullptr) ReadPcrs(*pcrs, state, error);
  if (reader.Base64("log", state.log) && state.log.size() > os::kMaxBootLogFile) {
    reader.Tell("log", "has more than " + std::to_string(os::kMaxBootLogFile) + " bytes");
  }
  RETURN_IF_ERROR(error.status());
  return state;
}

Result<BootState> ReadBootStateFile(const Directory& directory, const std::string& name) {
  ASSIGN_OR_RETURN(const Bytes file, directory.Read(name, kMaxFile));
  Result<BootState> state = ParseBootState(AsText(file));
  if (state.ok()) return state;
  return Fail(Code::kFailedPrecondition, kDamaged,
              directory.path() + "/" + name + ": " + Message(state.status()));
}

verify::PcrDifferences Compare(const BootState& sealed, const BootState& now,
                               const std::vector<std::uint32_t>& pcrs) {
  const ParsedLog before(sealed.log);
  const ParsedLog after(now.log);
  verify::PcrDifferences differences =
      verify::ComparePcrs({before.get(), sealed.pcrs}, {after.get(), now.pcrs}, kBankId, pcrs);
  for (verify::PcrDifference& difference : differences.differences) {
    if (difference.code != "NO_LOG") continue;
    for (const auto& [log, which] :
         {std::pair(&before, "log that was kept"), std::pair(&after, "log of this boot")}) {
      if (log->why_not.empty()) continue;
      difference.sentence += std::string(" The ") + which + " cannot be read: " + log->why_not;
    }
  }
  return differences;
}

std::vector<std::string> WhyDifferent(const BootState& sealed, const BootState& now,
                                      const std::vector<std::uint32_t>& pcrs, std::size_t most) {
  return verify::Sentences(Compare(sealed, now, pcrs), most);
}

bool ExplainedByLog(const verify::PcrDifferences& differences) {
  // What is left out of a PCR are events: that a log does not replay comes first and is kept.
  return std::ranges::all_of(differences.differences, [](const verify::PcrDifference& difference) {
    return difference.code != "NOT_IN_LOG" && difference.code != "NO_LOG";
  });
}

}  // namespace seaworthy::volumes
