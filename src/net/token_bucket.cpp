#include "net/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace finpipe::net {
namespace {

// What rounding of doubles may take from a token that is due.
constexpr double kDust = 1e-9;

}  // namespace

TokenBucket::TokenBucket(double rate_per_second, double burst, std::int64_t now_ns)
    : rate_per_ns_(rate_per_second / 1e9), burst_(burst), tokens_(burst), at_ns_(now_ns), blocked_until_ns_(now_ns) {}

double TokenBucket::tokens_at(std::int64_t now_ns) const {
  const double elapsed = static_cast<double>(std::max<std::int64_t>(now_ns - at_ns_, 0));
  return std::min(burst_, tokens_ + elapsed * rate_per_ns_);
}

bool TokenBucket::try_take(std::int64_t now_ns) {
  if (wait_ns(now_ns) > 0) return false;
  tokens_ = std::max(tokens_at(now_ns) - 1, 0.0);
  at_ns_ = std::max(at_ns_, now_ns);
  return true;
}

std::int64_t TokenBucket::wait_ns(std::int64_t now_ns) const {
  const double missing = 1 - tokens_at(now_ns);
  // A clock that went back must pass again the time that has been accounted for.
  const std::int64_t behind = std::max<std::int64_t>(at_ns_ - now_ns, 0);
  const std::int64_t for_token =
      missing > kDust ? behind + static_cast<std::int64_t>(std::ceil(missing / rate_per_ns_)) : 0;
  return std::max({for_token, blocked_until_ns_ - now_ns, std::int64_t{0}});
}

void TokenBucket::block_until(std::int64_t until_ns) { blocked_until_ns_ = std::max(blocked_until_ns_, until_ns); }

}  // namespace finpipe::net
