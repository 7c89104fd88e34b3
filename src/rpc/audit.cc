#include "seaworthy/rpc/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::rpc {
namespace {

// Foreign text (targets, SANs) is bounded where it enters; this bounds what it becomes.
constexpr std::size_t kMaxText = 1024;

// RFC 3339, UTC, microseconds.
std::string ToText(std::chrono::system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since).count();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(micros % 1'000'000));
  return text;
}

std::string Cut(const std::string& text) { return text.substr(0, kMaxText); }

std::string ToLine(const AuditRecord& record) {
  nlohmann::ordered_json json;
  json["time"] = ToText(record.time);
  json["request_id"] = record.request_id;
  json["role"] = ToString(record.role);
  json["peer"] = Cut(record.peer);
  json["method"] = record.method;
  json["target"] = Cut(record.target);
  json["outcome"] = record.outcome;
  json["code"] = record.code;
  json["reason"] = record.reason;
  json["message"] = Cut(record.message);
  // Bytes that are no UTF-8 become U+FFFD instead of an exception.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool ToJournal(const AuditRecord& record) {
  return LogToJournal(record.outcome == "refused" ? Level::kWarning : Level::kNotice,
                      "audit: " + record.method + " " + record.outcome +
                          (record.reason.empty() ? "" : " (" + record.reason + ")"),
                      {{"SEAWORTHY_REQUEST_ID", record.request_id},
                       {"SEAWORTHY_ROLE", std::string(ToString(record.role))},
                       {"SEAWORTHY_PEER", Cut(record.peer)},
                       {"SEAWORTHY_METHOD", record.method},
                       {"SEAWORTHY_TARGET", Cut(record.target)},
                       {"SEAWORTHY_OUTCOME", record.outcome},
                       {"SEAWORTHY_CODE", record.code},
                       {"SEAWORTHY_REASON", record.reason},
                       {"SEAWORTHY_DETAIL", Cut(record.message)}});
}

struct File {
  UniqueFd fd;
  // The last line has no end: a write was cut short, now or in an earlier life.
  bool torn = false;
};

Result<File> OpenFile(const std::string& path) {
  // Reading is for the check of the last byte only. O_NONBLOCK: a FIFO must not hold us up.
  File file;
  file.fd.reset(
      open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file.fd) return FromErrno(errno, "open audit file " + path);
  struct stat stat = {};
  if (fstat(file.fd.get(), &stat) != 0) return FromErrno(errno, "stat audit file " + path);
  if (!S_ISREG(stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE",
                "audit file " + path + ": is not a regular file");
  }
  char last = '\n';
  if (stat.st_size > 0 && pread(file.fd.get(), &last, 1, stat.st_size - 1) != 1) {
    return FromErrno(errno, "read audit file " + path);
  }
  file.torn = last != '\n';
  return file;
}

}  // namespace

class AuditLog::State {
 public:
  State(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}

  bool has_file() const { return !path_.empty(); }

  Status Append(std::string line) {
    const std::lock_guard lock(mutex_);
    if (file_.torn) line.insert(line.begin(), '\n');
    ssize_t written = 0;
    do {
      written = write(file_.fd.get(), line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    if (written == static_cast<ssize_t>(line.size())) {
      file_.torn = false;
      health_ = Status();
      return health_;
    }
    file_.torn = file_.torn || written > 0;
    const Status cause = FromErrno(written < 0 ? errno : ENOSPC, "write audit file " + path_);
    health_ = Fail(Code::kUnavailable, "AUDIT_FAILED", Message(cause));
    return health_;
  }

  Status Reopen() {
    if (path_.empty()) return {};
    ASSIGN_OR_RETURN(File file, OpenFile(path_));
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    return {};
  }

  Status health() {
    const std::lock_guard lock(mutex_);
    return health_;
  }

 private:
  const std::string path_;
  std::mutex mutex_;  // guards what follows
  File file_;
  Status health_;
};

AuditLog::AuditLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
AuditLog::~AuditLog() = default;

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  File file;
  if (!path.empty()) {
    ASSIGN_OR_RETURN(file, OpenFile(path));
  }
  return std::unique_ptr<AuditLog>(new AuditLog(std::make_unique<State>(path, std::move(file))));
}

Status AuditLog::Write(const AuditRecord& record) {
  const bool in_journal = ToJournal(record);
  if (state_->has_file()) return state_->Append(ToLine(record));
  // In the foreground without a file: the line has to be somewhere.
  if (!in_journal) std::fputs(ToLine(record).c_str(), stderr);
  return {};
}

Status AuditLog::Reopen() { return state_->Reopen(); }

Status AuditLog::health() const { return state_->health(); }

}  // namespace seaworthy::rpc
