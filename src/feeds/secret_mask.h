// Keeps a secret out of what is logged and stored. An API key is part of a request's target, and servers and proxies
// repeat what they were asked for: in an error, on an error page, in a frame. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace finpipe {

class SecretMask {
 public:
  explicit SecretMask(std::string secret);

  // For texts about the connection. The secret becomes ***, however it is spelled: as it is, percent-encoded wholly or
  // in part, escaped as in JSON or HTML. So does its beginning from 8 bytes on: a text that was cut may hold no more.
  [[nodiscard]] std::string mask(std::string_view text) const;
  // For data: only the whole secret, since its beginning may stand there by chance, and none of less than 8 bytes.
  // nullopt: it is not in there, which is cheap to find out.
  [[nodiscard]] std::optional<std::string> mask_data(std::string_view data) const;

 private:
  [[nodiscard]] std::string mask_from(std::string_view text, std::size_t least_bytes) const;

  std::string secret_;
  std::string plain_;  // the longest part of it that has only one spelling
};

}  // namespace finpipe
