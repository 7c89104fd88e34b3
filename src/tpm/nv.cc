#include "tpm/nv.h"

#include <algorithm>
#include <cstdio>

#include "seaworthy/status_macros.h"
#include "tpm/capability.h"
#include "tpm/rc.h"

namespace seaworthy::tpm {
namespace {

// What every TPM hands out in one TPM2_NV_Read, when it does not say how much it can.
constexpr std::uint32_t kSmallestBuffer = 512;

std::string NameOf(TPM2_HANDLE index) {
  char text[32];
  std::snprintf(text, sizeof(text), "NV index 0x%08x", index);
  return text;
}

Status Unreadable(TPM2_HANDLE index, std::string_view why) {
  return Fail(Code::kFailedPrecondition, "EK_NV_UNREADABLE",
              NameOf(index) + " " + std::string(why));
}

Result<std::uint32_t> BufferSize(Context& context) {
  std::uint32_t size = 0;
  RETURN_IF_ERROR(ForEachPart(context, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1,
                              [&](const TPMU_CAPABILITIES& data) {
                                const TPML_TAGGED_TPM_PROPERTY& list = data.tpmProperties;
                                if (list.count > 0 &&
                                    list.tpmProperty[0].property == TPM2_PT_NV_BUFFER_MAX) {
                                  size = list.tpmProperty[0].value;
                                }
                                return 0U;
                              }));
  return size == 0 ? kSmallestBuffer : std::min<std::uint32_t>(size, TPM2_MAX_NV_BUFFER_SIZE);
}

struct NvPublic {
  std::size_t size = 0;
  ESYS_TR authorization = ESYS_TR_NONE;
};

Result<NvPublic> ReadNvPublic(Context& context, TPM2_HANDLE index, ESYS_TR handle) {
  TPM2B_NV_PUBLIC* read = nullptr;
  RETURN_IF_ERROR(context.Check(Esys_NV_ReadPublic(context.esys(), handle, ESYS_TR_NONE,
                                                   ESYS_TR_NONE, ESYS_TR_NONE, &read, nullptr),
                                "TPM2_NV_ReadPublic"));
  const EsysPtr<TPM2B_NV_PUBLIC> owner(read);
  const TPMA_NV attributes = read->nvPublic.attributes;
  if ((attributes & TPMA_NV_WRITTEN) == 0) return Unreadable(index, "was never written");
  if ((attributes & TPMA_NV_READLOCKED) != 0) return Unreadable(index, "is locked for reading");
  NvPublic result{.size = read->nvPublic.dataSize, .authorization = handle};
  // Without noDA a try with the empty value of an index that has another one counts, and a few
  // of them lock the TPM (part 1, 19.8); the owner's authorization never counts.
  constexpr TPMA_NV kByAnybody = TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;
  if ((attributes & kByAnybody) == kByAnybody) return result;
  if ((attributes & TPMA_NV_OWNERREAD) == 0) {
    return Unreadable(index, "can be read neither by anybody (authRead, noDA) nor by the owner");
  }
  result.authorization = ESYS_TR_RH_OWNER;
  return result;
}

}  // namespace

Result<std::vector<TPM2_HANDLE>> ListHandles(Context& context, TPM2_HANDLE first,
                                             TPM2_HANDLE last) {
  std::vector<TPM2_HANDLE> handles;
  RETURN_IF_ERROR(ForEachPart(context, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES,
                              [&](const TPMU_CAPABILITIES& data) -> std::uint32_t {
                                const TPML_HANDLE& list = data.handles;
                                for (std::uint32_t i = 0; i < list.count; ++i) {
                                  if (list.handle[i] > last) return 0;
                                  handles.push_back(list.handle[i]);
                                }
                                return list.count == 0 ? 0 : list.handle[list.count - 1] + 1;
                              }));
  return handles;
}

Result<Bytes> ReadNv(Context& context, TPM2_HANDLE index, std::size_t cap) {
  ESYS_TR handle = ESYS_TR_NONE;
  RETURN_IF_ERROR(context.Check(Esys_TR_FromTPMPublic(context.esys(), index, ESYS_TR_NONE,
                                                      ESYS_TR_NONE, ESYS_TR_NONE, &handle),
                                "TPM2_NV_ReadPublic"));
  const NvIndex nv(context, handle);
  ASSIGN_OR_RETURN(const NvPublic area, ReadNvPublic(context, index, handle));
  if (area.size > cap) {
    return Fail(Code::kFailedPrecondition, "EK_NV_TOO_LARGE",
                NameOf(index) + " has " + std::to_string(area.size) + " bytes; at most " +
                    std::to_string(cap) + " are read");
  }
  ASSIGN_OR_RETURN(const std::uint32_t step, BufferSize(context));
  Bytes content;
  while (content.size() < area.size) {
    const auto offset = static_cast<UINT16>(content.size());
    const auto size = static_cast<UINT16>(std::min<std::size_t>(step, area.size - offset));
    TPM2B_MAX_NV_BUFFER* part = nullptr;
    const TSS2_RC rc = Esys_NV_Read(context.esys(), area.authorization, handle, ESYS_TR_PASSWORD,
                                    ESYS_TR_NONE, ESYS_TR_NONE, size, offset, &part);
    if (FromTpm(rc) && (BaseCode(rc) == TPM2_RC_AUTH_FAIL || BaseCode(rc) == TPM2_RC_BAD_AUTH)) {
      return Unreadable(index, "wants an authorization value");
    }
    RETURN_IF_ERROR(context.Check(rc, "TPM2_NV_Read"));
    const EsysPtr<TPM2B_MAX_NV_BUFFER> owner(part);
    if (part->size != size) return Unreadable(index, "answers with fewer bytes than it has");
    content.insert(content.end(), part->buffer, part->buffer + part->size);
  }
  return content;
}

}  // namespace seaworthy::tpm
