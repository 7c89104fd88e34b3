// The bytes of an established connection, both ways between TLS and a local stream socket,
// through bounded buffers: whoever reads slowly slows down only whoever writes to it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "seaworthy/tls/openssl.h"

namespace seaworthy::tls {

// Owns neither the SSL nor the descriptors; both descriptors are non-blocking. One thread.
class Relay {
 public:
  Relay(SSL* ssl, int client_fd, int local_fd)
      : ssl_(ssl), client_fd_(client_fd), local_fd_(local_fd) {}

  enum class Next { kWait, kAgain, kDone };

  // Moves what can be moved without waiting, up to a share that is fair to others (kAgain).
  Next Pump();

  // EPOLLIN and EPOLLOUT as needed to go on, after Pump.
  std::uint32_t client_interest() const;
  std::uint32_t local_interest() const;

  // One direction has ended.
  bool half_closed() const { return inbound_ended_ || outbound_ended_; }
  // The last Pump got something done.
  bool moved() const { return moved_; }
  // The client's end is broken: nothing more can be said to it.
  bool client_gone() const { return client_gone_; }

 private:
  class Buffer {
   public:
    static constexpr std::size_t kCapacity = 64 * 1024;

    bool empty() const { return begin_ == end_; }
    bool full() const { return end_ == kCapacity; }
    std::size_t size() const { return end_ - begin_; }
    std::size_t room() const { return kCapacity - end_; }
    const std::uint8_t* data() const { return bytes_.get() + begin_; }
    std::uint8_t* free_space() { return bytes_.get() + end_; }
    void Added(std::size_t count) { end_ += count; }
    void Removed(std::size_t count) {
      begin_ += count;
      if (empty()) begin_ = end_ = 0;
    }
    void Clear() { begin_ = end_ = 0; }

   private:
    // Not zeroed: pages of an idle connection are never touched and cost no memory.
    std::unique_ptr<std::uint8_t[]> bytes_ =
        std::make_unique_for_overwrite<std::uint8_t[]>(kCapacity);
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
  };

  // What a TLS call waits for; reading may have to write and the other way round.
  enum class Wants { kNothing, kRead, kWrite };

  bool ReadClient();
  bool WriteLocal();
  bool ReadLocal();
  bool WriteClient();
  bool CloseClient();
  bool Done() const;
  // False when the connection is broken.
  bool NoteWant(int result, Wants& wants);
  void LoseClient();

  SSL* ssl_;
  int client_fd_;
  int local_fd_;
  Buffer inbound_;   // from the client
  Buffer outbound_;  // to the client
  Wants read_wants_ = Wants::kNothing;
  Wants write_wants_ = Wants::kNothing;
  bool inbound_ended_ = false;    // the client sends no more
  bool inbound_closed_ = false;   // the local end knows, or reads no more
  bool outbound_ended_ = false;   // the local end sends no more
  bool outbound_closed_ = false;  // the client knows
  bool client_gone_ = false;
  bool moved_ = false;
};

}  // namespace seaworthy::tls
