#include "endpoint/page_routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace finpipe {
namespace {

constexpr auto kAssets = std::to_array<PageAsset>({
    {"/index.html", "text/html; charset=utf-8", "<!doctype html>", false},
    {"/assets/page-1a2b.js", "text/javascript", "start()", true},
});

std::string header(const net::HttpResponse& response, std::string_view name) {
  const auto found =
      std::ranges::find(response.headers, name, [](const auto& entry) { return std::string_view(entry.first); });
  return found == response.headers.end() ? "" : found->second;
}

TEST(PageRoutes, TheRootIsTheIndex) {
  const PageRoutes page(kAssets);
  const auto root = page.answer("/", "", "127.0.0.1:8080");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->status, 200);
  EXPECT_EQ(root->static_body, "<!doctype html>");
  EXPECT_EQ(root->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(header(*root, "Cache-Control"), "no-cache");
  EXPECT_FALSE(page.answer("/nothing", "", ""));
  EXPECT_FALSE(page.answer("", "", ""));
}

TEST(PageRoutes, WhatHasAHashInItsNameIsKeptForever) {
  const auto script = PageRoutes(kAssets).answer("/assets/page-1a2b.js", "", "");
  ASSERT_TRUE(script);
  EXPECT_EQ(header(*script, "Cache-Control"), "public, max-age=31536000, immutable");
}

TEST(PageRoutes, ThePolicyNamesTheStreamOfItsOwnHostOnly) {
  const PageRoutes page(kAssets);
  const std::string policy = header(*page.answer("/", "", "127.0.0.1:8080"), "Content-Security-Policy");
  EXPECT_NE(policy.find("connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;"), std::string::npos) << policy;
  EXPECT_NE(policy.find("script-src 'self';"), std::string::npos);
  for (const char* forged : {"a; script-src *", "a b", "a\r\nX: y", "'unsafe-inline'", "*", "", "a,b"}) {
    const std::string clean = header(*page.answer("/", "", forged), "Content-Security-Policy");
    EXPECT_NE(clean.find("connect-src 'self';"), std::string::npos) << forged << " gives " << clean;
  }
}

TEST(PageRoutes, AFileThatTheBrowserHasIsNotSentAgain) {
  const PageRoutes page(kAssets);
  const std::string tag = header(*page.answer("/", "", ""), "ETag");
  ASSERT_GT(tag.size(), 10U);
  EXPECT_NE(tag, header(*page.answer("/assets/page-1a2b.js", "", ""), "ETag"));
  for (const std::string& asked : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const auto response = page.answer("/", asked, "");
    EXPECT_EQ(response->status, 304) << asked;
    EXPECT_TRUE(response->static_body.empty() && response->body.empty());
    EXPECT_EQ(header(*response, "ETag"), tag);
  }
  EXPECT_EQ(page.answer("/", "\"other\"", "")->status, 200);
}

TEST(PageRoutes, WithoutAPageTheRootSaysSo) {
  const PageRoutes none({});
  const auto root = none.answer("/", "", "");
  ASSERT_TRUE(root);
  EXPECT_NE(root->body.find("docs/api.md"), std::string::npos);
  EXPECT_FALSE(none.answer("/index.html", "", ""));
}

}  // namespace
}  // namespace finpipe
