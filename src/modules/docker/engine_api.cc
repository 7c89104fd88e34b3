#include "modules/docker/engine_api.h"

#include <curl/curl.h>

#include <algorithm>
#include <climits>
#include <mutex>
#include <optional>

#include "modules/docker/engine_json.h"
#include "seaworthy/handle.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

using nlohmann::json;

namespace {

// Of a node with some hundred containers and images, "/images/json" is below a MiB.
constexpr std::size_t kMaxAnswer = std::size_t{64} << 20;
constexpr std::size_t kMaxWords = 1000;  // of an error that is told on
constexpr std::size_t kMaxEvent = std::size_t{1} << 20;

using Headers = CPtr<curl_slist, curl_slist_free_all>;
using Multi = CPtr<CURLM, curl_multi_cleanup>;

void* MakeHandle() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_NOTHING); });
  return curl_easy_init();
}

json Parse(std::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

int Milliseconds(Deadline until) {
  return static_cast<int>(std::min<std::int64_t>(TimeLeft(until).count(), INT_MAX));
}

Code CodeOf(long status) {
  switch (status) {
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kFailedPrecondition;
    default:
      return status >= 500 ? Code::kInternal : Code::kInvalidArgument;
  }
}

}  // namespace

struct EngineApi::Call {
  const char* method = "GET";
  const std::string& path;
  std::string_view content_type = {};
  std::string_view body = {};
  std::string answer = {};
  // Of a stream: what takes each line, and whether it has had enough.
  const std::function<bool(const json&)>* next = nullptr;
  const Besides* besides = nullptr;
  bool enough = false;
  bool too_long = false;
  long status = 0;

  static std::size_t Take(char* data, std::size_t size, std::size_t count, void* self);
  std::size_t TakeLines(std::size_t took);
  // In turns with what is looked after besides.
  CURLcode Stream(CURL* curl, Deadline deadline);
};

// What it returns else than what it was given ends the transfer.
std::size_t EngineApi::Call::Take(char* data, std::size_t size, std::size_t count, void* self) {
  auto& call = *static_cast<Call*>(self);
  const std::size_t bytes = size * count;
  if (call.answer.size() + bytes > (call.next != nullptr ? kMaxEvent : kMaxAnswer)) {
    call.too_long = true;
    return 0;
  }
  call.answer.append(data, bytes);
  return call.next != nullptr ? call.TakeLines(bytes) : bytes;
}

std::size_t EngineApi::Call::TakeLines(std::size_t took) {
  for (std::size_t end = 0; (end = answer.find('\n')) != std::string::npos;) {
    const json line = Parse(std::string_view(answer).substr(0, end));
    answer.erase(0, end + 1);
    if (line.is_object() && !(*next)(line)) {
      enough = true;
      return 0;
    }
  }
  return took;
}

CURLcode EngineApi::Call::Stream(CURL* curl, Deadline deadline) {
  const Multi multi(curl_multi_init());
  if (!multi || curl_multi_add_handle(multi.get(), curl) != CURLM_OK) return CURLE_FAILED_INIT;
  std::vector<curl_waitfd> waited;
  for (const int descriptor : besides->descriptors) {
    waited.push_back({.fd = descriptor, .events = CURL_WAIT_POLLIN, .revents = 0});
  }
  CURLcode code = CURLE_OPERATION_TIMEDOUT;
  while (TimeLeft(deadline).count() > 0) {
    int running = 0;
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK || running == 0) {
      int left = 0;
      const CURLMsg* const message = curl_multi_info_read(multi.get(), &left);
      code = message == nullptr ? CURLE_RECV_ERROR : message->data.result;
      break;
    }
    Deadline wake = deadline;
    if (besides->look) {
      curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
      const std::optional<Deadline> again = besides->look(status == 200);
      enough = !again;
      if (enough) break;
      wake = std::min(wake, *again);
    }
    curl_multi_poll(multi.get(), waited.data(), static_cast<unsigned>(waited.size()),
                    Milliseconds(wake), nullptr);
  }
  curl_multi_remove_handle(multi.get(), curl);
  return code;
}

EngineApi::EngineApi(std::string socket)
    : socket_(std::move(socket)), curl_(MakeHandle(), curl_easy_cleanup) {}
EngineApi::~EngineApi() = default;
EngineApi::EngineApi(EngineApi&&) noexcept = default;

Status EngineApi::Perform(Deadline deadline, Call& call) {
  const Status late =
      Fail(Code::kDeadlineExceeded, "ENGINE_TIMEOUT",
           socket_ + ": the engine did not answer " + call.method + " " + call.path + " in time");
  if (TimeLeft(deadline).count() == 0) return late;
  CURL* const curl = curl_.get();
  if (curl == nullptr) return Fail(Code::kInternal, "ENGINE_API", "libcurl does not start");
  curl_easy_reset(curl);  // keeps the connection
  const std::string url = "http://engine" + call.path;
  const std::string type = "Content-Type: " + std::string(call.content_type);
  // Without "Expect", for which curl waits a second.
  Headers headers(curl_slist_append(nullptr, "Expect:"));
  if (!call.content_type.empty()) curl_slist_append(headers.get(), type.c_str());
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // whatever the environment says
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // libcurl counts in 32 bits. A stream has no end of its own.
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   call.besides != nullptr ? 0L : static_cast<long>(Milliseconds(deadline)));
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  if (!call.content_type.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call.body.data());
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Call::Take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &call);
  const CURLcode code =
      call.besides != nullptr ? call.Stream(curl, deadline) : curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call.status);
  if (call.enough) return {};
  if (call.too_long) {
    return Fail(Code::kResourceExhausted, "ENGINE_ANSWER_TOO_LONG",
                socket_ + ": the answer to " + call.path + " is too long");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return late;
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
      code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE) {
    return Fail(Code::kUnavailable, "ENGINE_ABSENT",
                socket_ + ": no engine answers there: " + curl_easy_strerror(code));
  }
  if (code != CURLE_OK) {
    return Fail(Code::kInternal, "ENGINE_ANSWER_MALFORMED",
                socket_ + ": " + call.path + ": " + curl_easy_strerror(code));
  }
  if (call.status < 400) return {};
  const std::string words = Text(At(Parse(call.answer), {"message"}));
  return Fail(CodeOf(call.status), "ENGINE_REFUSED",
              socket_ + ": " + call.method + " " + call.path + ": " +
                  (words.empty() ? "HTTP status " + std::to_string(call.status)
                                 : ToPlainText(words.substr(0, kMaxWords))));
}

Result<json> EngineApi::Get(Deadline deadline, const std::string& path) {
  Call call{.path = path};
  RETURN_IF_ERROR(Perform(deadline, call));
  json answer = Parse(call.answer);
  if (answer.is_discarded()) {
    return Fail(Code::kInternal, "ENGINE_ANSWER_MALFORMED",
                socket_ + ": the answer to " + path + " is no JSON");
  }
  return answer;
}

Result<json> EngineApi::Post(Deadline deadline, const std::string& path, const json& body) {
  // Texts of a container that are no UTF-8 are none of ours to send on.
  const std::string text =
      body.is_null() ? "" : body.dump(-1, ' ', false, json::error_handler_t::replace);
  return PostRaw(deadline, path, "application/json", text);
}

Result<json> EngineApi::PostRaw(Deadline deadline, const std::string& path,
                                std::string_view content_type, std::string_view body) {
  Call call{.method = "POST", .path = path, .content_type = content_type, .body = body};
  RETURN_IF_ERROR(Perform(deadline, call));
  json answer = Parse(call.answer);
  return answer.is_discarded() ? json() : answer;
}

Status EngineApi::Delete(Deadline deadline, const std::string& path) {
  Call call{.method = "DELETE", .path = path};
  return Perform(deadline, call);
}

Status EngineApi::Ping(Deadline deadline) {
  const std::string path = "/_ping";
  Call call{.path = path};
  RETURN_IF_ERROR(Perform(deadline, call));
  if (call.answer == "OK") return {};
  return Fail(Code::kInternal, "ENGINE_ANSWER_MALFORMED",
              socket_ + ": who listens there is no engine");
}

Status EngineApi::Follow(Deadline deadline, const std::string& path,
                         const std::function<bool(const json&)>& next, const Besides& besides) {
  Call call{.path = path, .next = &next, .besides = &besides};
  const Status status = Perform(deadline, call);
  const bool over = Reason(status) == "ENGINE_TIMEOUT" && call.status == 200;
  return over ? Status() : status;
}

std::string UrlEncode(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

}  // namespace seaworthy::docker
