#include "seaworthy/modules/volumes/unlock.h"

#include <algorithm>
#include <optional>

#include "modules/volumes/pcr_indices.h"
#include "modules/volumes/token_policy.h"
#include "seaworthy/base64.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/policy_signature.h"
#include "seaworthy/modules/volumes/recovery_key.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/counter.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::volumes {
namespace {

// A token as what the TPM is asked.
struct Question {
  std::uint32_t token = 0;
  std::uint32_t keyslot = 0;
  std::string type;
  tpm::SealedObject object;
  tpm::SealParent parent = tpm::SealParent::kStorageRootKey;
  Bytes srk;   // empty: not told
  Bytes salt;  // of the PIN
  tpm::SealPolicy policy;
  std::optional<ClevisToken> clevis;
};

Status ReadSystemd(const std::string& json, Question& question) {
  ASSIGN_OR_RETURN(const SystemdTpm2Token token, ParseSystemdTpm2Token(json));
  ASSIGN_OR_RETURN(question.policy, PolicyOf(token));
  ASSIGN_OR_RETURN(question.object, tpm::ParseSealedObject(token.blob));
  question.parent = ParentOf(token);
  question.srk = token.srk;
  question.salt = token.salt;
  return {};
}

Status ReadClevis(const std::string& json, Question& question) {
  ASSIGN_OR_RETURN(ClevisToken token, ParseClevisToken(json));
  Bytes blob = token.private_area;
  blob.insert(blob.end(), token.public_area.begin(), token.public_area.end());
  ASSIGN_OR_RETURN(question.object, tpm::ParseSealedObject(blob));
  ASSIGN_OR_RETURN(const tpm::HashAlgorithm bank, PcrBank(token.pcr_bank));
  question.parent = LegacyParent(token.primary_alg);
  question.policy.pcrs = {{bank, Mask(token.pcrs)}, {}};
  question.clevis = std::move(token);
  return {};
}

// In the order in which they are asked; what cannot be asked is told in `tried`.
std::vector<Question> Questions(const Luks2Metadata& metadata, std::vector<TokenTried>& tried) {
  std::vector<Question> questions;
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type != kSystemdTpm2 && token.type != kClevis) continue;
    Question question;
    question.token = number;
    question.type = token.type;
    if (!token.keyslots.empty()) question.keyslot = token.keyslots.front();
    const Status status = token.type == kClevis ? ReadClevis(token.json, question)
                                                : ReadSystemd(token.json, question);
    if (status.ok()) {
      questions.push_back(std::move(question));
    } else {
      tried.push_back({number, question.keyslot, token.type, status});
    }
  }
  std::ranges::stable_sort(questions, {}, [](const Question& question) {
    return question.clevis.has_value() ? 2 : question.srk.empty() ? 1 : 0;
  });
  return questions;
}

// Which signature fits says the policy that the PCRs make now.
Result<std::optional<tpm::PolicySignature>> SignatureFor(tpm::Context& context,
                                                         const Question& question,
                                                         const UnlockOptions& options) {
  if (!question.policy.signed_pcrs.has_value()) return std::optional<tpm::PolicySignature>();
  const tpm::SignedPcrs& pcrs = *question.policy.signed_pcrs;
  ASSIGN_OR_RETURN(const auto values, tpm::ReadPcrs(context, {pcrs.selection}));
  const Bytes policy = tpm::PcrPolicyDigest({pcrs.selection, tpm::PcrDigest(values)});
  ASSIGN_OR_RETURN(const Bytes key, PolicyKeyFingerprint(pcrs.public_key));
  const SignedPolicy* found =
      FindPolicySignature(options.signatures, tpm::ToString(pcrs.selection.bank),
                          Indices(pcrs.selection.mask), key, policy);
  if (found != nullptr) return std::optional(tpm::PolicySignature{found->policy, found->signature});
  return Fail(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING",
              "nobody signed for the values that the PCRs have now (policy " + Hex(policy) + ")");
}

Result<SecretBytes> Ask(tpm::Context& context, tpm::SaltedSession& session,
                        const Question& question, const UnlockOptions& options,
                        tpm::Afterwards afterwards) {
  if (!question.srk.empty()) RETURN_IF_ERROR(tpm::CheckSrk(context, question.srk));
  SecretBytes authorization;
  if (question.policy.pin) {
    if (options.pin == nullptr) {
      return Fail(Code::kInvalidArgument, "PIN_MISSING", "it wants a PIN");
    }
    ASSIGN_OR_RETURN(authorization, question.salt.empty()
                                        ? tpm::PinAuthValue252(*options.pin)
                                        : tpm::PinAuthValueSalted(*options.pin, question.salt));
  }
  ASSIGN_OR_RETURN(const auto signature, SignatureFor(context, question, options));
  ASSIGN_OR_RETURN(const SecretBytes secret,
                   tpm::Unseal(session, question.object, question.parent, question.policy,
                               signature, authorization, afterwards));
  if (question.clevis.has_value()) return DecryptClevis(*question.clevis, secret.view());
  return Base64Secret(secret.view());
}

bool EndsIt(const Status& status) {
  return Reason(status) == "PIN_WRONG" || Reason(status) == "TPM_LOCKOUT" ||
         status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded;
}

// Of the first that was asked, with what all of them said.
Status NoneOpens(const std::vector<TokenTried>& tried) {
  if (tried.empty()) {
    return Fail(Code::kFailedPrecondition, "NO_TPM_TOKEN", "the volume has no token for a TPM");
  }
  const Status* first = &tried.front().status;
  std::string all;
  for (const TokenTried& token : tried) {
    // A token of another TPM tells less than one of this one's.
    if (Reason(*first) == "SRK_MISMATCH") first = &token.status;
    all += (all.empty() ? "token " : "; token ") + std::to_string(token.token) + " (" + token.type +
           "): " + Message(token.status);
  }
  return Fail(first->code(), Reason(*first), all);
}

// The secret of the first token that gives one.
Result<OpenWayIn> AskAll(tpm::Context& context, tpm::SaltedSession& session,
                         const std::vector<Question>& questions, const UnlockOptions& options,
                         tpm::Afterwards afterwards, std::vector<TokenTried>& tried) {
  for (const Question& question : questions) {
    Result<SecretBytes> secret = Ask(context, session, question, options, afterwards);
    tried.push_back({question.token, question.keyslot, question.type, secret.status()});
    if (secret.ok()) return OpenWayIn{question.keyslot, question.token, *std::move(secret)};
    if (EndsIt(secret.status())) break;
  }
  return NoneOpens(tried);
}

// The record that a way in is to prove; nothing where there is none and that is fine. One that
// cannot be read is told later: until a way in opens, why none does matters more.
using Found = Result<std::optional<GuardRecord>>;

// A volume that had a record does not come without it.
Status CheckNotTakenOff(const Status& found, const UnlockOptions& options) {
  if (Reason(found) != "HEADER_UNGUARDED" || options.guard_keys.empty()) return {};
  return Fail(Code::kFailedPrecondition, "HEADER_UNGUARDED",
              Message(found) + ", and it had one, under the guard key " +
                  options.guard_keys.back() +
                  ": somebody took it off. Where that was you, accept the header by the recovery "
                  "key (AcceptHeader)");
}

Found FindRecord(const HeaderCopy& copy, const UnlockOptions& options) {
  auto record = FindGuard(copy.header().metadata);
  RETURN_IF_ERROR(CheckNotTakenOff(record.status(), options));
  if (Reason(record.status()) == "HEADER_UNGUARDED" && options.unguarded) return std::nullopt;
  if (!record.ok()) return record.status();
  return *std::move(record);
}

std::uint32_t CounterIndex(const Found& record) {
  return record.ok() && record->has_value() ? (*record)->nv_index : 0;
}

Result<std::optional<GuardCounter>> CounterOf(tpm::SaltedSession& session, std::uint32_t nv_index) {
  if (nv_index == 0) return std::nullopt;
  ASSIGN_OR_RETURN(const std::uint64_t value, tpm::ReadCounter(session, nv_index));
  return GuardCounter{nv_index, value};
}

// Whether there is memory to derive the key of the keyslot.
Status CheckMemory(const HeaderCopy& header, std::uint32_t keyslot, const UnlockOptions& options) {
  constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
  constexpr std::uint64_t kElse = 32 * kMib;  // that the call takes
  const auto& keyslots = header.header().metadata.keyslots;
  const auto found = keyslots.find(keyslot);
  if (!options.memory || found == keyslots.end() || !found->second.kdf.has_value()) return {};
  const Luks2Keyslot::Kdf& kdf = *found->second.kdf;
  const std::uint64_t wanted = kdf.memory * 1024;  // JudgeHeader has looked at it
  if (wanted == 0) return {};
  const std::optional<std::uint64_t> left = options.memory();
  if (!left.has_value() || wanted + kElse <= *left) return {};
  return Fail(Code::kResourceExhausted, "KEYSLOT_MEMORY",
              "keyslot " + std::to_string(keyslot) + " derives its key with " + kdf.type + " in " +
                  std::to_string(wanted / kMib) + " MiB, and the process may take " +
                  std::to_string(*left / kMib) +
                  " MiB more: raise MemoryHigh and MemoryMax of the unit for this call");
}

// Which keyslot the passphrase opens, of those that there is memory for.
Result<int> KeyslotOf(const HeaderCopy& header, const SecretBytes& passphrase,
                      const UnlockOptions& options) {
  ASSIGN_OR_RETURN(const Luks luks, header.OpenAlone());
  Status lacking;
  std::vector<int> fitting;
  for (const auto& [number, keyslot] : header.header().metadata.keyslots) {
    const Status status = CheckMemory(header, number, options);
    if (!status.ok()) {
      lacking = status;
    } else if (keyslot.type == "luks2") {
      fitting.push_back(static_cast<int>(number));
    }
  }
  if (lacking.ok()) return luks.FindKeyslot(passphrase);
  for (const int keyslot : fitting) {
    Result<int> opened = luks.TestPassphrase(passphrase, keyslot);
    if (Reason(opened.status()) != "PASSPHRASE_WRONG") return opened;
  }
  return lacking;
}

// Which keyslot a recovery key opens, and of which token. Those of recovery keys are tried first,
// as each costs the same whether it opens or not.
Status FindKeyslot(const HeaderCopy& header, const UnlockOptions& options, OpenWayIn& way) {
  for (const auto& [number, token] : header.header().metadata.tokens) {
    if (token.type != kSystemdRecovery || token.keyslots.size() != 1) continue;
    way.keyslot = token.keyslots.front();
    way.token = number;
    if (CheckMemory(header, way.keyslot, options).ok() && OpenKeyslot(header, way).ok()) return {};
  }
  ASSIGN_OR_RETURN(const int keyslot, KeyslotOf(header, way.passphrase, options));
  way.keyslot = static_cast<std::uint32_t>(keyslot);
  way.token = 0;
  return {};
}

// The record proved by the way in.
Status Prove(Found record, const HeaderCopy& copy, const std::optional<GuardCounter>& counter,
             const UnlockOptions& options, Unlocked& unlocked) {
  if (!record.ok()) return record.status();
  if (!record->has_value()) return {};
  const Luks2Header& header = copy.header();
  ASSIGN_OR_RETURN(const KeyslotAreaDigests areas, DigestKeyslotAreas(copy.fd(), header.metadata));
  ASSIGN_OR_RETURN(GuardProof proof, CheckGuard({header, areas}, **std::move(record),
                                                unlocked.way.way_in(), counter));
  RETURN_IF_ERROR(CheckGuardKey(proof, options.guard_keys));
  unlocked.guard = std::move(proof.record);
  unlocked.guard_key = std::move(proof.key_id);
  return {};
}

}  // namespace

Result<GuardCounter> ReadGuardCounter(tpm::Context& context, std::uint32_t nv_index) {
  tpm::SaltedSession session(context);
  ASSIGN_OR_RETURN(const std::uint64_t value, tpm::ReadCounter(session, nv_index));
  return GuardCounter{nv_index, value};
}

Result<Unlocked> Unlock(tpm::Broker& broker, Deadline deadline, const HeaderCopy& header,
                        const UnlockOptions& options) {
  Unlocked unlocked;
  const std::vector<Question> questions = Questions(header.header().metadata, unlocked.tried);
  Found record = FindRecord(header, options);
  const std::uint32_t index = CounterIndex(record);
  std::optional<GuardCounter> counter;
  Result<OpenWayIn> way = broker.Run(deadline, [&](tpm::Context& context) -> Result<OpenWayIn> {
    tpm::SaltedSession session(context);
    const auto afterwards = index == 0 ? tpm::Afterwards::kEnd : tpm::Afterwards::kContinue;
    ASSIGN_OR_RETURN(OpenWayIn found,
                     AskAll(context, session, questions, options, afterwards, unlocked.tried));
    ASSIGN_OR_RETURN(counter, CounterOf(session, index));
    return found;
  });
  if (!way.ok()) return way.status();
  unlocked.way = *std::move(way);
  RETURN_IF_ERROR(CheckMemory(header, unlocked.way.keyslot, options));
  RETURN_IF_ERROR(Prove(std::move(record), header, counter, options, unlocked));
  return unlocked;
}

Result<Unlocked> UnlockByPassphrase(const HeaderCopy& header, const SecretBytes& passphrase,
                                    const UnlockOptions& options) {
  const auto record = FindGuard(header.header().metadata);
  RETURN_IF_ERROR(CheckNotTakenOff(record.status(), options));
  if (Reason(record.status()) != "HEADER_UNGUARDED" && !options.unguarded) {
    return Fail(Code::kFailedPrecondition, "HEADER_NOT_CHECKED",
                "a passphrase cannot check the record of the header: take the recovery key, or "
                "say that the header is to be believed");
  }
  Unlocked unlocked;
  ASSIGN_OR_RETURN(const int keyslot, KeyslotOf(header, passphrase, options));
  unlocked.way.keyslot = static_cast<std::uint32_t>(keyslot);
  unlocked.way.passphrase = SecretBytes::Copy(passphrase.view());
  unlocked.way.random = false;
  return unlocked;
}

Result<Unlocked> UnlockByRecoveryKey(tpm::Broker& broker, Deadline deadline,
                                     const HeaderCopy& header, const SecretBytes& typed,
                                     const UnlockOptions& options) {
  Unlocked unlocked;
  ASSIGN_OR_RETURN(unlocked.way.passphrase, ParseRecoveryKey(typed));
  RETURN_IF_ERROR(FindKeyslot(header, options, unlocked.way));
  Found record = FindRecord(header, options);
  const auto counter = broker.Run(deadline, [&](tpm::Context& context) {
    tpm::SaltedSession session(context);
    return CounterOf(session, CounterIndex(record));
  });
  if (!counter.ok()) return counter.status();
  RETURN_IF_ERROR(Prove(std::move(record), header, *counter, options, unlocked));
  return unlocked;
}

}  // namespace seaworthy::volumes
