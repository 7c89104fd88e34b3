// Rules given to this machine's kernel, and taken back.
#include "modules/docker/audit_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "seaworthy/handle.h"
#include "support/audit_rule.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::AnyOf;
using testing::AuditRule;
using ::testing::SizeIs;

constexpr std::uint32_t kWa = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;

Deadline Soon() { return DeadlineIn(std::chrono::seconds(20)); }

// The kernel's answer: 0, or an errno.
int Tell(std::uint16_t type, const Bytes& payload) {
  const UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
  if (!fd) return errno;
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(payload.size()));
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  Bytes message(NLMSG_SPACE(payload.size()));
  std::memcpy(message.data(), &header, sizeof(header));
  if (!payload.empty()) std::memcpy(message.data() + NLMSG_HDRLEN, payload.data(), payload.size());
  if (send(fd.get(), message.data(), message.size(), 0) < 0) return errno;
  pollfd ready = {.fd = fd.get(), .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, 20'000) != 1) return ETIMEDOUT;
  Bytes answer(8192);
  if (recv(fd.get(), answer.data(), answer.size(), 0) < 0) return errno;
  std::memcpy(&header, answer.data(), sizeof(header));
  nlmsgerr error = {};
  std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof(error));
  return header.nlmsg_type == NLMSG_ERROR ? -error.error : EPROTO;
}

// In a container, or where the rules are locked, the kernel takes none: then it is seen that it
// says so.
class KernelsAuditRules : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const Bytes& rule : added_) EXPECT_EQ(Tell(AUDIT_DEL_RULE, rule), 0);
  }

  // Whether the kernel took all of them.
  bool Add(const std::vector<AuditRule>& rules) {
    const auto read = ReadAuditRules(Soon());
    if (!read.ok()) {
      EXPECT_EQ(Reason(read.status()), "AUDIT_RULES") << read.status();
      EXPECT_THAT(read.status().code(), AnyOf(Code::kPermissionDenied, Code::kUnavailable));
      return false;
    }
    for (const AuditRule& rule : rules) {
      const int error = Tell(AUDIT_ADD_RULE, rule.Encode());
      EXPECT_TRUE(error == 0 || error == EPERM) << std::strerror(error);
      if (error != 0) return false;
      added_.push_back(rule.Encode());
    }
    return true;
  }

  // What the kernel has for the test's folder.
  std::vector<AuditWatch> Watches() const {
    const auto rules = ReadAuditRules(Soon());
    EXPECT_TRUE(rules.ok()) << rules.status();
    std::vector<AuditWatch> watches;
    if (!rules.ok()) return watches;
    std::ranges::copy_if(rules->watches, std::back_inserter(watches), [&](const AuditWatch& watch) {
      return watch.path.starts_with(folder_.path().string());
    });
    return watches;
  }

  const testing::TempRoot folder_;
  std::vector<Bytes> added_;
};

TEST_F(KernelsAuditRules, AreReadAsTheyWereGiven) {
  // In the forms of "-w FILE -p wa -k docker", "-w FOLDER", and with a condition.
  if (!Add({AuditRule()
                .Text(AUDIT_WATCH, folder_ / "file")
                .Number(AUDIT_PERM, kWa)
                .Text(AUDIT_FILTERKEY, "docker"),
            AuditRule().Text(AUDIT_DIR, folder_.path()).Number(AUDIT_PERM, 15),
            AuditRule().Text(AUDIT_WATCH, folder_ / "narrow").Number(AUDIT_LOGINUID, 1000),
            AuditRule().Text(AUDIT_WATCH, folder_ / "call").SystemCall(2),
            AuditRule()
                .Number(AUDIT_ARCH, AUDIT_ARCH_X86_64)
                .Text(AUDIT_WATCH, folder_ / "wide")
                .Number(AUDIT_PERM, AUDIT_PERM_WRITE),
            AuditRule().Action(AUDIT_NEVER).Text(AUDIT_WATCH, folder_ / "never")})) {
    return;
  }
  std::vector<AuditWatch> watches = Watches();
  ASSERT_THAT(watches, SizeIs(6));
  std::ranges::sort(watches, {}, &AuditWatch::path);
  const auto expect = [&](std::size_t at, const std::string& path) {
    EXPECT_EQ(watches[at].path, path);
    return watches[at];
  };
  const AuditWatch all = expect(0, folder_.path());
  EXPECT_TRUE(all.folder);
  EXPECT_EQ(all.permissions, 15U);
  EXPECT_FALSE(all.narrowed);
  EXPECT_TRUE(expect(1, folder_ / "call").narrowed);
  const AuditWatch file = expect(2, folder_ / "file");
  EXPECT_FALSE(file.folder);
  EXPECT_EQ(file.permissions, kWa);
  EXPECT_FALSE(file.narrowed);
  EXPECT_FALSE(file.never);
  EXPECT_TRUE(expect(3, folder_ / "narrow").narrowed);
  EXPECT_TRUE(expect(4, folder_ / "never").never);
  const AuditWatch wide = expect(5, folder_ / "wide");
  EXPECT_EQ(wide.architecture, static_cast<std::uint32_t>(AUDIT_ARCH_X86_64));
  EXPECT_FALSE(wide.narrowed);
}

TEST_F(KernelsAuditRules, ManyOfThem) {
  constexpr std::size_t kMany = 100;
  std::vector<AuditRule> rules;
  for (std::size_t i = 0; i < kMany; ++i) {
    rules.push_back(AuditRule().Text(AUDIT_WATCH, folder_ / std::to_string(i)));
  }
  if (!Add(rules)) return;
  EXPECT_THAT(Watches(), SizeIs(kMany));
}

TEST(AuditRulesOfAnUnprivilegedProcess, AreNotPermitted) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    const auto rules = ReadAuditRules(Soon());
    const bool refused = rules.status().code() == Code::kPermissionDenied ||
                         rules.status().code() == Code::kUnavailable;
    _exit(refused && Reason(rules.status()) == "AUDIT_RULES" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace seaworthy::docker
