// Commands to the TPM that do not go by ESYS. That makes an OpenSSL library of its own for each
// hash and HMAC of a session, which takes several times as long as the command.
#pragma once

#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "tpm/context.h"

namespace seaworthy::tpm {

// What a command is about: an object, NV index or session.
struct Entity {
  TPM2_HANDLE handle = 0;
  Bytes name;  // TPM 2.0 part 1, 16; not needed without a session that covers it
};

struct Command {
  TPM2_CC code = 0;
  std::vector<Entity> entities;
  Bytes parameters;
};

struct Response {
  TPM2_HANDLE handle = 0;
  Bytes parameters;
  std::vector<TPMS_AUTH_RESPONSE> auths;
};

struct ResponseForm {
  bool has_handle = false;
  std::size_t auths = 0;
};

// The response code; whatever else is no response of that form is TSS2_ESYS_RC_MALFORMED_RESPONSE.
TSS2_RC ParseResponse(ByteView bytes, const ResponseForm& form, Response& response);

// An authorization by an empty value.
TPMS_AUTH_COMMAND EmptyPassword();

// Sends it, again while the TPM says that it cannot just now. What is returned is for
// Context::Check.
TSS2_RC Send(Context& context, const Command& command, const std::vector<TPMS_AUTH_COMMAND>& auths,
             bool has_handle, Response& response);

// A transient object that ESYS does not know; flushed when it goes.
class LoadedObject {
 public:
  LoadedObject(Context& context, Entity object) : context_(&context), object_(std::move(object)) {}
  LoadedObject(LoadedObject&& other) noexcept
      : context_(std::exchange(other.context_, nullptr)), object_(std::move(other.object_)) {}
  LoadedObject& operator=(LoadedObject&&) = delete;
  ~LoadedObject();
  const Entity& get() const { return object_; }

 private:
  Context* context_;
  Entity object_;
};

}  // namespace seaworthy::tpm
