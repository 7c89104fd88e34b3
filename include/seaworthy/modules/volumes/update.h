// What PCRs will be at the boot after an update, so that a volume can be sealed to it ahead.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "seaworthy/modules/volumes/boot_state.h"
#include "seaworthy/pcr_prediction.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::volumes {

// Of all files of one update, which are in memory at once.
inline constexpr std::size_t kMaxUpdateBytes = std::size_t{256} << 20;
inline constexpr std::size_t kMaxUpdateChanges = 64;

// See verify::FileChange for which files these are.
struct UpdatedFile {
  std::string path_in_log;  // "\EFI\BOOT\BOOTX64.EFI"; may be empty where `before` is not
  std::string before;       // a file of this node; empty: it is not there any more
  std::string after;
};

// Of Secure Boot; see verify::VariableChange.
struct UpdatedVariable {
  std::string name;  // "dbx"
  // With the value alone: without the four bytes of attributes that a file of efivarfs begins
  // with, and without the signature that an update of a variable (".auth") has before it.
  std::string file;
};

struct Update {
  std::vector<UpdatedFile> files = {};
  std::optional<verify::CommandLineChange> command_line = std::nullopt;
  std::vector<UpdatedVariable> variables = {};
  std::vector<verify::DigestChange> digests = {};
};

struct PredictedPcrs {
  tpm::PcrPolicy policy;              // to seal to
  std::vector<tpm::PcrValue> values;  // that it is made of, ascending
};

// What the selected PCRs will be when `update` is in place and systemd-pcrphase has extended
// `phases` (verify::PcrForecast). An update without changes is the next boot of what is there.
// Files are regular ones; errors about them name the file: NOT_FOUND, FAILED_PRECONDITION
// (UNSAFE_FILE), RESOURCE_EXHAUSTED (UPDATE_TOO_LARGE). FAILED_PRECONDITION (CANNOT_PREDICT) where
// there is no log, and else as verify::PredictPcrs says, with the change that it is about;
// INVALID_ARGUMENT (BAD_SELECTION) when no PCR is selected, which would be a policy that always
// fits, and (BAD_CHANGE) for too many changes.
Result<PredictedPcrs> PredictUpdate(const BootState& now, const tpm::PcrSelection& selection,
                                    const Update& update, const std::vector<std::string>& phases);

}  // namespace seaworthy::volumes
