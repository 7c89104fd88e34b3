// What the files of a Docker installation were when an operator recorded them, under a signature,
// and what has changed since.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/integrity/file_signature.h"

namespace seaworthy::integrity {

// By name, as text: "kind"; "package" where one owns it; "type" ("file", "link", "folder", "fifo",
// "socket", "device"); "mode" in octal, "uid", "gid"; of files "size" and "digest" (SHA-256), and
// "xattr:NAME" for each extended attribute: security.* in hex up to 1 KiB, else "sha256:" and the
// digest; of links "target".
using FileAttributes = std::map<std::string, std::string>;

// Names and texts are printable ASCII, other bytes as "%XX".
struct Baseline {
  std::string recorded;  // when, and where: for people
  std::string node;
  std::vector<std::string> paths;               // what the operator added to the installation
  std::map<std::string, std::string> packages;  // version of each that owns a file
  std::map<std::string, FileAttributes> files;  // by path below the root
};

inline constexpr std::size_t kMaxBaseline = std::size_t{128} << 20;

// Looks at all files of FindDockerInstallation. The first that cannot be looked at ends it: errors
// as from there, and UNSAFE_FILE for a file of more than 16 GiB, ABORTED (FILE_CHANGED).
Result<Baseline> RecordBaseline(Deadline deadline, const std::string& root,
                                const std::vector<std::string>& more);

// INVALID_ARGUMENT (BASELINE_MALFORMED), naming the field.
Result<Baseline> ParseBaseline(std::string_view text);
std::string ToJson(const Baseline& baseline);

// The baseline as JSON, and the signature over that, in hex, in one more line of JSON. The key is
// the one of `pem`, certificate or public key; FAILED_PRECONDITION (IMA_KEY_MISMATCH) when it does
// not sign for it, RESOURCE_EXHAUSTED (BASELINE_TOO_LARGE).
Result<std::string> SignBaseline(const Baseline& baseline, const std::string& pem,
                                 const FileSigner::Sign& sign);

// Reads nothing but what the key signed: PERMISSION_DENIED (BASELINE_SIGNATURE_MISSING,
// BASELINE_SIGNATURE_INVALID).
Result<Baseline> OpenBaseline(std::string_view signed_baseline, const std::string& pem);

struct FileDrift {
  enum class Kind : std::uint8_t { kAdded, kRemoved, kChanged, kUnreadable };
  struct Change {
    std::string name;    // of the attribute
    std::string before;  // empty: it had none
    std::string after;
    bool operator==(const Change&) const = default;
  };
  std::string path;
  Kind kind = Kind::kChanged;
  FileAttributes attributes;    // now; of what was removed: before
  std::vector<Change> changes;  // of what was changed
  // "update of runc from 1.1.5 to 1.1.6", when all that changed is the content, with its IMA and
  // EVM signatures, and it is by MD5 what dpkg says of the new package; empty: nothing explains it.
  // It is the word of a database that root can edit.
  std::string explanation;
  Status why;  // it cannot be read
};
std::string_view ToString(FileDrift::Kind kind);

// In the order of the paths; empty: all is as it was. A file that cannot be looked at is drift.
Result<std::vector<FileDrift>> CompareBaseline(Deadline deadline, const std::string& root,
                                               const Baseline& baseline);

}  // namespace seaworthy::integrity
