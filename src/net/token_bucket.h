// Lets `rate_per_second` things through on average and `burst` at once. Pure: time comes in.
#pragma once

#include <cstdint>

namespace finpipe::net {

class TokenBucket {
 public:
  // Full at the start. rate_per_second > 0, burst >= 1.
  TokenBucket(double rate_per_second, double burst, std::int64_t now_ns);

  // Takes a token when there is one.
  [[nodiscard]] bool try_take(std::int64_t now_ns);
  // How long until try_take can succeed, in ns; 0: now.
  [[nodiscard]] std::int64_t wait_ns(std::int64_t now_ns) const;
  // Gives nothing before `until_ns` (a Retry-After).
  void block_until(std::int64_t until_ns);

 private:
  [[nodiscard]] double tokens_at(std::int64_t now_ns) const;

  double rate_per_ns_;
  double burst_;
  double tokens_;
  std::int64_t at_ns_;
  std::int64_t blocked_until_ns_;
};

}  // namespace finpipe::net
