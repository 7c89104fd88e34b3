// Secrets in tss2's hands.
#pragma once

#include <openssl/crypto.h>

#include "tpm/context.h"

namespace seaworthy::tpm {

// A structure of tss2's that has a secret in it while it lives.
template <class T>
struct Cleansed {
  T value = {};
  Cleansed() = default;
  Cleansed(const Cleansed&) = delete;
  Cleansed& operator=(const Cleansed&) = delete;
  ~Cleansed() { OPENSSL_cleanse(&value, sizeof(value)); }
};

template <class T>
void CleanseAndFree(T* answer) {
  OPENSSL_cleanse(answer, sizeof(*answer));
  Esys_Free(answer);
}
// An answer of ESYS's that is a secret.
template <class T>
using SecretAnswer = CPtr<T, CleanseAndFree<T>>;

// ESYS decrypts an answer in a buffer that lives as long as it does and on the stack, and the
// secret would stay there until a longer answer comes. To be called right after the command.
void CleanseAnswer(Context& context);

// ESYS keeps what TPM2_Create was given. It takes the next in its place before it looks at the
// handle, so that a call which gets no further, and sends nothing, cleanses the last.
void CleanseSensitive(Context& context);

}  // namespace seaworthy::tpm
