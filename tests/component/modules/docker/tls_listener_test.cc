// The probe beside openssl's server, told what to accept.
#include "modules/docker/tls_listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "seaworthy/handle.h"
#include "support/program.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;

Deadline Soon() { return DeadlineIn(std::chrono::seconds(30)); }

// A socket of this process that listens at a free port of 127.0.0.1.
class OwnListener {
 public:
  OwnListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  int fd() const { return fd_.get(); }
  void Close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

// `openssl s_server` with a certificate of its own, until the object goes.
class OpensslServer {
 public:
  explicit OpensslServer(const std::vector<std::string>& options) {
    const auto made = testing::OutputOf(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=t "
        "-keyout " +
        root_ / "key" + " -out " + root_ / "cert" + " 2>&1");
    EXPECT_EQ(made.status, 0) << made.text;
    OwnListener free;
    port_ = free.port();
    free.Close();
    std::vector<std::string> arguments = {
        "openssl", "s_server",     "-accept", "127.0.0.1:" + std::to_string(port_),
        "-cert",   root_ / "cert", "-key",    root_ / "key",
        "-CAfile", root_ / "cert", "-www",    "-quiet"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    }
    EXPECT_EQ(posix_spawnp(&pid_, "openssl", &actions, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~OpensslServer() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  OpensslServer(const OpensslServer&) = delete;
  OpensslServer& operator=(const OpensslServer&) = delete;

  // As soon as it listens.
  Result<TlsAnswer> Probe() const {
    const Deadline deadline = Soon();
    for (;;) {
      Result<TlsAnswer> answer = ProbeTlsListener(deadline, "127.0.0.1", port_);
      if (Reason(answer.status()) != "TLS_LISTENER_ABSENT" || TimeLeft(deadline).count() == 0) {
        return answer;
      }
      std::this_thread::yield();
    }
  }

 private:
  const testing::TempRoot root_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

TEST(TlsListener, AllVersionsAndSuitesOfOneThatTakesAll) {
  const Result<TlsAnswer> answer = OpensslServer({"-cipher", "ALL:@SECLEVEL=0"}).Probe();
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->tls);
  EXPECT_THAT(answer->versions, ElementsAre("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"));
  EXPECT_THAT(answer->cbc_suites, Contains("ECDHE-ECDSA-AES128-SHA"));
  EXPECT_THAT(answer->cbc_suites, Contains("ECDHE-ECDSA-AES256-SHA384"));
  EXPECT_THAT(answer->cbc_suites, Not(Contains("ECDHE-ECDSA-AES128-GCM-SHA256")));
  EXPECT_FALSE(answer->asks_certificate);
  EXPECT_FALSE(answer->insists_on_certificate);
}

TEST(TlsListener, WhatIsNotAcceptedIsNotIn) {
  const Result<TlsAnswer> answer =
      OpensslServer(
          {"-no_tls1_3", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA"})
          .Probe();
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->versions, ElementsAre("TLSv1.2"));
  EXPECT_THAT(answer->cbc_suites, ElementsAre("ECDHE-ECDSA-AES256-SHA"));
  const Result<TlsAnswer> newest = OpensslServer({"-tls1_3"}).Probe();
  ASSERT_THAT(newest, IsOk());
  EXPECT_THAT(newest->versions, ElementsAre("TLSv1.3"));
  EXPECT_THAT(newest->cbc_suites, IsEmpty());
}

// Under TLS 1.3 the handshake of a client without a certificate ends well, and then the server
// closes; asking and insisting look the same until then.
TEST(TlsListener, AskingForACertificateIsNotInsistingOnIt) {
  for (const auto& [version, name] : {std::pair("-tls1_2", "TLSv1.2"), {"-tls1_3", "TLSv1.3"}}) {
    const Result<TlsAnswer> asks = OpensslServer({version, "-verify", "1"}).Probe();
    ASSERT_THAT(asks, IsOk());
    EXPECT_TRUE(asks->asks_certificate) << version;
    EXPECT_FALSE(asks->insists_on_certificate) << version;
    const Result<TlsAnswer> insists = OpensslServer({version, "-Verify", "1"}).Probe();
    ASSERT_THAT(insists, IsOk());
    EXPECT_THAT(insists->versions, ElementsAre(name));
    EXPECT_TRUE(insists->asks_certificate) << version;
    EXPECT_TRUE(insists->insists_on_certificate) << version;
  }
}

TEST(TlsListener, NobodyAndOneWhoNeverAnswers) {
  OwnListener silent;
  EXPECT_THAT(
      ProbeTlsListener(DeadlineIn(std::chrono::milliseconds(100)), "127.0.0.1", silent.port()),
      Fails(Code::kDeadlineExceeded, "TLS_LISTENER_TIMEOUT"));
  silent.Close();
  EXPECT_THAT(ProbeTlsListener(Soon(), "127.0.0.1", silent.port()),
              Fails(Code::kUnavailable, "TLS_LISTENER_ABSENT"));
  EXPECT_THAT(ProbeTlsListener(Soon(), "localhost", silent.port()),
              Fails(Code::kInvalidArgument, "TLS_LISTENER_ADDRESS"));
}

// Answers each connection with the same words, and closes.
TlsProbe ProbeOneThatSays(std::string_view words) {
  OwnListener listener;
  std::thread server([&] {
    for (;;) {
      const UniqueFd peer(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      char request[4096];
      if (recv(peer.get(), request, sizeof(request), 0) < 0) continue;
      (void)send(peer.get(), words.data(), words.size(), MSG_NOSIGNAL);
    }
  });
  std::vector<TlsProbe> probes =
      ProbeTlsListeners(Soon(), {{Listener::Kind::kUnix, "/run/docker.sock", 0},
                                 {Listener::Kind::kTcp, "127.0.0.1", listener.port()}});
  shutdown(listener.fd(), SHUT_RDWR);
  server.join();
  EXPECT_EQ(probes.size(), 1U);
  return std::move(probes.front());
}

TEST(TlsListener, PlainHttpAndWhatIsNeither) {
  const TlsProbe http = ProbeOneThatSays("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_THAT(http.answer, IsOk());
  EXPECT_FALSE(http.answer->tls);
  EXPECT_THAT(http.answer->versions, IsEmpty());
  EXPECT_THAT(ProbeOneThatSays("220 mail.example ESMTP\r\n").answer,
              Fails(Code::kFailedPrecondition, "TLS_LISTENER_FOREIGN"));
  EXPECT_THAT(ProbeOneThatSays("").answer,
              Fails(Code::kFailedPrecondition, "TLS_LISTENER_FOREIGN"));
}

// An alert is TLS, if no version of it: a fatal protocol_version.
TEST(TlsListener, RefusesAllVersions) {
  using namespace std::string_view_literals;
  const TlsProbe probe = ProbeOneThatSays("\x15\x03\x01\x00\x02\x02\x46"sv);
  ASSERT_THAT(probe.answer, IsOk());
  EXPECT_TRUE(probe.answer->tls);
  EXPECT_THAT(probe.answer->versions, IsEmpty());
  EXPECT_FALSE(probe.answer->insists_on_certificate);
}

}  // namespace
}  // namespace seaworthy::docker
