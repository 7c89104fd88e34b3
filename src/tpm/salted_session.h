// What a SaltedSession is made of.
#pragma once

#include <optional>

#include "seaworthy/secret_bytes.h"
#include "seaworthy/tpm/salted_session.h"
#include "tpm/command.h"

namespace seaworthy::tpm {

// How a command is authorized. The session comes first and authorizes it by its policy, or second,
// beside an empty password.
struct Authorization {
  bool by_policy = false;
  // Of the entity that the policy gives access to, and whether the policy asks for it.
  ByteView auth_value = {};
  bool proves_auth_value = false;
};

// A policy session, which serves for commands with another authorization as well.
class SaltedSession::State {
 public:
  explicit State(Context& context) : context_(context) {}

  Context& context() { return context_; }

  // The session with nothing in its policy yet, for the functions that add to it.
  Result<ESYS_TR> EmptyPolicy();

  // A command whose response has one parameter, of a TPM2B type: in `answer`, decrypted. The
  // return code is for Context::Check.
  Result<TSS2_RC> Run(const Command& command, const Authorization& how, Afterwards afterwards,
                      SecretBytes& answer);

 private:
  Status Begin();
  // `key` is what the HMAC is made with.
  Result<TPMS_AUTH_COMMAND> Sign(const Command& command, ByteView key, Afterwards afterwards);
  Result<bool> Signed(const TPMS_AUTH_RESPONSE& auth, TPM2_CC code, const Bytes& parameters,
                      ByteView key) const;
  Result<SecretBytes> Decrypt(ByteView encrypted, ByteView key) const;
  void End();

  Context& context_;
  std::optional<Handle> session_;
  TPM2_HANDLE handle_ = 0;
  SecretBytes key_;
  TPM2B_NONCE ours_ = {};
  TPM2B_NONCE theirs_ = {};
  bool policy_is_empty_ = false;
};

}  // namespace seaworthy::tpm
