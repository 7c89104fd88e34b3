// The front's inside: one loop thread that accepts, waits for all descriptors and relays, and
// a pool that does handshake steps. Connections belong to the loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "seaworthy/tls/front.h"
#include "tls/connection.h"
#include "tls/handshake.h"
#include "tls/listener.h"
#include "tls/rate_limit.h"
#include "tls/work_queue.h"

namespace seaworthy::tls {

class Front::State {
 public:
  State(Options options, SslCtxPtr context, Listener listener, UniqueFd epoll, UniqueFd wake);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Status Start();
  int port() const { return port_; }
  void Use(SslCtxPtr context);
  void StopAccepting();

 private:
  // What a step on the pool came to.
  struct Stepped {
    std::uint64_t id;
    HandshakeStep step;
    UniqueFd local;
  };

  // The loop.
  void Run();
  void Wake();
  void OnWake();
  void OnEvent(std::uint64_t id);
  int WaitMilliseconds() const;
  void ExpireDeadlines();
  void PumpAgain();

  // Accepting.
  void AcceptAll();
  void Admit(Accepted accepted);
  void PauseAccepting(bool pause);
  void CloseListener();

  // A connection's life, in this order.
  void Begin(Connection& connection);
  void PostStep(Connection& connection);
  void StepOnPool(Connection& connection);
  void OnStepped(Stepped stepped);
  void Establish(Connection& connection, UniqueFd local);
  void PumpRelay(Connection& connection);
  void Linger(Connection& connection);
  void Drain(Connection& connection);
  void Drop(Connection& connection);

  void Watch(Connection& connection, std::uint32_t client, std::uint32_t local);
  void WatchOne(int fd, std::uint64_t data, std::uint32_t wanted, std::uint32_t& watched);
  void SetDeadline(Connection& connection, std::optional<Deadline> deadline);

  void Refuse(const std::string& address, const std::string& reason, const std::string& message);
  void RefuseFlood(const std::string& address, const std::string& reason,
                   const std::string& message);

  const Options options_;
  const int port_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<bool> stopping_ = false;

  // Shared with callers and the pool.
  std::mutex mutex_;
  std::condition_variable listener_closed_;
  SslCtxPtr context_;
  std::vector<Stepped> stepped_;
  bool stop_accepting_ = false;
  bool accepting_ = true;

  // The loop's own.
  UniqueFd listener_;
  std::optional<Deadline> accept_again_;
  HandshakeRate rate_;
  FloodReports flood_reports_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string, std::size_t> per_source_;
  std::set<std::pair<Deadline, std::uint64_t>> deadlines_;
  std::set<std::uint64_t> pump_again_;

  // Last: both are joined before anything above goes.
  std::unique_ptr<WorkQueue> pool_;
  std::jthread loop_;
};

}  // namespace seaworthy::tls
