#include "seaworthy/tpm/seal.h"

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"
#include "tpm/cleanse.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/policy_key.h"
#include "tpm/public_key.h"
#include "tpm/salted_session.h"
#include "tpm/session.h"
#include "tpm/srk.h"

namespace seaworthy::tpm {
namespace {

// While PCRs are extended (the kernel does it as files are measured) the TPM takes a PolicyPCR for
// out of date.
constexpr int kAttempts = 5;

constexpr std::size_t kMaxSecret = 128;  // MAX_SYM_DATA
constexpr std::size_t kMaxAuth = 32;     // a digest of the object's name algorithm

// Part 2, table 73: TPM_RC_P, the error is about a parameter, not a handle or a session.
bool ConcernsParameter(TSS2_RC rc) {
  return FromTpm(rc) && (rc & TPM2_RC_FMT1) != 0 && (rc & TPM2_RC_P) != 0;
}

bool IsCode(TSS2_RC rc, TSS2_RC code) { return FromTpm(rc) && BaseCode(rc) == code; }

// The key that sealed objects are under, for a moment: the storage root key is there, another is
// made. `authorization` is the owner's.
class Parent {
 public:
  static Result<Parent> Open(Context& context, SealParent kind, ESYS_TR authorization) {
    if (kind == SealParent::kStorageRootKey) return Parent(context.srk(), std::nullopt);
    const TPM2B_PUBLIC wanted = StorageKeyTemplate(kind == SealParent::kLegacyEcc);
    const TPM2B_SENSITIVE_CREATE sensitive = {};
    const TPM2B_DATA outside = {};
    const TPML_PCR_SELECTION creation = {};
    ESYS_TR handle = ESYS_TR_NONE;
    const TSS2_RC rc = Esys_CreatePrimary(context.esys(), ESYS_TR_RH_OWNER, authorization,
                                          ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &wanted, &outside,
                                          &creation, &handle, nullptr, nullptr, nullptr, nullptr);
    if (IsAuthFailure(rc)) return OwnerAuthSet("TPM2_CreatePrimary");
    RETURN_IF_ERROR(context.Check(rc, "TPM2_CreatePrimary"));
    return Parent(handle, Handle(context, handle));
  }
  ESYS_TR get() const { return handle_; }

 private:
  Parent(ESYS_TR handle, std::optional<Handle> made) : handle_(handle), made_(std::move(made)) {}

  ESYS_TR handle_;
  std::optional<Handle> made_;
};

Status PolicyMismatch(const std::string& why) {
  return Fail(Code::kFailedPrecondition, "POLICY_MISMATCH", "the secret was sealed " + why);
}

// What can be told without the TPM, which alone judges PCRs whose digest is not known.
Status CheckPolicy(const TPMT_PUBLIC& area, const SealPolicy& policy) {
  const Bytes sealed(area.authPolicy.buffer, area.authPolicy.buffer + area.authPolicy.size);
  const bool has_pcrs = policy.pcrs.selection.mask != 0;
  if (sealed.empty()) {  // Clevis without PCRs
    if (!has_pcrs && !policy.signed_pcrs.has_value() && !policy.pin) return {};
    return PolicyMismatch("without a policy, and one is given for it");
  }
  if (has_pcrs && policy.pcrs.pcr_digest.empty()) return {};
  ASSIGN_OR_RETURN(const Bytes made, PolicyDigest(policy));
  if (sealed == made) return {};
  return PolicyMismatch("with the policy " + Hex(sealed) +
                        ", and the PCRs, key and PIN given for " + "it make the policy " +
                        Hex(made));
}

// TPM2_VerifySignature by the key, which the TPM then vouches for in the ticket. The key is gone
// again: a TPM has few slots.
Result<TPMT_TK_VERIFIED> VerifySignature(Context& context, const TPM2B_PUBLIC& key,
                                         const PolicySignature& signature) {
  ESYS_TR handle = ESYS_TR_NONE;
  RETURN_IF_ERROR(
      context.Check(Esys_LoadExternal(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      nullptr, &key, ESYS_TR_RH_OWNER, &handle),
                    "TPM2_LoadExternal"));
  const Handle loaded(context, handle);
  const auto digest = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(
      Digest(HashAlgorithm::kSha256, {signature.policy}));
  TPMT_SIGNATURE tss_signature = {};
  tss_signature.sigAlg = TPM2_ALG_RSASSA;
  tss_signature.signature.rsassa.hash = TPM2_ALG_SHA256;
  tss_signature.signature.rsassa.sig =
      ToTpm2b<TPM2B_PUBLIC_KEY_RSA, &TPM2B_PUBLIC_KEY_RSA::buffer>(signature.signature);
  TPMT_TK_VERIFIED* ticket = nullptr;
  const TSS2_RC rc = Esys_VerifySignature(context.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, &digest, &tss_signature, &ticket);
  if (ConcernsParameter(rc)) {
    return Fail(Code::kInvalidArgument, "POLICY_SIGNATURE_INVALID",
                "the signature of the PCR policy is not by the key that the secret was sealed "
                "with");
  }
  RETURN_IF_ERROR(context.Check(rc, "TPM2_VerifySignature"));
  return *EsysPtr<TPMT_TK_VERIFIED>(ticket);
}

Status AddSignedPolicy(Context& context, ESYS_TR session, const SignedPcrs& pcrs,
                       const PolicySignature& signature) {
  ASSIGN_OR_RETURN(const TPM2B_PUBLIC key, ReadPolicyKey(pcrs.public_key));
  ASSIGN_OR_RETURN(const Bytes key_name, PolicyKeyName(pcrs.public_key));
  ASSIGN_OR_RETURN(const TPMT_TK_VERIFIED ticket, VerifySignature(context, key, signature));
  RETURN_IF_ERROR(AddPcrPolicy(context, session, {pcrs.selection, {}}));
  const auto approved = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(signature.policy);
  const auto name = ToTpm2b<TPM2B_NAME, &TPM2B_NAME::name>(key_name);
  const TPM2B_NONCE policy_ref = {};
  const TSS2_RC rc = Esys_PolicyAuthorize(context.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, &approved, &policy_ref, &name, &ticket);
  if (IsCode(rc, TPM2_RC_VALUE)) {
    return Fail(Code::kFailedPrecondition, "PCR_POLICY_UNMET",
                "the signature is for other PCRs, or other values of them, than there are now");
  }
  return context.Check(rc, "TPM2_PolicyAuthorize");
}

Status AddPolicy(Context& context, ESYS_TR session, const SealPolicy& policy,
                 const std::optional<PolicySignature>& signature) {
  if (policy.signed_pcrs.has_value()) {
    RETURN_IF_ERROR(AddSignedPolicy(context, session, *policy.signed_pcrs, *signature));
  }
  if (policy.pcrs.selection.mask != 0) {
    RETURN_IF_ERROR(AddPcrPolicy(context, session, policy.pcrs));
  }
  if (!policy.pin) return {};
  return context.Check(
      Esys_PolicyAuthValue(context.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE),
      "TPM2_PolicyAuthValue");
}

Result<LoadedObject> Load(Context& context, const SealedObject& object, const TPMT_PUBLIC& area,
                          SealParent kind) {
  ASSIGN_OR_RETURN(const Parent parent, Parent::Open(context, kind, ESYS_TR_PASSWORD));
  Command load = {.code = TPM2_CC_Load, .entities = {{}}, .parameters = object.private_area};
  load.parameters.insert(load.parameters.end(), object.public_area.begin(),
                         object.public_area.end());
  RETURN_IF_ERROR(context.Check(
      Esys_TR_GetTpmHandle(context.esys(), parent.get(), &load.entities[0].handle), "get handle"));
  Response response;
  const TSS2_RC rc = Send(context, load, {EmptyPassword()}, true, response);
  if (ConcernsParameter(rc)) {
    return Fail(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN",
                "TPM2_Load: the secret was sealed by another TPM or under another parent key, or "
                "the sealed object was changed");
  }
  RETURN_IF_ERROR(context.Check(rc, "TPM2_Load"));
  // What the TPM calls it is not asked: the session covers its name.
  return LoadedObject(context, {response.handle, NameOf(area)});
}

// TPM2_Unseal's own refusals, told from each other by what was asked for.
Status MapUnseal(Context& context, TSS2_RC rc, const SealPolicy& policy) {
  if (policy.pin && IsAuthFailure(rc)) {
    return Fail(Code::kPermissionDenied, "PIN_WRONG", "the PIN is wrong");
  }
  if (IsCode(rc, TPM2_RC_LOCKOUT)) {
    return Fail(Code::kResourceExhausted, "TPM_LOCKOUT",
                "the TPM takes no PIN for now, because too many wrong ones were tried");
  }
  if (IsCode(rc, TPM2_RC_POLICY_FAIL)) {
    return Fail(Code::kFailedPrecondition, "PCR_POLICY_UNMET",
                "the PCRs have other values now than the secret was sealed to");
  }
  return context.Check(rc, "TPM2_Unseal");
}

// An object to be unsealed, and by what.
struct Opening {
  const SealedObject& object;
  const TPMT_PUBLIC& area;
  SealParent parent;
  const SealPolicy& policy;
  const std::optional<PolicySignature>& signature;
  const SecretBytes& auth;
};

Result<SecretBytes> UnsealOnce(SaltedSession::State& session, const Opening& opening,
                               Afterwards afterwards) {
  Context& context = session.context();
  const SealPolicy& policy = opening.policy;
  ASSIGN_OR_RETURN(const LoadedObject loaded,
                   Load(context, opening.object, opening.area, opening.parent));
  Authorization how = {.by_policy = opening.area.authPolicy.size != 0};
  if (how.by_policy) {
    // Salted to the storage root key also where the parent is another one, which the bus names.
    ASSIGN_OR_RETURN(const ESYS_TR handle, session.EmptyPolicy());
    RETURN_IF_ERROR(AddPolicy(context, handle, policy, opening.signature));
  }
  if (policy.pin) {
    how.auth_value = opening.auth.view();
    how.proves_auth_value = true;
  }
  const Command unseal = {.code = TPM2_CC_Unseal, .entities = {loaded.get()}, .parameters = {}};
  SecretBytes secret;
  ASSIGN_OR_RETURN(const TSS2_RC rc, session.Run(unseal, how, afterwards, secret));
  RETURN_IF_ERROR(MapUnseal(context, rc, policy));
  return secret;
}

Status CheckAuth(const SealPolicy& policy, const SecretBytes& auth) {
  if (policy.pin && auth.empty()) {
    return Fail(Code::kInvalidArgument, "PIN_MISSING", "the policy asks for a PIN");
  }
  if (auth.size() > kMaxAuth) {
    return Fail(Code::kInvalidArgument, "PIN_SIZE", "the PIN's value has more than 32 bytes");
  }
  return {};
}

void SetAuth(TPM2B_AUTH& to, const SecretBytes& auth) {
  to.size = static_cast<UINT16>(auth.size());
  std::ranges::copy(auth.view(), to.buffer);
}

TPM2B_PUBLIC SealedTemplate(const Bytes& policy_digest, bool pin) {
  TPM2B_PUBLIC result = {};
  TPMT_PUBLIC& area = result.publicArea;
  area.type = TPM2_ALG_KEYEDHASH;
  area.nameAlg = TPM2_ALG_SHA256;
  // Without userWithAuth: nothing but the policy gives the secret away.
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
  if (!pin) area.objectAttributes |= TPMA_OBJECT_NODA;
  area.authPolicy = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(policy_digest);
  area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  return result;
}

}  // namespace

Result<SealedObject> Seal(Context& context, SealParent parent, const SealPolicy& policy,
                          const SecretBytes& pin, const SecretBytes& secret) {
  ASSIGN_OR_RETURN(const Bytes digest, PolicyDigest(policy));
  RETURN_IF_ERROR(CheckAuth(policy, pin));
  if (!policy.pin && !pin.empty()) {
    return Fail(Code::kInvalidArgument, "PIN_UNEXPECTED", "the policy asks for no PIN");
  }
  if (secret.empty() || secret.size() > kMaxSecret) {
    return Fail(Code::kInvalidArgument, "SECRET_SIZE", "secret: has not 1 to 128 bytes");
  }
  Cleansed<TPM2B_SENSITIVE_CREATE> sensitive;
  SetAuth(sensitive.value.sensitive.userAuth, pin);
  sensitive.value.sensitive.data.size = static_cast<UINT16>(secret.size());
  std::ranges::copy(secret.view(), sensitive.value.sensitive.data.buffer);

  // Also authorizes a legacy parent's making, whose public area nobody then can forge.
  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  ASSIGN_OR_RETURN(const Parent key, Parent::Open(context, parent, session.get()));
  const TPM2B_PUBLIC wanted = SealedTemplate(digest, policy.pin);
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  TPM2B_PRIVATE* private_area = nullptr;
  TPM2B_PUBLIC* public_area = nullptr;
  const TSS2_RC rc = Esys_Create(context.esys(), key.get(), session.get(), ESYS_TR_NONE,
                                 ESYS_TR_NONE, &sensitive.value, &wanted, &outside, &creation,
                                 &private_area, &public_area, nullptr, nullptr, nullptr);
  CleanseSensitive(context);
  RETURN_IF_ERROR(context.Check(rc, "TPM2_Create"));
  const EsysPtr<TPM2B_PRIVATE> private_owner(private_area);
  const EsysPtr<TPM2B_PUBLIC> public_owner(public_area);
  return SealedObject{Marshal<Tss2_MU_TPM2B_PRIVATE_Marshal>(*private_area),
                      Marshal<Tss2_MU_TPM2B_PUBLIC_Marshal>(*public_area)};
}

Result<SecretBytes> Unseal(SaltedSession& session, const SealedObject& object, SealParent parent,
                           const SealPolicy& policy,
                           const std::optional<PolicySignature>& signature, const SecretBytes& auth,
                           Afterwards afterwards) {
  ASSIGN_OR_RETURN(const SealedObject checked, ParseSealedObject(ToBlob(object)));
  ASSIGN_OR_RETURN(const TPM2B_PUBLIC public_area, ParsePublic(checked.public_area));
  RETURN_IF_ERROR(CheckPolicy(public_area.publicArea, policy));
  RETURN_IF_ERROR(CheckAuth(policy, auth));
  if (policy.signed_pcrs.has_value() && !signature.has_value()) {
    return Fail(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING",
                "the policy asks for a signature over the values that PCRs have");
  }
  const Opening opening = {checked, public_area.publicArea, parent, policy, signature, auth};
  for (int attempt = 1;; ++attempt) {
    Result<SecretBytes> secret = UnsealOnce(session.state(), opening, afterwards);
    if (secret.ok() || Reason(secret.status()) != "PCR_CHANGED" || attempt == kAttempts) {
      return secret;
    }
  }
}

Result<Bytes> SerializeSrk(Context& context) {
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  RETURN_IF_ERROR(
      context.Check(Esys_TR_Serialize(context.esys(), context.srk(), &bytes, &size), "serialize"));
  const EsysPtr<std::uint8_t> owner(bytes);
  return Bytes(bytes, bytes + size);
}

Status CheckSrk(Context& context, ByteView serialized) {
  ASSIGN_OR_RETURN(const Bytes name, ReadSrkName(serialized));
  if (name == context.srk_name()) return {};
  return Fail(Code::kFailedPrecondition, "SRK_MISMATCH",
              "the secret was sealed under the storage root key " + Hex(name) +
                  ", but this TPM's is " + Hex(context.srk_name()));
}

}  // namespace seaworthy::tpm
