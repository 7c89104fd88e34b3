#include "tls/rate_limit.h"

#include <algorithm>

namespace seaworthy::tls {

TokenBucket::TokenBucket(double per_second, Instant now)
    : rate_(per_second),
      // At least one, or a rate below one in two seconds would let nobody in.
      burst_(std::max(1.0, 2 * per_second)),
      tokens_(burst_),
      filled_(now) {}

bool TokenBucket::Has(Instant now) {
  const double seconds = std::chrono::duration<double>(now - filled_).count();
  tokens_ = std::min(burst_, tokens_ + seconds * rate_);
  filled_ = now;
  return tokens_ >= 1;
}

bool HandshakeRate::Take(const std::string& source, Instant now) {
  auto found = by_source_.find(source);
  if (found != by_source_.end()) {
    recent_first_.splice(recent_first_.begin(), recent_first_, found->second);
  } else {
    if (by_source_.size() == kMaxSources) {
      by_source_.erase(recent_first_.back().name);
      recent_first_.pop_back();
    }
    recent_first_.push_front({source, TokenBucket(per_source_, now)});
    by_source_.emplace(source, recent_first_.begin());
  }
  TokenBucket& bucket = recent_first_.front().bucket;
  if (!bucket.Has(now) || !all_.Has(now)) return false;
  bucket.Take();
  all_.Take();
  return true;
}

std::string FloodReports::Next(const std::string& reason, const std::string& message, Instant now) {
  const auto [found, first] = by_reason_.try_emplace(reason, Reported{now});
  Reported& reported = found->second;
  if (!first && now - reported.last < std::chrono::seconds(1)) {
    ++reported.left_out;
    return {};
  }
  std::string sentence = message;
  if (reported.left_out > 0) {
    sentence += "; and " + std::to_string(reported.left_out) + " more since the last report";
  }
  reported = {now};
  return sentence;
}

}  // namespace seaworthy::tls
