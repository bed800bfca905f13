#include "endpoint/access.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

bool allowed(std::string_view host, std::string_view origin, bool loopback = true) {
  return check_access(loopback, host, origin).has_value();
}

TEST(Access, AProgramWithoutOriginMayAskUnderTheNamesOfLoopback) {
  for (const char* host :
       {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", ""})
    EXPECT_TRUE(allowed(host, "")) << host;
}

TEST(Access, ALoopbackListenerKnowsNoOtherName) {
  for (const char* host : {"example.com", "example.com:8080", "localhost.example.com", "127.0.0.1.example.com",
                           "[::2]:8080", "[::1", "10.0.0.1", "::1", "localhost.", "127.0.0.2", " localhost"}) {
    const auto checked = check_access(true, host, "");
    ASSERT_FALSE(checked) << host;
    EXPECT_EQ(checked.error().code, ErrorCode::kForeignHost) << host;
    EXPECT_TRUE(allowed(host, "", false)) << host;
  }
}

TEST(Access, APageMayAskItsOwnHostOnly) {
  EXPECT_TRUE(allowed("127.0.0.1:8080", "http://127.0.0.1:8080"));
  EXPECT_TRUE(allowed("LOCALHOST:8080", "http://localhost:8080"));
  EXPECT_TRUE(allowed("localhost", "http://localhost:80"));
  EXPECT_TRUE(allowed("localhost:443", "https://localhost"));
  EXPECT_TRUE(allowed("bars.example.com", "https://bars.example.com", false));
  for (const char* origin :
       {"http://127.0.0.1:8081", "http://localhost:8080", "http://example.com", "null", "file://", "http://",
        "127.0.0.1:8080", "ftp://127.0.0.1:8080", "http://127.0.0.1:8080.example.com", "http://127.0.0.1:8080/"}) {
    const auto checked = check_access(true, "127.0.0.1:8080", origin);
    ASSERT_FALSE(checked) << origin;
    EXPECT_EQ(checked.error().code, ErrorCode::kForeignOrigin) << origin;
  }
  EXPECT_FALSE(allowed("", "http://127.0.0.1:8080"));
  EXPECT_FALSE(allowed("bars.example.com", "https://evil.example.com", false));
}

TEST(Access, AddressesOfLoopback) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1"}) EXPECT_TRUE(is_loopback(address)) << address;
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "192.168.127.1"}) EXPECT_FALSE(is_loopback(address));
}

}  // namespace
}  // namespace finpipe
