#include "seaworthy/modules/volumes/update.h"

#include <deque>
#include <filesystem>
#include <system_error>

#include "modules/volumes/pcr_indices.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"

namespace seaworthy::volumes {
namespace {

// The files of an update, for as long as changes point into them.
class Files {
 public:
  Result<ByteView> Read(const std::string& path) {
    const std::size_t left = kMaxUpdateBytes - used_;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!error && size > left) {
      return Fail(Code::kResourceExhausted, "UPDATE_TOO_LARGE",
                  path + ": with it the files of the update have more than " +
                      std::to_string(kMaxUpdateBytes) + " bytes");
    }
    ASSIGN_OR_RETURN(Bytes content, ReadFile(path, left));
    used_ += content.size();
    return ByteView(contents_.emplace_back(std::move(content)));
  }

 private:
  std::deque<Bytes> contents_;  // whose elements stay where they are
  std::size_t used_ = 0;
};

struct NamedChange {
  std::string name;  // for messages
  verify::BootChange change;
};

Result<std::vector<NamedChange>> ReadChanges(const Update& update, Files& files) {
  std::vector<NamedChange> changes;
  for (const UpdatedFile& file : update.files) {
    verify::FileChange change;
    change.path = file.path_in_log;
    if (!file.before.empty()) {
      ASSIGN_OR_RETURN(change.before, files.Read(file.before));
    }
    ASSIGN_OR_RETURN(change.after, files.Read(file.after));
    const std::string before = file.before.empty() ? file.path_in_log : file.before;
    changes.push_back({file.after + " in place of " + before, change});
  }
  if (update.command_line.has_value()) {
    changes.push_back({"the command line", *update.command_line});
  }
  for (const UpdatedVariable& variable : update.variables) {
    ASSIGN_OR_RETURN(const ByteView value, files.Read(variable.file));
    changes.push_back({"the variable " + variable.name + " from " + variable.file,
                       verify::VariableChange{variable.name, Bytes(value.begin(), value.end())}});
  }
  for (const verify::DigestChange& digest : update.digests) {
    changes.push_back({"the digest " + Hex(digest.before), digest});
  }
  return changes;
}

// PredictPcrs says of no change which one it is about: the first that cannot be predicted alone.
Status WithCause(const Status& status, const verify::PcrForecast& forecast,
                 const std::vector<NamedChange>& changes) {
  if (!verify::PredictPcrs(forecast, {}).ok()) return status;
  for (const NamedChange& change : changes) {
    const auto alone = verify::PredictPcrs(forecast, {change.change});
    if (!alone.ok()) return Wrap(alone.status(), change.name);
  }
  return status;
}

Status CheckSelection(const tpm::PcrSelection& selection) {
  if (selection.mask != 0 && selection.mask <= tpm::kAllPcrs) return {};
  return Fail(Code::kInvalidArgument, "BAD_SELECTION", "the PCRs: are none, or beyond 23");
}

Status CheckCount(const Update& update) {
  const std::size_t count = update.files.size() + update.variables.size() + update.digests.size();
  if (count <= kMaxUpdateChanges) return {};
  return Fail(Code::kInvalidArgument, "BAD_CHANGE",
              "the update has more than " + std::to_string(kMaxUpdateChanges) + " changes");
}

Result<verify::BootLog> ParseLog(const Bytes& file) {
  const auto cannot = [](const std::string& why) {
    return Fail(Code::kFailedPrecondition, "CANNOT_PREDICT", "nothing can be predicted: " + why);
  };
  if (file.empty()) return cannot("the platform has no boot log");
  Result<verify::BootLog> log = verify::ParseBootLog(file);
  if (!log.ok()) return cannot("the boot log cannot be read: " + Message(log.status()));
  return log;
}

}  // namespace

Result<PredictedPcrs> PredictUpdate(const BootState& now, const tpm::PcrSelection& selection,
                                    const Update& update, const std::vector<std::string>& phases) {
  RETURN_IF_ERROR(CheckSelection(selection));
  RETURN_IF_ERROR(CheckCount(update));
  ASSIGN_OR_RETURN(const verify::BootLog log, ParseLog(now.log));
  Files files;
  ASSIGN_OR_RETURN(const std::vector<NamedChange> named, ReadChanges(update, files));
  std::vector<verify::BootChange> changes;
  for (const NamedChange& one : named) changes.push_back(one.change);
  const verify::PcrForecast forecast = {log, now.pcrs, static_cast<std::uint16_t>(selection.bank),
                                        Indices(selection.mask), phases};
  const auto values = verify::PredictPcrs(forecast, changes);
  if (!values.ok()) return WithCause(values.status(), forecast, named);
  PredictedPcrs predicted;
  for (const verify::PcrValue& value : *values) {
    predicted.values.push_back({selection.bank, value.index, value.digest});
  }
  predicted.policy = {selection, tpm::PcrDigest(predicted.values)};
  return predicted;
}

}  // namespace seaworthy::volumes
