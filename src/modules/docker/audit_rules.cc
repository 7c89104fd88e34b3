#include "modules/docker/audit_rules.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// The kernel has no limit of its own.
constexpr std::size_t kMaxRules = 20'000;
constexpr std::size_t kMaxMessage = std::size_t{512} << 10;  // 64 texts of PATH_MAX, and the rest

constexpr std::uint32_t kAllPermissions =
    AUDIT_PERM_EXEC | AUDIT_PERM_WRITE | AUDIT_PERM_READ | AUDIT_PERM_ATTR;

// Of a field with a text, the value is the text's length in the rule's buffer.
bool IsText(std::uint32_t field) {
  switch (field) {
    case AUDIT_SUBJ_USER:
    case AUDIT_SUBJ_ROLE:
    case AUDIT_SUBJ_TYPE:
    case AUDIT_SUBJ_SEN:
    case AUDIT_SUBJ_CLR:
    case AUDIT_OBJ_USER:
    case AUDIT_OBJ_ROLE:
    case AUDIT_OBJ_TYPE:
    case AUDIT_OBJ_LEV_LOW:
    case AUDIT_OBJ_LEV_HIGH:
    case AUDIT_WATCH:
    case AUDIT_DIR:
    case AUDIT_EXE:
    case AUDIT_FILTERKEY:
      return true;
    default:
      return false;
  }
}

Status Malformed(std::string_view what) {
  return Fail(Code::kInvalidArgument, "AUDIT_RULE_MALFORMED",
              "a rule of the kernel's audit: " + std::string(what));
}

// What auditctl writes for "all"; the last word is for classes of calls, which the kernel takes
// apart into the others.
bool AllSystemCalls(const audit_rule_data& rule) {
  return std::all_of(rule.mask, rule.mask + AUDIT_BITMASK_SIZE - 1,
                     [](std::uint32_t word) { return word == ~0U; });
}

void TakeField(std::uint32_t field, std::uint32_t value, bool equal, std::string_view text,
               AuditWatch& watch) {
  if (field == AUDIT_FILTERKEY) return;
  if (field == AUDIT_WATCH || field == AUDIT_DIR) {
    if (!watch.path.empty()) watch.narrowed = true;
    watch.path = text;
    watch.folder = field == AUDIT_DIR;
  } else if (field == AUDIT_PERM) {
    watch.permissions &= value;
  } else if (field == AUDIT_ARCH && watch.architecture == 0) {
    watch.architecture = value;
  } else {
    watch.narrowed = true;
  }
  if (!equal) watch.narrowed = true;
}

}  // namespace

Result<std::optional<AuditWatch>> ParseAuditRule(ByteView bytes) {
  audit_rule_data rule = {};
  if (bytes.size() < sizeof(rule)) return Malformed("is shorter than one");
  std::memcpy(&rule, bytes.data(), sizeof(rule));
  std::string_view texts = AsText(bytes.subspan(sizeof(rule)));
  if (rule.buflen > texts.size()) return Malformed("its texts are longer than it is");
  if (rule.field_count > AUDIT_MAX_FIELDS) return Malformed("has too many fields");
  texts = texts.substr(0, rule.buflen);

  AuditWatch watch;
  watch.permissions = kAllPermissions;
  watch.never = rule.action == AUDIT_NEVER;
  for (std::uint32_t i = 0; i < rule.field_count; ++i) {
    std::string_view text;
    if (IsText(rule.fields[i])) {
      if (rule.values[i] > texts.size()) return Malformed("a text is longer than all of them");
      text = texts.substr(0, rule.values[i]);
      texts.remove_prefix(text.size());
    }
    const bool is_path = rule.fields[i] == AUDIT_WATCH || rule.fields[i] == AUDIT_DIR;
    if (is_path && (!text.starts_with('/') || text.size() >= PATH_MAX ||
                    text.find('\0') != std::string_view::npos)) {
      return Malformed("the path that it watches is none");
    }
    const bool equal = (rule.fieldflags[i] & AUDIT_OPERATORS) == AUDIT_EQUAL;
    TakeField(rule.fields[i], rule.values[i], equal, text, watch);
  }

  const std::uint32_t list = rule.flags & ~static_cast<std::uint32_t>(AUDIT_FILTER_PREPEND);
  const bool of_calls = list == AUDIT_FILTER_EXIT;
  // A task that is left out when it is made is looked at in none of its calls.
  const bool of_tasks = list == AUDIT_FILTER_TASK && watch.never;
  if (!of_calls && !of_tasks) return std::optional<AuditWatch>();
  if (!watch.never && rule.action != AUDIT_ALWAYS) return std::optional<AuditWatch>();
  if (of_calls && !AllSystemCalls(rule)) watch.narrowed = true;
  if (watch.path.empty()) {
    if (!watch.never) return std::optional<AuditWatch>();
    watch.path = "/";
    watch.folder = true;
  }
  return std::optional(std::move(watch));
}

namespace {

struct Message {
  std::uint16_t type = 0;
  Bytes payload;
};

// One conversation with the kernel's audit.
class AuditSocket {
 public:
  static Result<AuditSocket> Open() {
    AuditSocket audit(
        UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT)));
    if (!audit.fd_) return Failed(errno, "open a netlink socket");
    return audit;
  }

  Status Ask(std::uint16_t type) {
    nlmsghdr request = {};
    request.nlmsg_len = NLMSG_LENGTH(0);
    request.nlmsg_type = type;
    request.nlmsg_flags = NLM_F_REQUEST;
    request.nlmsg_seq = ++sequence_;
    sockaddr_nl kernel = {};
    kernel.nl_family = AF_NETLINK;
    if (sendto(fd_.get(), &request, sizeof(request), 0, reinterpret_cast<sockaddr*>(&kernel),
               sizeof(kernel)) < 0) {
      return Failed(errno, "ask");
    }
    return {};
  }

  // The next answer to what was asked last; an error is a Status.
  Result<Message> Next(Deadline deadline) {
    for (;;) {
      RETURN_IF_ERROR(WaitForMessage(deadline));
      sockaddr_nl sender = {};
      socklen_t size = sizeof(sender);
      const ssize_t got = recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&sender), &size);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got < 0) return Failed(errno, "receive");
      if (static_cast<std::size_t>(got) > buffer_.size()) return Malformed("is too long");
      // Processes may send to each other over netlink; the kernel is 0.
      if (sender.nl_pid != 0) continue;
      nlmsghdr header = {};
      if (static_cast<std::size_t>(got) < sizeof(header)) continue;
      std::memcpy(&header, buffer_.data(), sizeof(header));
      if (header.nlmsg_seq != sequence_) continue;
      return Take(header.nlmsg_type,
                  ByteView(buffer_.data(), static_cast<std::size_t>(got)).subspan(sizeof(header)));
    }
  }

 private:
  explicit AuditSocket(UniqueFd fd) : fd_(std::move(fd)), buffer_(kMaxMessage) {}

  // In a container the kernel answers with ECONNREFUSED; a kernel without audit does not even take
  // the question.
  static Status Failed(int error, const std::string& what) {
    if (error == EPERM || error == EACCES) return NotPermitted();
    if (error == EPROTONOSUPPORT || error == EAFNOSUPPORT || error == ECONNREFUSED) {
      return Fail(Code::kUnavailable, "AUDIT_RULES", "the kernel has no audit");
    }
    return FromErrno(error, "the kernel's audit: " + what);
  }

  static Status NotPermitted() {
    return Fail(Code::kPermissionDenied, "AUDIT_RULES",
                "the kernel's audit rules may only be read with CAP_AUDIT_CONTROL and in no "
                "container");
  }

  Status WaitForMessage(Deadline deadline) const {
    pollfd ready = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    for (;;) {
      const int left =
          static_cast<int>(std::min<std::int64_t>(TimeLeft(deadline).count(), INT_MAX));
      const int count = poll(&ready, 1, left);
      if (count > 0) return {};
      if (count == 0) {
        return Fail(Code::kDeadlineExceeded, "AUDIT_RULES",
                    "the kernel did not tell its audit rules in time");
      }
      if (errno != EINTR) return FromErrno(errno, "wait for the kernel's audit");
    }
  }

  static Result<Message> Take(std::uint16_t type, ByteView payload) {
    if (type == NLMSG_ERROR) {
      nlmsgerr error = {};
      if (payload.size() < sizeof(error)) return Malformed("an error without a number");
      std::memcpy(&error, payload.data(), sizeof(error));
      if (error.error == -ECONNREFUSED) return NotPermitted();
      if (error.error != 0) return Failed(-error.error, "answer");
    }
    return Message{.type = type, .payload = Bytes(payload.begin(), payload.end())};
  }

  UniqueFd fd_;
  Bytes buffer_;
  std::uint32_t sequence_ = 0;
};

Result<bool> ReadEnabled(Deadline deadline, AuditSocket& audit) {
  RETURN_IF_ERROR(audit.Ask(AUDIT_GET));
  for (;;) {
    ASSIGN_OR_RETURN(const Message message, audit.Next(deadline));
    if (message.type != AUDIT_GET) continue;
    // Older kernels tell less than audit_status has today; the field is in all of them.
    std::uint32_t enabled = 0;
    constexpr std::size_t kAt = offsetof(audit_status, enabled);
    if (message.payload.size() < kAt + sizeof(enabled)) return Malformed("its state is too short");
    std::memcpy(&enabled, message.payload.data() + kAt, sizeof(enabled));
    return enabled != 0;
  }
}

}  // namespace

Result<AuditRules> ReadAuditRules(Deadline deadline) {
  ASSIGN_OR_RETURN(AuditSocket audit, AuditSocket::Open());
  AuditRules rules;
  ASSIGN_OR_RETURN(rules.enabled, ReadEnabled(deadline, audit));
  RETURN_IF_ERROR(audit.Ask(AUDIT_LIST_RULES));
  for (std::size_t count = 0; count <= kMaxRules; ++count) {
    ASSIGN_OR_RETURN(const Message message, audit.Next(deadline));
    if (message.type == NLMSG_DONE) return rules;
    if (message.type != AUDIT_LIST_RULES) continue;
    ASSIGN_OR_RETURN(std::optional<AuditWatch> watch, ParseAuditRule(message.payload));
    if (watch) rules.watches.push_back(*std::move(watch));
  }
  return Fail(Code::kResourceExhausted, "AUDIT_RULES",
              "the kernel has more than " + std::to_string(kMaxRules) + " audit rules");
}

}  // namespace seaworthy::docker
