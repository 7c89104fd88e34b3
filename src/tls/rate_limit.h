// What bounds a flood: token buckets for handshakes, and reports that come only so often.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

namespace seaworthy::tls {

using Instant = std::chrono::steady_clock::time_point;

// Holds up to twice its rate, so that a burst after silence is let through. Starts full.
class TokenBucket {
 public:
  TokenBucket(double per_second, Instant now);

  bool Has(Instant now);
  // Only after Has.
  void Take() { tokens_ -= 1; }

 private:
  double rate_;
  double burst_;
  double tokens_;
  Instant filled_;
};

// Not thread-safe: the front's loop owns it.
class HandshakeRate {
 public:
  // Sources remembered; beyond, the one longest not seen is forgotten. A forgotten source
  // starts with a full bucket: then the limit on all still holds.
  static constexpr std::size_t kMaxSources = 4096;

  HandshakeRate(double per_second, double per_second_per_source, Instant now)
      : per_source_(per_second_per_source), all_(per_second, now) {}

  // Takes a token of both buckets or of none.
  bool Take(const std::string& source, Instant now);

  std::size_t sources() const { return by_source_.size(); }

 private:
  struct Source {
    std::string name;
    TokenBucket bucket;
  };

  double per_source_;
  TokenBucket all_;
  std::list<Source> recent_first_;
  std::unordered_map<std::string, std::list<Source>::iterator> by_source_;
};

// Reports of what a flood repeats: one a second for each reason; the next one says how many
// were left out. Not thread-safe.
class FloodReports {
 public:
  // The sentence to report now, or empty.
  std::string Next(const std::string& reason, const std::string& message, Instant now);

 private:
  struct Reported {
    Instant last;
    std::size_t left_out = 0;
  };
  std::map<std::string, Reported> by_reason_;
};

}  // namespace seaworthy::tls
