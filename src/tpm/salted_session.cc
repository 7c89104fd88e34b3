#include "tpm/salted_session.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "tpm/digest.h"
#include "tpm/kdf.h"
#include "tpm/marshal.h"
#include "tpm/salt.h"
#include "tpm/srk.h"

namespace seaworthy::tpm {
namespace {

constexpr std::size_t kAes128 = 16;  // its key, and its block

ByteView ViewOf(const TPM2B_NONCE& nonce) {
  return {nonce.buffer, std::min<std::size_t>(nonce.size, sizeof(nonce.buffer))};
}

Status Renew(TPM2B_NONCE& nonce) {
  nonce.size = kSha256Size;
  if (RAND_bytes(nonce.buffer, nonce.size) == 1) return {};
  return Fail(Code::kInternal, "OPENSSL", "RAND_bytes failed");
}

SecretBytes Concatenated(ByteView first, ByteView second) {
  SecretBytes all(first.size() + second.size());
  std::ranges::copy(first, all.data());
  std::ranges::copy(second, all.data() + first.size());
  return all;
}

// TPM 2.0 part 1, 16.7 and 16.8: what was asked, and what was answered.
Bytes CommandHash(const Command& command) {
  Bytes names;
  for (const Entity& entity : command.entities) {
    names.insert(names.end(), entity.name.begin(), entity.name.end());
  }
  return Digest(HashAlgorithm::kSha256, {Marshal(command.code), names, command.parameters});
}
Bytes ResponseHash(TPM2_CC code, const Bytes& parameters) {
  return Digest(HashAlgorithm::kSha256,
                {Marshal(std::uint32_t{TPM2_RC_SUCCESS}), Marshal(code), parameters});
}

Result<TPM2_HANDLE> StartAuthSession(Context& context, const TPM2B_ENCRYPTED_SECRET& salt,
                                     const TPM2B_NONCE& ours, TPM2B_NONCE& theirs) {
  TPMT_SYM_DEF symmetric = {};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = kAes128 * 8;
  symmetric.mode.aes = TPM2_ALG_CFB;
  Command start = {
      .code = TPM2_CC_StartAuthSession,
      .entities = {{kSrkHandle, {}}, {TPM2_RH_NULL, {}}},
      .parameters = Marshal<Tss2_MU_TPM2B_NONCE_Marshal>(ours),
  };
  for (const Bytes& more :
       {Marshal<Tss2_MU_TPM2B_ENCRYPTED_SECRET_Marshal>(salt), Bytes{TPM2_SE_POLICY},
        Marshal<Tss2_MU_TPMT_SYM_DEF_Marshal>(symmetric), Marshal(TPM2_ALG_SHA256)}) {
    start.parameters.insert(start.parameters.end(), more.begin(), more.end());
  }
  Response response;
  RETURN_IF_ERROR(context.Check(Send(context, start, {}, true, response), "TPM2_StartAuthSession"));
  if (response.handle >> TPM2_HR_SHIFT != TPM2_HT_POLICY_SESSION) {
    return context.Check(TSS2_ESYS_RC_MALFORMED_RESPONSE, "TPM2_StartAuthSession");
  }
  ASSIGN_OR_RETURN(theirs, (Unmarshal<TPM2B_NONCE, Tss2_MU_TPM2B_NONCE_Unmarshal>(
                               response.parameters, "TPM2B_NONCE")));
  return response.handle;
}

}  // namespace

SaltedSession::SaltedSession(Context& context) : state_(std::make_unique<State>(context)) {}
SaltedSession::~SaltedSession() = default;

Status SaltedSession::State::Begin() {
  ASSIGN_OR_RETURN(const Salt salt, MakeSalt(context_.srk_public()));
  RETURN_IF_ERROR(Renew(ours_));
  ASSIGN_OR_RETURN(handle_, StartAuthSession(context_, salt.encrypted, ours_, theirs_));
  // ESYS knows of the session what it needs to name it in commands that the session does not
  // authorize.
  ESYS_TR session = ESYS_TR_NONE;
  RETURN_IF_ERROR(context_.Check(Esys_TR_FromTPMPublic(context_.esys(), handle_, ESYS_TR_NONE,
                                                       ESYS_TR_NONE, ESYS_TR_NONE, &session),
                                 "name a session"));
  session_.emplace(context_, session);
  ASSIGN_OR_RETURN(key_,
                   KdfA(salt.value.view(), "ATH", ViewOf(theirs_), ViewOf(ours_), kSha256Size));
  policy_is_empty_ = true;
  return {};
}

void SaltedSession::State::End() {
  ESYS_TR ended = session_->Release();
  Esys_TR_Close(context_.esys(), &ended);
  session_.reset();
}

Result<ESYS_TR> SaltedSession::State::EmptyPolicy() {
  if (!session_.has_value()) RETURN_IF_ERROR(Begin());
  if (!policy_is_empty_) {
    RETURN_IF_ERROR(context_.Check(Esys_PolicyRestart(context_.esys(), session_->get(),
                                                      ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE),
                                   "TPM2_PolicyRestart"));
  }
  policy_is_empty_ = false;
  return session_->get();
}

Result<TPMS_AUTH_COMMAND> SaltedSession::State::Sign(const Command& command, ByteView key,
                                                     Afterwards afterwards) {
  RETURN_IF_ERROR(Renew(ours_));
  TPMS_AUTH_COMMAND auth = {};
  auth.sessionHandle = handle_;
  auth.nonce = ours_;
  auth.sessionAttributes = TPMA_SESSION_ENCRYPT;
  if (afterwards == Afterwards::kContinue) auth.sessionAttributes |= TPMA_SESSION_CONTINUESESSION;
  ASSIGN_OR_RETURN(const Mac mac, HmacSha256(key, {CommandHash(command),
                                                   ViewOf(ours_),
                                                   ViewOf(theirs_),
                                                   {&auth.sessionAttributes, 1}}));
  auth.hmac = ToTpm2b<TPM2B_AUTH, &TPM2B_AUTH::buffer>(mac);
  return auth;
}

Result<bool> SaltedSession::State::Signed(const TPMS_AUTH_RESPONSE& auth, TPM2_CC code,
                                          const Bytes& parameters, ByteView key) const {
  ASSIGN_OR_RETURN(const Mac mac, HmacSha256(key, {ResponseHash(code, parameters),
                                                   ViewOf(auth.nonce),
                                                   ViewOf(ours_),
                                                   {&auth.sessionAttributes, 1}}));
  return auth.hmac.size == mac.size() &&
         CRYPTO_memcmp(auth.hmac.buffer, mac.data(), mac.size()) == 0;
}

Result<SecretBytes> SaltedSession::State::Decrypt(ByteView encrypted, ByteView key) const {
  ASSIGN_OR_RETURN(const SecretBytes key_and_iv,
                   KdfA(key, "CFB", ViewOf(theirs_), ViewOf(ours_), 2 * kAes128));
  SecretBytes plain(encrypted.size());
  const CPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
  int done = 0;
  if (!context ||
      EVP_DecryptInit_ex2(context.get(), EVP_aes_128_cfb128(), key_and_iv.data(),
                          key_and_iv.data() + kAes128, nullptr) != 1 ||
      EVP_DecryptUpdate(context.get(), plain.data(), &done, encrypted.data(),
                        static_cast<int>(encrypted.size())) != 1 ||
      std::cmp_not_equal(done, encrypted.size())) {
    return Fail(Code::kInternal, "OPENSSL", "AES-128-CFB failed");
  }
  return plain;
}

Result<TSS2_RC> SaltedSession::State::Run(const Command& command, const Authorization& how,
                                          Afterwards afterwards, SecretBytes& answer) {
  if (!session_.has_value()) RETURN_IF_ERROR(Begin());
  // The value is part of what the answer is encrypted with also where the policy does not ask for
  // it (TPM 2.0 part 1, 21.2).
  const SecretBytes with_value = Concatenated(key_.view(), how.auth_value);
  const ByteView key = how.proves_auth_value ? with_value.view() : key_.view();
  ASSIGN_OR_RETURN(const TPMS_AUTH_COMMAND ours, Sign(command, key, afterwards));
  std::vector<TPMS_AUTH_COMMAND> auths;
  if (!how.by_policy) auths.push_back(EmptyPassword());
  auths.push_back(ours);
  Response response;
  const TSS2_RC rc = Send(context_, command, auths, false, response);
  if (rc != TSS2_RC_SUCCESS) return rc;

  const TPMS_AUTH_RESPONSE& theirs = response.auths.back();
  ASSIGN_OR_RETURN(const bool is_signed, Signed(theirs, command.code, response.parameters, key));
  if (!is_signed) return TSS2_ESYS_RC_RSP_AUTH_FAILED;
  theirs_ = theirs.nonce;
  if (afterwards == Afterwards::kEnd) End();
  // The size of a TPM2B is not encrypted with what is in it.
  const ByteView all = response.parameters;
  if (all.size() < 2 || (std::size_t{all[0]} << 8 | all[1]) != all.size() - 2) {
    return TSS2_ESYS_RC_MALFORMED_RESPONSE;
  }
  ASSIGN_OR_RETURN(answer, Decrypt(all.subspan(2), with_value.view()));
  return TSS2_RC_SUCCESS;
}

}  // namespace seaworthy::tpm
