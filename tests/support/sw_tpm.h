// A real software TPM (swtpm) of its own for each fixture, on a Unix socket, fresh state.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/temp_root.h"

namespace seaworthy::testing {

class SwTpm {
 public:
  // Starts it; aborts the test program when swtpm is not there.
  SwTpm();
  ~SwTpm();
  SwTpm(const SwTpm&) = delete;
  SwTpm& operator=(const SwTpm&) = delete;

  // "swtpm:path=..."
  std::string tcti() const;

  void Kill();     // SIGKILL: connections break, the state folder stays
  void Start();    // again, with the same state
  void Replace();  // Kill, forget the state, Start: another TPM
  void Pause();    // SIGSTOP: accepts nothing and answers nothing
  void Resume();

  pid_t pid() const { return pid_; }

 private:
  TempRoot root_;
  pid_t pid_ = -1;
};

}  // namespace seaworthy::testing
