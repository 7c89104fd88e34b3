#include <cerrno>

#include "modules/volumes/crypt_device.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

bool IsThere(crypt_token_info state) {
  return state != CRYPT_TOKEN_INVALID && state != CRYPT_TOKEN_INACTIVE;
}

bool NoneIsFree(crypt_device* handle) {
  for (int token = 0; token < crypt_token_max(CRYPT_LUKS2); ++token) {
    if (!IsThere(crypt_token_status(handle, token, nullptr))) return false;
  }
  return true;
}

Status CheckToken(CryptDevice& device, int token) {
  if (token >= 0 && IsThere(crypt_token_status(device.get(), token, nullptr))) return {};
  return Fail(Code::kNotFound, "TOKEN_NOT_FOUND",
              device.shown_as() + ": has no token " + std::to_string(token));
}

}  // namespace

std::vector<Token> Luks::Tokens() const {
  crypt_device* const handle = device_->get();
  std::vector<Token> tokens;
  for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); ++id) {
    const char* type = nullptr;
    if (!IsThere(crypt_token_status(handle, id, &type))) continue;
    Token token = {.id = id, .type = type != nullptr ? type : "", .keyslots = {}};
    for (int keyslot = 0; keyslot < crypt_keyslot_max(CRYPT_LUKS2); ++keyslot) {
      if (crypt_token_is_assigned(handle, id, keyslot) == 0) token.keyslots.push_back(keyslot);
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Result<std::string> Luks::TokenJson(int token) const {
  RETURN_IF_ERROR(CheckToken(*device_, token));
  const char* json = nullptr;
  RETURN_IF_ERROR(
      device_
          ->Call("read a token",
                 [&](crypt_device* handle) { return crypt_token_json_get(handle, token, &json); })
          .status());
  return std::string(json);
}

Result<int> Luks::SetToken(const std::string& json, std::optional<int> token) {
  if (token && (*token < 0 || *token >= crypt_token_max(CRYPT_LUKS2))) {
    return Fail(Code::kInvalidArgument, "TOKEN_NUMBER", "token: is not a number from 0 to 31");
  }
  // The library has one error for this and for a token that is none.
  if (!token && NoneIsFree(device_->get())) {
    return Fail(Code::kResourceExhausted, "TOKENS_FULL",
                device_->shown_as() + ": all " + std::to_string(crypt_token_max(CRYPT_LUKS2)) +
                    " tokens of the header are in use");
  }
  Result<int> set = device_->Change("write a token", [&](crypt_device* handle) {
    return crypt_token_json_set(handle, token.value_or(CRYPT_ANY_TOKEN), json.c_str());
  });
  if (Reason(set.status()) == "DISK_FULL") {
    std::uint64_t metadata = 0;
    std::uint64_t keyslots = 0;
    crypt_get_metadata_size(device_->get(), &metadata, &keyslots);
    return Fail(Code::kResourceExhausted, "TOKEN_AREA_FULL",
                device_->shown_as() + ": a token of " + std::to_string(json.size()) +
                    " bytes does not fit into the header, whose copies have " +
                    std::to_string(metadata) + " bytes each");
  }
  if (Reason(set.status()) == "LUKS_REFUSED") {
    return Fail(Code::kInvalidArgument, "TOKEN_MALFORMED", Message(set.status()));
  }
  return set;
}

Status Luks::RemoveToken(int token) {
  RETURN_IF_ERROR(CheckToken(*device_, token));
  return device_
      ->Change("remove a token",
               [&](crypt_device* handle) { return crypt_token_json_set(handle, token, nullptr); })
      .status();
}

Status Luks::AssignToken(int token, int keyslot) {
  RETURN_IF_ERROR(CheckToken(*device_, token));
  return device_
      ->Call(
          "assign a token",
          [&](crypt_device* handle) { return crypt_token_assign_keyslot(handle, token, keyslot); })
      .status();
}

Status Luks::UnassignToken(int token, int keyslot) {
  RETURN_IF_ERROR(CheckToken(*device_, token));
  return device_
      ->Change("unassign a token",
               [&](crypt_device* handle) {
                 return crypt_token_unassign_keyslot(handle, token, keyslot);
               })
      .status();
}

}  // namespace seaworthy::volumes
