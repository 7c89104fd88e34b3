// A front with software keys, and behind it an echo or a socket for the test to hold.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "seaworthy/tls/front.h"
#include "support/front_client.h"
#include "support/status_matchers.h"

namespace seaworthy::testing {

class FrontFixture : public ::testing::Test {
 protected:
  static tls::Front::Limits Generous() {
    tls::Front::Limits limits;
    limits.connections = 1000;
    limits.connections_per_source = 1000;
    limits.handshakes_per_second = 1e6;
    limits.handshakes_per_second_per_source = 1e6;
    return limits;
  }

  tls::Front::Credentials Credentials(int min_version = TLS1_3_VERSION) {
    tls::Front::Credentials credentials;
    server_key_ = NewEcKey();
    server_certificate_ = ca_.Certify(server_key_.get());
    credentials.certificate_chain_pem = ToPem(server_certificate_.get());
    EVP_PKEY_up_ref(server_key_.get());
    credentials.key.reset(server_key_.get());
    credentials.client_ca_pem = SoftwareCa("Another client CA").pem() + ca_.pem();
    credentials.min_version = min_version;
    return credentials;
  }

  void StartFront(const tls::Front::Limits& limits = Generous(), int min_version = TLS1_3_VERSION) {
    tls::Front::Options options;
    options.listen = "127.0.0.1:0";
    options.limits = limits;
    options.connect = [this](const tls::ClientIdentity& identity) { return Connect(identity); };
    options.refused = [this](const std::string& address, const std::string& reason,
                             const std::string& message) {
      const std::scoped_lock lock(mutex_);
      refused_.push_back({address, reason, message});
      changed_.notify_all();
    };
    auto front = tls::Front::Start(std::move(options), Credentials(min_version));
    ASSERT_THAT(front, IsOk());
    front_ = *std::move(front);
  }

  ClientOptions Good() {
    return {.certificate = client_certificate_.get(), .key = client_key_.get()};
  }

  std::unique_ptr<FrontClient> Client(const ClientOptions& options) {
    return std::make_unique<FrontClient>(front_->port(), ca_.certificate.get(), options);
  }

  // The reason of the next refusal that was reported; empty when none comes.
  std::string NextRefusal() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMilliseconds),
                      [this] { return !refused_.empty(); });
    if (refused_.empty()) return "";
    last_refusal_ = refused_.front();
    refused_.pop_front();
    return last_refusal_.reason;
  }

  // The local end of the next connection, when echoing is off.
  UniqueFd NextLocal() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMilliseconds),
                      [this] { return !locals_.empty(); });
    if (locals_.empty()) return UniqueFd();
    UniqueFd fd = std::move(locals_.front());
    locals_.pop_front();
    return fd;
  }

  struct Refusal {
    std::string address;
    std::string reason;
    std::string message;
  };

  SoftwareCa ca_;
  tls::EvpPkeyPtr client_key_ = NewEcKey();
  tls::X509Ptr client_certificate_ = ca_.Certify(
      client_key_.get(), {.common_name = "operator",
                          .alternative_names = "DNS:op.example,URI:urn:x:op,IP:192.0.2.9,"
                                               "email:op@example.org"});
  tls::EvpPkeyPtr server_key_;
  tls::X509Ptr server_certificate_;
  bool echo_ = true;
  Status connect_status_;
  Refusal last_refusal_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Refusal> refused_;
  std::deque<UniqueFd> locals_;
  std::vector<tls::ClientIdentity> identities_;
  std::vector<std::jthread> echoes_;
  std::unique_ptr<tls::Front> front_;

 private:
  Result<UniqueFd> Connect(const tls::ClientIdentity& identity) {
    const std::scoped_lock lock(mutex_);
    identities_.push_back(identity);
    if (!connect_status_.ok()) return connect_status_;
    int pair[2] = {-1, -1};
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    UniqueFd far(pair[1]);
    if (echo_) {
      echoes_.emplace_back([held = std::move(far)] { EchoUntilEnd(held.get()); });
    } else {
      locals_.push_back(std::move(far));
      changed_.notify_all();
    }
    return UniqueFd(pair[0]);
  }

  static void EchoUntilEnd(int fd) {
    std::vector<char> buffer(64 * 1024);
    while (true) {
      const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      for (ssize_t sent = 0; sent < count;) {
        const ssize_t part =
            send(fd, buffer.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
        if (part <= 0) return;
        sent += part;
      }
    }
  }
};

}  // namespace seaworthy::testing
