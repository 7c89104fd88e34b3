// One open connection to the TPM. Used by one thread at a time, the one whose turn it is.
#pragma once

#include <tss2/tss2_esys.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/status.h"
#include "seaworthy/tpm/types.h"
#include "tpm/deadline_tcti.h"

namespace seaworthy::tpm {

// Memory that ESYS allocated for an answer.
template <class T>
using EsysPtr = CPtr<T, Esys_Free>;

class Context;

// A transient object or session; flushed when it goes.
class Handle {
 public:
  Handle(Context& context, ESYS_TR handle) : context_(&context), handle_(handle) {}
  Handle(Handle&& other) noexcept : context_(other.context_), handle_(other.Release()) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle();
  ESYS_TR get() const { return handle_; }
  // Gives up the duty to flush.
  ESYS_TR Release() { return std::exchange(handle_, ESYS_TR_NONE); }

 private:
  Context* context_;
  ESYS_TR handle_;
};

class Context {
 public:
  // Connects and starts the TPM up. `tcti` as tss2 writes it.
  static Result<std::unique_ptr<Context>> Open(const std::string& tcti, Deadline deadline);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ESYS_CONTEXT* esys() { return esys_; }
  // For command.h.
  TSS2_TCTI_CONTEXT* tcti() { return tcti_->get(); }
  void set_deadline(Deadline deadline) { tcti_->set_deadline(deadline); }

  // Every ESYS call's return code passes here: mapped once, and remembered when it leaves the
  // connection unusable.
  Status Check(TSS2_RC rc, std::string_view command);
  bool broken() const { return broken_; }

  // The storage root key, once srk.h has found it.
  ESYS_TR srk() const { return srk_; }
  const Bytes& srk_name() const { return srk_name_; }
  const TPMT_PUBLIC& srk_public() const { return srk_public_; }
  void set_srk(ESYS_TR srk, Bytes name, const TPMT_PUBLIC& area) {
    srk_ = srk;
    srk_name_ = std::move(name);
    srk_public_ = area;
  }

  // Loads the key and keeps it loaded until another is asked for: most calls use the key that
  // the call before used, and a load costs as much as a signature (docs/adr/0004).
  Result<ESYS_TR> LoadKept(const WrappedKey& key);
  // The PCR values that MakeQuote read last. They are worth what a quoted digest over them says.
  struct KnownPcrs {
    std::vector<PcrSelection> selections;
    std::vector<PcrValue> values;
  };
  KnownPcrs& known_pcrs() { return known_pcrs_; }

  // Loads the key for as long as the handle lives.
  Result<Handle> Load(const WrappedKey& key);

 private:
  struct Kept {
    Bytes private_area;
    ESYS_TR handle;
  };

  Context() = default;
  // A resource manager shows each connection its own objects alone. On a bare TPM there are
  // those of a daemon that was killed, and the slots are few.
  Status FlushLeftovers();
  void FlushKept();

  std::unique_ptr<DeadlineTcti> tcti_;
  ESYS_CONTEXT* esys_ = nullptr;
  bool broken_ = false;
  ESYS_TR srk_ = ESYS_TR_NONE;
  Bytes srk_name_;
  TPMT_PUBLIC srk_public_ = {};
  std::optional<Kept> kept_;
  KnownPcrs known_pcrs_;
};

}  // namespace seaworthy::tpm
