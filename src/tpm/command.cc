#include "tpm/command.h"

#include <array>

#include "tpm/marshal.h"

namespace seaworthy::tpm {
namespace {

constexpr std::size_t kHeaderSize = 10;  // tag, size, code
// As many as ESYS sends.
constexpr int kAttempts = 5;

void Append(const Bytes& bytes, Bytes& to) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes ToBytes(const Command& command, const std::vector<TPMS_AUTH_COMMAND>& auths) {
  Bytes body;
  for (const Entity& entity : command.entities) Append(Marshal(entity.handle), body);
  Bytes area;
  for (const TPMS_AUTH_COMMAND& auth : auths) {
    Append(Marshal<Tss2_MU_TPMS_AUTH_COMMAND_Marshal>(auth), area);
  }
  if (!auths.empty()) Append(Marshal(static_cast<std::uint32_t>(area.size())), body);
  Append(area, body);
  Append(command.parameters, body);
  Bytes bytes = Marshal(auths.empty() ? TPM2_ST_NO_SESSIONS : TPM2_ST_SESSIONS);
  Append(Marshal(static_cast<std::uint32_t>(kHeaderSize + body.size())), bytes);
  Append(Marshal(command.code), bytes);
  Append(body, bytes);
  return bytes;
}

TSS2_RC Exchange(Context& context, const Bytes& command, Bytes& response) {
  TSS2_TCTI_CONTEXT* const tcti = context.tcti();
  const auto& table = *reinterpret_cast<const TSS2_TCTI_CONTEXT_COMMON_V1*>(tcti);
  const TSS2_RC sent = table.transmit(tcti, command.size(), command.data());
  if (sent != TSS2_RC_SUCCESS) return sent;
  std::size_t size = TPM2_MAX_RESPONSE_SIZE;
  response.resize(size);
  const TSS2_RC received = table.receive(tcti, &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK);
  response.resize(std::min(response.size(), size));
  return received;
}

// TPM 2.0 part 1, 39.4: to be sent once more.
bool IsForNow(TSS2_RC rc) {
  return rc == TPM2_RC_RETRY || rc == TPM2_RC_YIELDED || rc == TPM2_RC_TESTING;
}

// Takes what it reads off the beginning of `rest`.
template <auto Function, class T>
bool Take(ByteView& rest, T& value) {
  std::size_t used = 0;
  if (Function(rest.data(), rest.size(), &used, &value) != TSS2_RC_SUCCESS) return false;
  rest = rest.subspan(used);
  return true;
}

}  // namespace

TSS2_RC ParseResponse(ByteView bytes, const ResponseForm& form, Response& response) {
  constexpr TSS2_RC kMalformed = TSS2_ESYS_RC_MALFORMED_RESPONSE;
  ByteView rest = bytes;
  TPM2_ST tag = 0;
  UINT32 size = 0;
  UINT32 code = 0;
  if (!Take<Tss2_MU_TPM2_ST_Unmarshal>(rest, tag) || !Take<Tss2_MU_UINT32_Unmarshal>(rest, size) ||
      !Take<Tss2_MU_UINT32_Unmarshal>(rest, code) || size != bytes.size()) {
    return kMalformed;
  }
  if (code != TPM2_RC_SUCCESS) return code;
  if (tag != (form.auths == 0 ? TPM2_ST_NO_SESSIONS : TPM2_ST_SESSIONS)) return kMalformed;
  if (form.has_handle && !Take<Tss2_MU_UINT32_Unmarshal>(rest, response.handle)) return kMalformed;
  std::size_t parameters = rest.size();
  if (form.auths != 0) {
    if (!Take<Tss2_MU_UINT32_Unmarshal>(rest, size) || size > rest.size()) return kMalformed;
    parameters = size;
  }
  response.parameters.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(parameters));
  rest = rest.subspan(parameters);
  response.auths.resize(form.auths);
  for (TPMS_AUTH_RESPONSE& auth : response.auths) {
    if (!Take<Tss2_MU_TPMS_AUTH_RESPONSE_Unmarshal>(rest, auth)) return kMalformed;
  }
  return rest.empty() ? TSS2_RC_SUCCESS : kMalformed;
}

TPMS_AUTH_COMMAND EmptyPassword() {
  TPMS_AUTH_COMMAND auth = {};
  auth.sessionHandle = TPM2_RS_PW;
  auth.sessionAttributes = TPMA_SESSION_CONTINUESESSION;
  return auth;
}

TSS2_RC Send(Context& context, const Command& command, const std::vector<TPMS_AUTH_COMMAND>& auths,
             bool has_handle, Response& response) {
  const Bytes bytes = ToBytes(command, auths);
  TSS2_RC rc = TSS2_RC_SUCCESS;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Bytes answer;
    rc = Exchange(context, bytes, answer);
    if (rc != TSS2_RC_SUCCESS) return rc;
    rc = ParseResponse(answer, {.has_handle = has_handle, .auths = auths.size()}, response);
    if (!IsForNow(rc)) return rc;
  }
  return rc;
}

LoadedObject::~LoadedObject() {
  // As Handle does.
  if (context_ == nullptr || context_->broken()) return;
  const Command flush = {.code = TPM2_CC_FlushContext, .entities = {object_}, .parameters = {}};
  Response response;
  (void)context_->Check(Send(*context_, flush, {}, false, response), "TPM2_FlushContext");
}

}  // namespace seaworthy::tpm
