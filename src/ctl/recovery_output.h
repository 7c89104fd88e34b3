// Where a new recovery key goes, which the daemon tells once: to a person's terminal, into a file,
// or encrypted to certificates. Whether it can go there is seen to before it is made.
#pragma once

#include <string>
#include <vector>

#include "ctl/session.h"
#include "seaworthy/handle.h"

namespace seaworthy::ctl {

struct RecoveryOptions {
  std::vector<std::string> certificates;
  std::string file;
};

class RecoveryOutput {
 public:
  RecoveryOutput(Session& session, const RecoveryOptions& options)
      : session_(session), options_(options) {}
  ~RecoveryOutput();
  RecoveryOutput(const RecoveryOutput&) = delete;
  RecoveryOutput& operator=(const RecoveryOutput&) = delete;

  // Reads the certificates into `certificates_pem` and makes the file, which must not be there yet:
  // it may hold the recovery key of another volume.
  Outcome Prepare(std::string& certificates_pem);

  // What the daemon told, one of the two or none. What is in the file is taken out of the strings;
  // the key is for standard error, so that it gets into no file by accident, and in JSON it stays.
  Outcome Deliver(std::string& recovery_key, std::string& cms_pem);

 private:
  Status WriteFile(std::string_view text, std::string_view end);
  void Show(std::string_view recovery_key);

  Session& session_;
  const RecoveryOptions& options_;
  UniqueFd file_;
  bool written_ = false;
};

}  // namespace seaworthy::ctl
