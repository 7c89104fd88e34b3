// One session for several things that are asked of the TPM in confidence. To begin one costs the
// TPM more than all that is asked in it.
#pragma once

#include <memory>

#include "seaworthy/tpm/broker.h"

namespace seaworthy::tpm {

// Salted to the storage root key, so that only the TPM that this node is pinned to can follow it:
// what the TPM answers in it is encrypted, and nobody on the bus can change it, or answer with what
// was true once. Begun when it is first needed, flushed when it goes; within a turn.
class SaltedSession {
 public:
  explicit SaltedSession(Context& context);
  ~SaltedSession();
  SaltedSession(const SaltedSession&) = delete;
  SaltedSession& operator=(const SaltedSession&) = delete;

  class State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// What is to become of the session after a command: one that the TPM is told to be the last saves a
// command that flushes.
enum class Afterwards { kContinue, kEnd };

}  // namespace seaworthy::tpm
