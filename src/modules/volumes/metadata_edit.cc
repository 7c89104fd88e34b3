#include "modules/volumes/metadata_edit.h"

#include "modules/volumes/crypt_device.h"
#include "modules/volumes/metadata_write.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {

using nlohmann::json;

Status EditMetadata(Luks& luks, const std::function<void(json& metadata)>& edit) {
  CryptDevice& device = luks.device();
  const char* dumped = nullptr;
  const auto dump = [&](crypt_device* handle) { return crypt_dump_json(handle, &dumped, 0); };
  RETURN_IF_ERROR(device.Call("read the metadata", dump).status());
  json metadata = json::parse(dumped, nullptr, false);
  if (!metadata.is_object() || !metadata["tokens"].is_object() || !metadata["config"].is_object()) {
    return Fail(Code::kFailedPrecondition, "LUKS_HEADER_MALFORMED",
                device.path() + ": the metadata are not those of LUKS2");
  }
  edit(metadata);
  const std::string path = device.path();
  const std::string header = device.header_path();
  RETURN_IF_ERROR(
      ReplaceMetadata(header, metadata.dump(-1, ' ', false, json::error_handler_t::replace)));
  ASSIGN_OR_RETURN(luks, Luks::Open(path, header == path ? "" : header));
  return {};
}

Status WriteToken(Luks& luks, int token, const std::string& text) {
  const json content = json::parse(text, nullptr, false);
  if (!content.is_object()) {
    return Fail(Code::kInvalidArgument, "TOKEN_MALFORMED", "token: is no JSON object");
  }
  return EditMetadata(luks,
                      [&](json& metadata) { metadata["tokens"][std::to_string(token)] = content; });
}

}  // namespace seaworthy::volumes
