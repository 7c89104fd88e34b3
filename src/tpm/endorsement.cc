#include "seaworthy/tpm/endorsement.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "seaworthy/der.h"
#include "seaworthy/status_macros.h"
#include "tpm/ek_template.h"
#include "tpm/key_template.h"
#include "tpm/marshal.h"
#include "tpm/nv.h"
#include "tpm/public_key.h"
#include "tpm/session.h"

namespace seaworthy::tpm {
namespace {

constexpr TPM2_HANDLE kFirstEkIndex = 0x01c00000;
constexpr TPM2_HANDLE kFirstChainIndex = 0x01c00100;
constexpr TPM2_HANDLE kLastChainIndex = 0x01c001ff;
constexpr TPM2_HANDLE kFirstPersistent = 0x81010000;
constexpr TPM2_HANDLE kLastPersistent = 0x810100ff;

// EK certificates have 1 to 2 KiB, a chain has a few of them.
constexpr std::size_t kMaxCertificate = 8 * 1024;
constexpr std::size_t kMaxTemplate = 1024;
constexpr std::size_t kMaxChain = 64 * 1024;

// An object in the TPM; flushed when it goes, unless it is persistent.
class EkHandle {
 public:
  EkHandle(Context& context, ESYS_TR handle, bool persistent)
      : context_(&context), handle_(handle), persistent_(persistent) {}
  EkHandle(EkHandle&& other) noexcept
      : context_(other.context_),
        handle_(std::exchange(other.handle_, ESYS_TR_NONE)),
        persistent_(other.persistent_) {}
  EkHandle& operator=(EkHandle&&) = delete;
  ~EkHandle() {
    if (handle_ == ESYS_TR_NONE) return;
    if (persistent_) {
      Esys_TR_Close(context_->esys(), &handle_);
    } else {
      Handle(*context_, handle_);
    }
  }
  ESYS_TR get() const { return handle_; }

 private:
  Context* context_;
  ESYS_TR handle_;
  bool persistent_;
};

struct LoadedEk {
  EkHandle handle;
  TPMT_PUBLIC area;
};

// A template and what the TPM's NV has to it.
struct Slot {
  const EkTemplate* ek_template;
  Bytes certificate;
};

bool Has(const std::vector<TPM2_HANDLE>& handles, TPM2_HANDLE handle) {
  return handle != 0 && std::ranges::find(handles, handle) != handles.end();
}

Status MapAuth(Context& context, TSS2_RC rc, std::string_view command) {
  if (FromTpm(rc) && (BaseCode(rc) == TPM2_RC_BAD_AUTH || BaseCode(rc) == TPM2_RC_AUTH_FAIL)) {
    return Fail(Code::kPermissionDenied, "ENDORSEMENT_AUTH_SET",
                std::string(command) +
                    ": the TPM's endorsement hierarchy has an authorization value; an empty one "
                    "is needed (tpm2_changeauth -c endorsement -p OLD)");
  }
  return context.Check(rc, command);
}

// Bytes of the certificate's SubjectPublicKeyInfo; empty for what is no certificate, which is
// the verifier's to refuse.
Bytes KeyIn(const Bytes& certificate) {
  ERR_set_mark();
  const std::uint8_t* at = certificate.data();
  const CPtr<X509, X509_free> parsed(d2i_X509(nullptr, &at, static_cast<long>(certificate.size())));
  unsigned char* der = nullptr;
  const int size =
      parsed == nullptr ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(parsed.get()), &der);
  ERR_pop_to_mark();
  if (size <= 0) return {};
  Bytes key(der, der + size);
  OPENSSL_free(der);
  return key;
}

bool CertifiesKey(const Bytes& certificate, const TPMT_PUBLIC& area) {
  const bool known =
      area.type == TPM2_ALG_RSA ||
      (area.type == TPM2_ALG_ECC && (area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 ||
                                     area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P384));
  if (!known) return false;
  const Result<Bytes> key = SubjectPublicKeyInfo(area);
  return key.ok() && *key == KeyIn(certificate);
}

class EndorsementReader {
 public:
  explicit EndorsementReader(Context& context) : context_(context) {}

  Status ReadHandles() {
    ASSIGN_OR_RETURN(indices_, ListHandles(context_, kFirstEkIndex, kLastChainIndex));
    ASSIGN_OR_RETURN(persistent_, ListHandles(context_, kFirstPersistent, kLastPersistent));
    return {};
  }

  // Where a key is to be expected: where there is a certificate; without any, the low range.
  Result<std::vector<Slot>> Slots() {
    std::vector<Slot> slots;
    for (const EkTemplate& ek_template : EkTemplates()) {
      if (!Has(indices_, ek_template.certificate)) continue;
      Result<Bytes> nv = ReadNv(context_, ek_template.certificate, kMaxCertificate);
      if (!nv.ok()) return Wrap(nv.status(), "the endorsement key's certificate");
      std::vector<Bytes> found = SplitSequences(*nv);
      slots.push_back({&ek_template, found.empty() ? Bytes() : std::move(found.front())});
    }
    if (!slots.empty()) return slots;
    for (const EkTemplate& ek_template : EkTemplates()) {
      if (ek_template.low_range) slots.push_back({&ek_template, {}});
    }
    return slots;
  }

  // Nothing when the TPM cannot make such a key.
  Result<std::optional<LoadedEk>> Find(const Slot& slot) {
    ASSIGN_OR_RETURN(const TPM2B_PUBLIC wanted, Wanted(*slot.ek_template));
    for (const TPM2_HANDLE handle : persistent_) {
      if (slot.certificate.empty() && handle != slot.ek_template->persistent) continue;
      ASSIGN_OR_RETURN(LoadedEk kept, OpenPersistent(handle));
      if (slot.certificate.empty() ? SameTemplate(kept.area, wanted.publicArea)
                                   : CertifiesKey(slot.certificate, kept.area)) {
        return std::optional(std::move(kept));
      }
    }
    ASSIGN_OR_RETURN(const bool supported, Supports(context_, wanted));
    if (!supported) return std::optional<LoadedEk>();
    ASSIGN_OR_RETURN(LoadedEk made, Create(wanted));
    return std::optional(std::move(made));
  }

  Result<std::vector<Bytes>> Chain() {
    Bytes all;
    for (const TPM2_HANDLE index : indices_) {
      if (index < kFirstChainIndex) continue;
      Result<Bytes> part = ReadNv(context_, index, kMaxChain - all.size());
      if (!part.ok()) return Wrap(part.status(), "the endorsement key's certificate chain");
      all.insert(all.end(), part->begin(), part->end());
    }
    return SplitSequences(all);
  }

 private:
  Result<std::optional<Bytes>> ReadIfThere(TPM2_HANDLE index) {
    if (!Has(indices_, index)) return std::optional<Bytes>();
    ASSIGN_OR_RETURN(Bytes content, ReadNv(context_, index, kMaxTemplate));
    return std::optional(std::move(content));
  }

  Result<TPM2B_PUBLIC> Wanted(const EkTemplate& ek_template) {
    ASSIGN_OR_RETURN(const std::optional<Bytes> own, ReadIfThere(ek_template.own_template));
    ASSIGN_OR_RETURN(const std::optional<Bytes> nonce, ReadIfThere(ek_template.nonce));
    return MakeEkPublic(ek_template, own, nonce);
  }

  Result<LoadedEk> OpenPersistent(TPM2_HANDLE persistent) {
    ESYS_TR handle = ESYS_TR_NONE;
    RETURN_IF_ERROR(context_.Check(Esys_TR_FromTPMPublic(context_.esys(), persistent, ESYS_TR_NONE,
                                                         ESYS_TR_NONE, ESYS_TR_NONE, &handle),
                                   "TPM2_ReadPublic"));
    EkHandle owner(context_, handle, true);
    TPM2B_PUBLIC* area = nullptr;
    RETURN_IF_ERROR(
        context_.Check(Esys_ReadPublic(context_.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &area, nullptr, nullptr),
                       "TPM2_ReadPublic"));
    const EsysPtr<TPM2B_PUBLIC> area_owner(area);
    return LoadedEk{std::move(owner), area->publicArea};
  }

  Result<LoadedEk> Create(const TPM2B_PUBLIC& wanted) {
    const TPM2B_SENSITIVE_CREATE sensitive = {};
    const TPM2B_DATA outside = {};
    const TPML_PCR_SELECTION creation = {};
    ESYS_TR handle = ESYS_TR_NONE;
    TPM2B_PUBLIC* area = nullptr;
    const TSS2_RC rc = Esys_CreatePrimary(context_.esys(), ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                          ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &wanted, &outside,
                                          &creation, &handle, &area, nullptr, nullptr, nullptr);
    RETURN_IF_ERROR(MapAuth(context_, rc, "TPM2_CreatePrimary of the endorsement key"));
    const EsysPtr<TPM2B_PUBLIC> owner(area);
    return LoadedEk{EkHandle(context_, handle, false), area->publicArea};
  }

  Context& context_;
  std::vector<TPM2_HANDLE> indices_;
  std::vector<TPM2_HANDLE> persistent_;
};

// Calls `take` with each endorsement key and its slot until it says true. What is wrong with one
// key (FAILED_PRECONDITION) is told only when `take` got none.
template <class Take>
Status ForEachEk(EndorsementReader& reader, Take take) {
  RETURN_IF_ERROR(reader.ReadHandles());
  ASSIGN_OR_RETURN(const std::vector<Slot> slots, reader.Slots());
  Status problem = Fail(Code::kFailedPrecondition, "NO_ENDORSEMENT_KEY",
                        "this TPM can make no endorsement key of the TCG's templates L-1, L-2");
  bool any = false;
  for (const Slot& slot : slots) {
    Result<std::optional<LoadedEk>> found = reader.Find(slot);
    if (!found.ok()) {
      if (found.status().code() != Code::kFailedPrecondition) return found.status();
      problem = found.status();
    } else if (found->has_value()) {
      any = true;
      if (take(slot, **found)) return {};
    }
  }
  return any ? Status() : problem;
}

// The authorization that use of the key asks for. ESYS_TR_PASSWORD needs no session.
Result<std::optional<Handle>> StartEkSession(Context& context, const TPMT_PUBLIC& ek) {
  ASSIGN_OR_RETURN(const EkPolicy policy, PolicyOf(ek));
  if (policy == EkPolicy::kPassword) return std::optional<Handle>();
  TPMT_SYM_DEF symmetric = {};
  symmetric.algorithm = TPM2_ALG_NULL;
  ESYS_TR handle = ESYS_TR_NONE;
  RETURN_IF_ERROR(context.Check(
      Esys_StartAuthSession(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                            ESYS_TR_NONE, nullptr, TPM2_SE_POLICY, &symmetric, ek.nameAlg, &handle),
      "TPM2_StartAuthSession"));
  Handle session(context, handle);
  const TSS2_RC rc =
      Esys_PolicySecret(context.esys(), ESYS_TR_RH_ENDORSEMENT, handle, ESYS_TR_PASSWORD,
                        ESYS_TR_NONE, ESYS_TR_NONE, nullptr, nullptr, nullptr, 0, nullptr, nullptr);
  RETURN_IF_ERROR(MapAuth(context, rc, "TPM2_PolicySecret"));
  if (policy == EkPolicy::kOr) {
    const TPML_DIGEST branches = OrBranches(ek.nameAlg);
    RETURN_IF_ERROR(context.Check(
        Esys_PolicyOR(context.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &branches),
        "TPM2_PolicyOR"));
  }
  return std::optional(std::move(session));
}

// What the TPM says of a credential that was made for other keys or changed: the HMAC does not
// hold, or, before that, what is encrypted to the endorsement key makes no sense to it. libtpms
// answers with FAILURE when RSAES-OAEP does not decode; a TPM in failure mode would not have
// started the sessions.
bool MeansMismatch(TSS2_RC rc) {
  constexpr std::array kCodes = {TPM2_RC_INTEGRITY,    TPM2_RC_VALUE, TPM2_RC_SIZE,
                                 TPM2_RC_INSUFFICIENT, TPM2_RC_CURVE, TPM2_RC_ECC_POINT,
                                 TPM2_RC_NO_RESULT,    TPM2_RC_HASH,  TPM2_RC_FAILURE};
  return FromTpm(rc) && std::ranges::find(kCodes, BaseCode(rc)) != kCodes.end();
}

Status Mismatch() {
  return Fail(Code::kInvalidArgument, "CREDENTIAL_MISMATCH",
              "the TPM refuses the credential: it was made for another attestation key or for "
              "another endorsement key than this node's, or changed on the way");
}

Result<Bytes> Activate(Context& context, const LoadedEk& ek, const WrappedKey& ak,
                       const TPM2B_ID_OBJECT& blob, const TPM2B_ENCRYPTED_SECRET& secret) {
  ASSIGN_OR_RETURN(const ESYS_TR loaded_ak, context.LoadKept(ak));
  // Carries the attestation key's empty authorization, and keeps the secret off the TPM's bus.
  ASSIGN_OR_RETURN(const Handle encrypted, StartEncryptedSession(context));
  ASSIGN_OR_RETURN(const std::optional<Handle> policy, StartEkSession(context, ek.area));
  TPM2B_DIGEST* released = nullptr;
  const TSS2_RC rc =
      Esys_ActivateCredential(context.esys(), loaded_ak, ek.handle.get(), encrypted.get(),
                              policy.has_value() ? policy->get() : ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              &blob, &secret, &released);
  if (MeansMismatch(rc)) return Mismatch();
  RETURN_IF_ERROR(context.Check(rc, "TPM2_ActivateCredential"));
  const EsysPtr<TPM2B_DIGEST> owner(released);
  Bytes result(released->buffer, released->buffer + released->size);
  OPENSSL_cleanse(released->buffer, released->size);
  return result;
}

}  // namespace

Result<Endorsement> ReadEndorsement(Context& context) {
  EndorsementReader reader(context);
  Endorsement endorsement;
  RETURN_IF_ERROR(ForEachEk(reader, [&](const Slot& slot, const LoadedEk& ek) {
    endorsement.keys.push_back(
        {Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(ek.area), NameOf(ek.area), slot.certificate});
    return false;
  }));
  ASSIGN_OR_RETURN(endorsement.chain, reader.Chain());
  return endorsement;
}

Result<Bytes> ActivateCredential(Context& context, ByteView ek_name, const WrappedKey& ak,
                                 const Credential& credential) {
  ASSIGN_OR_RETURN(const auto blob, (Unmarshal<TPM2B_ID_OBJECT, Tss2_MU_TPM2B_ID_OBJECT_Unmarshal>(
                                        credential.blob, "TPM2B_ID_OBJECT")));
  ASSIGN_OR_RETURN(const auto secret,
                   (Unmarshal<TPM2B_ENCRYPTED_SECRET, Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal>(
                       credential.encrypted_secret, "TPM2B_ENCRYPTED_SECRET")));
  EndorsementReader reader(context);
  Result<Bytes> released =
      Fail(Code::kNotFound, "EK_UNKNOWN",
           "this TPM has no endorsement key " + Hex(ek_name) + ": it is another node's");
  RETURN_IF_ERROR(ForEachEk(reader, [&](const Slot&, const LoadedEk& ek) {
    if (!std::ranges::equal(NameOf(ek.area), ek_name)) return false;
    released = Activate(context, ek, ak, blob, secret);
    return true;
  }));
  return released;
}

}  // namespace seaworthy::tpm
