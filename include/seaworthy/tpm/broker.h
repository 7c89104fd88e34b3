// The one way to the TPM. The broker owns the only ESYS context of the process; whoever needs
// the TPM takes a turn: one user at a time, first come first served, every wait bounded by a
// deadline. A turn may issue many commands; nothing else gets in between.
//
//   Result<Quote> quote = broker.Run(deadline, [&](tpm::Context& context) {
//     return tpm::MakeQuote(context, ak, nonce, selections);
//   });
//
// After a transport error the context is dropped and the next turn opens a new one; a turn is
// never repeated by the broker. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "seaworthy/deadline.h"
#include "seaworthy/directory.h"
#include "seaworthy/status.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

// An open TPM during a turn; what can be done with it is declared in key.h, quote.h and
// properties.h. Valid only inside the turn.
class Context;

class Broker {
 public:
  struct Options {
    // TCTI configuration as tss2 writes it, "device:/dev/tpmrm0". Empty: found by itself
    // (/dev/tpmrm0, then tabrmd).
    std::string tcti;
    // Where the name of the storage root key is pinned ("srk.name").
    std::string state_dir;
    // Called, inside the turn, when the TPM comes (true), goes away (false), or is away for
    // another reason than before; also when the first use finds none.
    std::function<void(bool available, const std::string& why)> on_change;
  };

  explicit Broker(Options options);
  ~Broker();

  // Runs `turn` with the TPM. Fails without running it: DEADLINE_EXCEEDED (TPM_BUSY) when the
  // turn does not come in time, UNAVAILABLE when no TPM answers, FAILED_PRECONDITION
  // (TPM_REPLACED, SRK_UNSUITABLE) when it is not the one this node was set up with. Commands
  // inside fail with DEADLINE_EXCEEDED when the TPM does not answer in time. Result: Status
  // or Result<T>.
  template <class Turn>
  auto Run(Deadline deadline, Turn&& turn) -> std::invoke_result_t<Turn, Context&> {
    Lease lease(*this, deadline);
    if (!lease.status().ok()) return lease.status();
    return std::forward<Turn>(turn)(lease.context());
  }

  // How the TPM was when last used; takes no turn. UNAVAILABLE before the first one.
  Status health() const;
  // The TCTI in use or last tried.
  std::string tcti() const;

  // Flushes what is loaded and closes. The next turn opens anew.
  void Close();

 private:
  class Lease {
   public:
    Lease(Broker& broker, Deadline deadline);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    const Status& status() const { return status_; }
    Context& context();

   private:
    Broker& broker_;
    Status status_;
    bool holds_turn_ = false;
  };

  class State;
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::tpm
