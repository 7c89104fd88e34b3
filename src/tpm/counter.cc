#include "seaworthy/tpm/counter.h"

#include <algorithm>
#include <cstdio>

#include "seaworthy/status_macros.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/nv.h"
#include "tpm/rc.h"
#include "tpm/salted_session.h"
#include "tpm/session.h"

namespace seaworthy::tpm {
namespace {

constexpr std::uint16_t kSize = 8;

// noDA: the authorization value is empty, there is nothing to guess.
constexpr TPMA_NV kAttributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_OWNERWRITE |
                                TPMA_NV_OWNERREAD | TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD |
                                TPMA_NV_NO_DA;

std::string NameOf(TPM2_HANDLE index) {
  char text[32];
  std::snprintf(text, sizeof(text), "counter 0x%08x", index);
  return text;
}

Result<TPM2_HANDLE> FreeIndex(Context& context) {
  ASSIGN_OR_RETURN(const std::vector<TPM2_HANDLE> taken,
                   ListHandles(context, kFirstCounter, kLastCounter));
  for (TPM2_HANDLE index = kFirstCounter; index <= kLastCounter; ++index) {
    if (std::ranges::find(taken, index) == taken.end()) return index;
  }
  return Fail(Code::kResourceExhausted, "NO_FREE_INDEX",
              "all NV indices from 0x01815700 to 0x018157ff are taken");
}

TPM2B_NV_PUBLIC PublicAreaOf(TPM2_HANDLE index, TPMA_NV further) {
  TPM2B_NV_PUBLIC area = {};
  area.nvPublic.nvIndex = index;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = kAttributes | further;
  area.nvPublic.dataSize = kSize;
  return area;
}

// The hash of its public area: of a counter that was counted, or of one that was not yet.
Bytes CounterName(TPM2_HANDLE index, TPMA_NV further = TPMA_NV_WRITTEN) {
  const TPM2B_NV_PUBLIC area = PublicAreaOf(index, further);
  const Bytes digest =
      Digest(HashAlgorithm::kSha256, {Marshal<Tss2_MU_TPMS_NV_PUBLIC_Marshal>(area.nvPublic)});
  Bytes name(2 + digest.size());
  name[0] = TPM2_ALG_SHA256 >> 8;
  name[1] = TPM2_ALG_SHA256 & 0xff;
  std::ranges::copy(digest, name.begin() + 2);
  return name;
}

Result<Bytes> TpmNameOf(Context& context, ESYS_TR handle) {
  TPM2B_NAME* name = nullptr;
  RETURN_IF_ERROR(context.Check(Esys_TR_GetName(context.esys(), handle, &name), "get name"));
  const EsysPtr<TPM2B_NAME> owner(name);
  return Bytes(name->name, name->name + name->size);
}

Status Undefined(TPM2_HANDLE index) {
  return Fail(Code::kNotFound, "COUNTER_UNDEFINED",
              "the TPM has no " + NameOf(index) + ": it was deleted, or the TPM cleared");
}

// The bus may lie about the name, but then the TPM refuses what is asked in a session, which
// covers the name.
Status CheckName(TPM2_HANDLE index, ByteView name) {
  const Bytes wanted = CounterName(index);
  if (std::ranges::equal(name, wanted)) return {};
  return Fail(Code::kFailedPrecondition, "COUNTER_REPLACED",
              NameOf(index) + " is another NV index now: its name is " + Hex(name) + ", and was " +
                  Hex(wanted));
}

bool IsHandleError(TSS2_RC rc) { return FromTpm(rc) && BaseCode(rc) == TPM2_RC_HANDLE; }

enum class Counted : std::uint8_t { kYes, kPerhaps };

Result<NvIndex> Open(Context& context, TPM2_HANDLE nv_index, Counted counted) {
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC rc = Esys_TR_FromTPMPublic(context.esys(), nv_index, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &handle);
  if (IsHandleError(rc)) return Undefined(nv_index);
  RETURN_IF_ERROR(context.Check(rc, "TPM2_NV_ReadPublic"));
  NvIndex index(context, handle);
  ASSIGN_OR_RETURN(const Bytes name, TpmNameOf(context, handle));
  if (counted == Counted::kPerhaps && name == CounterName(nv_index, 0)) return index;
  RETURN_IF_ERROR(CheckName(nv_index, name));
  return index;
}

// The same for commands that do not go by ESYS. Looked at first, although the session would tell:
// to be tried with an empty value another index might count as an attack.
Result<Entity> Find(Context& context, TPM2_HANDLE nv_index) {
  const Command ask = {
      .code = TPM2_CC_NV_ReadPublic, .entities = {{nv_index, {}}}, .parameters = {}};
  Response response;
  const TSS2_RC rc = Send(context, ask, {}, false, response);
  if (IsHandleError(rc)) return Undefined(nv_index);
  RETURN_IF_ERROR(context.Check(rc, "TPM2_NV_ReadPublic"));
  TPM2B_NV_PUBLIC area = {};
  TPM2B_NAME name = {};
  std::size_t used = 0;
  if (Tss2_MU_TPM2B_NV_PUBLIC_Unmarshal(response.parameters.data(), response.parameters.size(),
                                        &used, &area) != TSS2_RC_SUCCESS ||
      Tss2_MU_TPM2B_NAME_Unmarshal(response.parameters.data(), response.parameters.size(), &used,
                                   &name) != TSS2_RC_SUCCESS) {
    return context.Check(TSS2_ESYS_RC_MALFORMED_RESPONSE, "TPM2_NV_ReadPublic");
  }
  Bytes found(name.name, name.name + name.size);
  RETURN_IF_ERROR(CheckName(nv_index, found));
  return Entity{nv_index, std::move(found)};
}

Result<std::uint64_t> ToNumber(ByteView content) {
  if (content.size() != kSize) {
    return Fail(Code::kInternal, "TPM_ERROR", "TPM2_NV_Read: a counter does not have 8 bytes");
  }
  std::uint64_t value = 0;
  for (const std::uint8_t byte : content) value = value << 8 | byte;
  return value;
}

Status Increment(Context& context, ESYS_TR index, ESYS_TR session) {
  return context.Check(
      Esys_NV_Increment(context.esys(), index, index, session, ESYS_TR_NONE, ESYS_TR_NONE),
      "TPM2_NV_Increment");
}

Result<std::uint64_t> Read(Context& context, ESYS_TR index, ESYS_TR session) {
  TPM2B_MAX_NV_BUFFER* content = nullptr;
  RETURN_IF_ERROR(context.Check(Esys_NV_Read(context.esys(), index, index, session, ESYS_TR_NONE,
                                             ESYS_TR_NONE, kSize, 0, &content),
                                "TPM2_NV_Read"));
  const EsysPtr<TPM2B_MAX_NV_BUFFER> owner(content);
  return ToNumber({content->buffer, content->size});
}

Status Undefine(Context& context, ESYS_TR index, ESYS_TR session) {
  return context.Check(Esys_NV_UndefineSpace(context.esys(), ESYS_TR_RH_OWNER, index, session,
                                             ESYS_TR_NONE, ESYS_TR_NONE),
                       "TPM2_NV_UndefineSpace");
}

}  // namespace

Result<std::uint32_t> DefineCounter(Context& context, const BeforeCounter& before) {
  ASSIGN_OR_RETURN(const TPM2_HANDLE free, FreeIndex(context));
  if (before) RETURN_IF_ERROR(before(free));
  const TPM2B_NV_PUBLIC wanted = PublicAreaOf(free, 0);
  const TPM2B_AUTH empty = {};
  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC rc = Esys_NV_DefineSpace(context.esys(), ESYS_TR_RH_OWNER, session.get(),
                                         ESYS_TR_NONE, ESYS_TR_NONE, &empty, &wanted, &handle);
  if (IsAuthFailure(rc)) return OwnerAuthSet("TPM2_NV_DefineSpace");
  RETURN_IF_ERROR(context.Check(rc, "TPM2_NV_DefineSpace"));
  const NvIndex index(context, handle);
  // The first count is what sets its beginning, and "written", which is part of the name.
  if (Status counted = Increment(context, handle, session.get()); !counted.ok()) {
    (void)Undefine(context, handle, session.get());
    return counted;
  }
  return free;
}

Result<std::uint64_t> ReadCounter(SaltedSession& session, std::uint32_t counter,
                                  Afterwards afterwards) {
  Context& context = session.state().context();
  ASSIGN_OR_RETURN(const Entity index, Find(context, counter));
  // It authorizes its reading itself. Size, and offset.
  const Command read = {.code = TPM2_CC_NV_Read,
                        .entities = {index, index},
                        .parameters = {0, std::uint8_t{kSize}, 0, 0}};
  SecretBytes content;
  ASSIGN_OR_RETURN(const TSS2_RC rc, session.state().Run(read, {}, afterwards, content));
  RETURN_IF_ERROR(context.Check(rc, "TPM2_NV_Read"));
  return ToNumber(content.view());
}

Result<std::uint64_t> IncrementCounter(Context& context, std::uint32_t counter) {
  ASSIGN_OR_RETURN(const NvIndex index, Open(context, counter, Counted::kYes));
  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  RETURN_IF_ERROR(Increment(context, index.get(), session.get()));
  return Read(context, index.get(), session.get());
}

Status DeleteCounter(Context& context, std::uint32_t counter) {
  ASSIGN_OR_RETURN(const NvIndex index, Open(context, counter, Counted::kPerhaps));
  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  return Undefine(context, index.get(), session.get());
}

}  // namespace seaworthy::tpm
