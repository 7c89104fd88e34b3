#include "tpm/srk.h"

#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/public_key.h"

namespace seaworthy::tpm {
namespace {

constexpr char kPinFile[] = "srk.name";
constexpr std::size_t kMaxPin = 256;

constexpr TPMA_OBJECT kSrkAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                       TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;

// As the TCG's guidance has it: the templates H-2 and H-1 of its EK Credential Profile with a
// storage key's attributes.
TPM2B_PUBLIC SrkTemplate(bool ecc) {
  TPM2B_PUBLIC key = StorageKeyTemplate(ecc);
  TPMT_PUBLIC& area = key.publicArea;
  area.objectAttributes |= TPMA_OBJECT_NODA;
  if (ecc) {
    area.unique.ecc.x.size = 32;
    area.unique.ecc.y.size = 32;
  } else {
    area.unique.rsa.size = 256;
  }
  return key;
}

Status CheckSuitable(const TPMT_PUBLIC& area) {
  const bool ecc =
      area.type == TPM2_ALG_ECC && area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256;
  const bool rsa = area.type == TPM2_ALG_RSA && area.parameters.rsaDetail.keyBits >= 2048;
  const TPMT_SYM_DEF_OBJECT& symmetric = area.type == TPM2_ALG_ECC
                                             ? area.parameters.eccDetail.symmetric
                                             : area.parameters.rsaDetail.symmetric;
  std::string wrong;
  if (!ecc && !rsa)
    wrong = "is neither ECC P-256 nor RSA-2048";
  else if ((area.objectAttributes & kSrkAttributes) != kSrkAttributes ||
           (area.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0)
    wrong = "has not a storage root key's attributes";
  else if (area.nameAlg != TPM2_ALG_SHA256)
    wrong = "has another name algorithm than SHA-256";
  else if (symmetric.algorithm != TPM2_ALG_AES)
    wrong = "does not protect its children with AES";
  if (wrong.empty()) return {};
  return Fail(Code::kFailedPrecondition, "SRK_UNSUITABLE",
              "the key at TPM handle 0x81000001 " + wrong +
                  "; remove it (tpm2_evictcontrol -C o -c 0x81000001) if nothing on this node "
                  "needs it, and one will be made");
}

// Without a key at the handle there is nothing to compare yet: handle ESYS_TR_NONE.
Result<ESYS_TR> OpenPersistent(Context& context) {
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC rc = Esys_TR_FromTPMPublic(context.esys(), kSrkHandle, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &handle);
  if (FromTpm(rc) && BaseCode(rc) == TPM2_RC_HANDLE) return ESYS_TR_NONE;
  RETURN_IF_ERROR(context.Check(rc, "read the storage root key"));
  return handle;
}

Result<Bytes> NameOf(Context& context, ESYS_TR handle) {
  TPM2B_NAME* name = nullptr;
  RETURN_IF_ERROR(context.Check(Esys_TR_GetName(context.esys(), handle, &name), "get name"));
  const EsysPtr<TPM2B_NAME> owner(name);
  return Bytes(name->name, name->name + name->size);
}

Result<Handle> CreatePrimary(Context& context) {
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  ESYS_TR handle = ESYS_TR_NONE;
  TSS2_RC rc = TSS2_RC_SUCCESS;
  for (const bool ecc : {true, false}) {
    const TPM2B_PUBLIC key = SrkTemplate(ecc);
    rc = Esys_CreatePrimary(context.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &sensitive, &key, &outside, &creation, &handle, nullptr,
                            nullptr, nullptr, nullptr);
    const bool no_such_algorithm =
        FromTpm(rc) && (BaseCode(rc) == TPM2_RC_CURVE || BaseCode(rc) == TPM2_RC_TYPE ||
                        BaseCode(rc) == TPM2_RC_ASYMMETRIC || BaseCode(rc) == TPM2_RC_VALUE);
    if (!no_such_algorithm) break;
  }
  RETURN_IF_ERROR(context.Check(rc, "TPM2_CreatePrimary"));
  return Handle(context, handle);
}

Status ComparePin(const std::optional<Bytes>& pinned, const Bytes& name,
                  const std::string& state_dir) {
  if (!pinned.has_value() || *pinned == name) return {};
  return Fail(Code::kFailedPrecondition, "TPM_REPLACED",
              "this TPM's storage root key is " + Hex(name) + ", but the node is pinned to " +
                  Hex(*pinned) +
                  ": the TPM was cleared or replaced, something sits on its bus, "
                  "or this state folder is another node's. Keys made before can't be used. If "
                  "the change is intended, move " +
                  state_dir + "/" + kPinFile +
                  " and the keys made before away and restart seaworthyd");
}

Result<std::optional<Bytes>> ReadPin(const Directory& directory) {
  Result<Bytes> text = directory.Read(kPinFile, kMaxPin);
  if (text.status().code() == Code::kNotFound) return std::optional<Bytes>();
  RETURN_IF_ERROR(text.status());
  std::string_view hex = AsText(*text);
  if (hex.ends_with('\n')) hex.remove_suffix(1);
  Result<Bytes> name = ParseHex(hex);
  if (!name.ok() || name->size() != 2 + DigestSize(HashAlgorithm::kSha256)) {
    return Fail(Code::kFailedPrecondition, "STATE_DAMAGED",
                directory.path() + "/" + kPinFile + ": is not a TPM name in hex");
  }
  return std::optional<Bytes>(*name);
}

// Makes the key and keeps it at its handle; a TPM that is not the pinned one is not written to.
Result<ESYS_TR> Provision(Context& context, const std::optional<Bytes>& pinned,
                          const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Handle primary, CreatePrimary(context));
  ASSIGN_OR_RETURN(const Bytes name, NameOf(context, primary.get()));
  RETURN_IF_ERROR(ComparePin(pinned, name, state_dir));
  ESYS_TR persistent = ESYS_TR_NONE;
  RETURN_IF_ERROR(context.Check(
      Esys_EvictControl(context.esys(), ESYS_TR_RH_OWNER, primary.get(), ESYS_TR_PASSWORD,
                        ESYS_TR_NONE, ESYS_TR_NONE, kSrkHandle, &persistent),
      "TPM2_EvictControl"));
  Log(Level::kNotice, "made the storage root key at 0x81000001, name " + Hex(name));
  return persistent;
}

}  // namespace

TPM2B_PUBLIC StorageKeyTemplate(bool ecc) {
  TPM2B_PUBLIC key = {};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = ecc ? TPM2_ALG_ECC : TPM2_ALG_RSA;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kSrkAttributes;
  TPMT_SYM_DEF_OBJECT& symmetric =
      ecc ? area.parameters.eccDetail.symmetric : area.parameters.rsaDetail.symmetric;
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  if (ecc) {
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
    area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  } else {
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = 2048;
  }
  return key;
}

Status FindSrk(Context& context, const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Directory directory, Directory::Create(state_dir));
  ASSIGN_OR_RETURN(const std::optional<Bytes> pinned, ReadPin(directory));
  ASSIGN_OR_RETURN(ESYS_TR srk, OpenPersistent(context));
  if (srk == ESYS_TR_NONE) {
    ASSIGN_OR_RETURN(srk, Provision(context, pinned, state_dir));
  }

  TPM2B_PUBLIC* read = nullptr;
  RETURN_IF_ERROR(context.Check(Esys_ReadPublic(context.esys(), srk, ESYS_TR_NONE, ESYS_TR_NONE,
                                                ESYS_TR_NONE, &read, nullptr, nullptr),
                                "TPM2_ReadPublic"));
  const EsysPtr<TPM2B_PUBLIC> public_area(read);
  RETURN_IF_ERROR(CheckSuitable(public_area->publicArea));
  ASSIGN_OR_RETURN(Bytes name, NameOf(context, srk));
  // ESYS has read it before, and the bus may have said something else then.
  if (name != NameOf(public_area->publicArea)) {
    return Fail(Code::kInternal, "TPM_RESPONSE_FORGED",
                "TPM2_ReadPublic: twice asked for the storage root key the TPM names two");
  }
  RETURN_IF_ERROR(ComparePin(pinned, name, state_dir));
  if (!pinned.has_value()) {
    RETURN_IF_ERROR(directory.Replace(kPinFile, AsBytes(Hex(name) + "\n")));
  }
  context.set_srk(srk, std::move(name), public_area->publicArea);
  return {};
}

}  // namespace seaworthy::tpm
