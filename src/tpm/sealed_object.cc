#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"
#include "tpm/marshal.h"
#include "tpm/public_key.h"

namespace seaworthy::tpm {
namespace {

// IESYSC_KEY_RSRC: what Esys_TR_Serialize() says of an object.
constexpr std::uint32_t kKeyResource = 1;
constexpr std::size_t kMaxSerializedSrk = 1024;

Status Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_SEALED_OBJECT",
              "the sealed object " + std::string(why));
}

// What follows the size that a TPM2B begins with, taken off `rest` with its size.
Result<ByteView> TakeTpm2b(ByteView& rest, std::string_view what) {
  const std::size_t size = rest.size() < 2 ? 0 : std::size_t{rest[0]} << 8 | rest[1];
  if (rest.size() < 2 + size) return Invalid("ends within its " + std::string(what));
  const ByteView taken = rest.first(2 + size);
  rest = rest.subspan(2 + size);
  return taken;
}

}  // namespace

Result<SealedObject> ParseSealedObject(ByteView blob) {
  if (blob.size() > kMaxSealedObject) return Invalid("is too large");
  ByteView rest = blob;
  ASSIGN_OR_RETURN(const ByteView private_area, TakeTpm2b(rest, "TPM2B_PRIVATE"));
  ASSIGN_OR_RETURN(const ByteView public_area, TakeTpm2b(rest, "TPM2B_PUBLIC"));
  if (!rest.empty()) {
    ASSIGN_OR_RETURN(const ByteView seed, TakeTpm2b(rest, "TPM2B_ENCRYPTED_SECRET"));
    if (!rest.empty()) return Invalid("has bytes after its end");
    if (seed.size() > 2) {
      return Fail(Code::kUnimplemented, "SEALED_OBJECT_IMPORT",
                  "the sealed object was made outside of the TPM (systemd's --tpm2-device-key) and "
                  "is to be imported first");
    }
  }
  SealedObject object{Bytes(private_area.begin(), private_area.end()),
                      Bytes(public_area.begin(), public_area.end())};
  if (!ParsePrivate(object.private_area).ok() || private_area.size() == 2) {
    return Invalid("has no TPM2B_PRIVATE");
  }
  const Result<TPM2B_PUBLIC> parsed = ParsePublic(object.public_area);
  if (!parsed.ok()) return Invalid("has no TPM2B_PUBLIC");
  if (parsed->publicArea.type != TPM2_ALG_KEYEDHASH) return Invalid("is a key");
  if (parsed->publicArea.nameAlg != TPM2_ALG_SHA256) {
    return Fail(Code::kUnimplemented, "SEALED_OBJECT_UNSUPPORTED",
                "the sealed object has a name algorithm other than SHA-256");
  }
  return object;
}

Bytes ToBlob(const SealedObject& object) {
  Bytes blob = object.private_area;
  blob.insert(blob.end(), object.public_area.begin(), object.public_area.end());
  return blob;
}

Result<Bytes> ReadSrkName(ByteView serialized) {
  std::size_t at = 0;
  UINT32 handle = 0;
  UINT32 type = 0;
  TPM2B_NAME name = {};
  TPM2B_PUBLIC area = {};
  const bool parses =
      serialized.size() <= kMaxSerializedSrk &&
      Tss2_MU_UINT32_Unmarshal(serialized.data(), serialized.size(), &at, &handle) == 0 &&
      Tss2_MU_TPM2B_NAME_Unmarshal(serialized.data(), serialized.size(), &at, &name) == 0 &&
      Tss2_MU_UINT32_Unmarshal(serialized.data(), serialized.size(), &at, &type) == 0 &&
      type == kKeyResource &&
      Tss2_MU_TPM2B_PUBLIC_Unmarshal(serialized.data(), serialized.size(), &at, &area) == 0 &&
      at == serialized.size();
  if (!parses || Bytes(name.name, name.name + name.size) != NameOf(area.publicArea)) {
    return Fail(Code::kInvalidArgument, "INVALID_SRK",
                "tpm2_srk: is no key in the form of Esys_TR_Serialize()");
  }
  return Bytes(name.name, name.name + name.size);
}

}  // namespace seaworthy::tpm
