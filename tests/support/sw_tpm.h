// A real software TPM (swtpm) of its own for each fixture, on a Unix socket, fresh state.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/temp_root.h"

namespace seaworthy::testing {

class SwTpm {
 public:
  enum class Maker {
    kNone,      // no certificate, no persistent key
    kCertifies  // swtpm_setup: an RSA-2048 (L-1) and a P-384 (H-3) endorsement key, persistent,
                // each with a certificate in NV
  };

  // Starts it; aborts the test program when swtpm is not there.
  explicit SwTpm(Maker maker = Maker::kNone);
  ~SwTpm();
  SwTpm(const SwTpm&) = delete;
  SwTpm& operator=(const SwTpm&) = delete;

  // "swtpm:path=..."
  std::string tcti() const;

  // Of a maker that certifies: PEM certificates of its root and its intermediate CA.
  std::string ca_folder() const { return root_ / "ca"; }

  void Kill();         // SIGKILL: connections break, the state folder stays
  void Start();        // again, with the same state
  void Replace();      // Kill, forget the state, Start: another TPM by the same maker
  void Pause() const;  // SIGSTOP: accepts nothing and answers nothing
  void Resume() const;

  pid_t pid() const { return pid_; }

 private:
  void Manufacture();

  TempRoot root_;
  const Maker maker_;
  pid_t pid_ = -1;
};

}  // namespace seaworthy::testing
