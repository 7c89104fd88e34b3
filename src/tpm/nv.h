// NV indices.
#pragma once

#include <utility>
#include <vector>

#include "tpm/context.h"

namespace seaworthy::tpm {

// ESYS's own note of an index; nothing in the TPM goes with it.
class NvIndex {
 public:
  NvIndex(Context& context, ESYS_TR handle) : context_(&context), handle_(handle) {}
  NvIndex(NvIndex&& other) noexcept
      : context_(other.context_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}
  NvIndex& operator=(NvIndex&&) = delete;
  ~NvIndex() {
    if (handle_ != ESYS_TR_NONE) Esys_TR_Close(context_->esys(), &handle_);
  }
  ESYS_TR get() const { return handle_; }

 private:
  Context* context_;
  ESYS_TR handle_;
};

// The handles from `first` to `last` that exist: NV indices or persistent objects.
Result<std::vector<TPM2_HANDLE>> ListHandles(Context& context, TPM2_HANDLE first, TPM2_HANDLE last);

// The content of an index that can be read with an empty authorization, its own or the owner's.
// FAILED_PRECONDITION: EK_NV_TOO_LARGE beyond `cap` bytes, EK_NV_UNREADABLE when it is not
// written, locked, wants another authorization, or would count a wrong one as an attack.
Result<Bytes> ReadNv(Context& context, TPM2_HANDLE index, std::size_t cap);

}  // namespace seaworthy::tpm
