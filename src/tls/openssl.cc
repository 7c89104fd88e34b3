#include "seaworthy/tls/openssl.h"

#include <openssl/err.h>

#include <algorithm>
#include <string>

namespace seaworthy::tls {
namespace {

// A Status in OpenSSL's queue: library ERR_LIB_USER, this plus the code as the reason, and
// "REASON: message" as the text.
constexpr int kStatusBase = 1000;
constexpr std::string_view kSeparator = ": ";

bool IsStatus(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_USER && ERR_GET_REASON(error) > kStatusBase;
}

Status ToStatus(unsigned long error, std::string_view text, std::string_view what) {
  const std::size_t end = std::min(text.find(kSeparator), text.size());
  const std::string_view message = text.substr(std::min(end + kSeparator.size(), text.size()));
  return Fail(Code{ERR_GET_REASON(error) - kStatusBase}, text.substr(0, end),
              std::string(what) + ": " + std::string(message));
}

}  // namespace

void RaiseStatus(const Status& status) {
  ERR_raise_data(ERR_LIB_USER, kStatusBase + static_cast<int>(status.code()), "%s: %s",
                 Reason(status).c_str(), Message(status).c_str());
}

Status FromOpenssl(Code code, std::string_view reason, std::string_view what) {
  std::string message(what);
  std::string_view separator = ": ";
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long error = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    if (IsStatus(error)) {
      Status status = ToStatus(error, data, what);
      ERR_clear_error();
      return status;
    }
    const char* text = ERR_reason_error_string(error);
    message += separator;
    message += text != nullptr ? std::string(text) : "error " + std::to_string(error);
    if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
      message += ": ";
      message += data;
    }
    separator = "; ";
  }
  return Fail(code, reason, message);
}

}  // namespace seaworthy::tls
