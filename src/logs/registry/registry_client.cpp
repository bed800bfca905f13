#include "logs/registry/registry_client.h"

#include <fmt/format.h>

#include <utility>

namespace finpipe {
namespace {

using Kind = RegistryAnswer::Kind;

constexpr std::size_t kMaxMessageBytes = 300;
constexpr std::string_view kMediaType = "application/vnd.schemaregistry.v1+json";

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) { return j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U; };
    const unsigned group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

// A connection that cannot be trusted stays so; everything else may pass.
bool is_final(ErrorCode code) {
  switch (code) {
    case ErrorCode::kTlsUnknownCa:
    case ErrorCode::kTlsSelfSigned:
    case ErrorCode::kTlsExpired:
    case ErrorCode::kTlsWrongHost:
    case ErrorCode::kBadCertificate: return true;
    default: return false;
  }
}

}  // namespace

RegistryClient::RegistryClient(net::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)), base_(options_.url.target) {
  while (base_.ends_with('/')) base_.pop_back();
  if (!options_.user.empty()) authorization_ = "Basic " + base64(options_.user + ":" + options_.password);
}

void RegistryClient::ask(std::string_view method, std::string_view path, std::string body,
                         std::move_only_function<void(RegistryAnswer)> done) {
  net::HttpClientRequest request{.host = options_.url.host,
                                 .port = options_.url.port,
                                 .method = std::string(method),
                                 .target = base_ + std::string(path),
                                 .headers = {{"Accept", std::string(kMediaType)}},
                                 .body = std::move(body),
                                 .tls = options_.tls,
                                 .timeout_ms = options_.timeout_ms,
                                 .max_body_bytes = kMaxAnswerBytes};
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", kMediaType);
  if (!authorization_.empty()) request.headers.emplace_back("Authorization", authorization_);
  http_request(loop_, std::move(request),
               [this, what = fmt::format("{} {}", method, path), done = std::move(done)](auto response) mutable {
                 done(judge(what, std::move(response)));
               });
}

RegistryAnswer RegistryClient::judge(std::string_view what, Result<net::HttpClientResponse> response) const {
  if (!response) {
    const Error& error = response.error();
    if (is_final(error.code)) return {.kind = Kind::kRefused, .error = error};
    return {.own = error.code == ErrorCode::kFrameTooLarge,
            .error = {ErrorCode::kRegistryUnreachable,
                      fmt::format("{}: {}: {}", what, error_info(error.code).name, error.detail)}};
  }
  const int status = response->status;
  auto body = FlatJson::parse(response->body, kMaxAnswerBytes);
  const std::string where = fmt::format("{}: HTTP {}", what, status);
  if (status == 401 || status == 403) {
    return {.kind = Kind::kRefused, .status = status, .error = {ErrorCode::kRegistryCredentials, where}};
  }
  if (status / 100 == 2 && body) return {.kind = Kind::kDone, .status = status, .body = *std::move(body)};
  const std::int64_t code = body ? body->integer("error_code").value_or(0) : 0;
  const std::string detail = body ? where + message_of(*body) : where + ", and not as a registry answers";
  // A proxy's 404 does not say that something is absent.
  if (status == 404 && code / 100 == 404) {
    return {.kind = Kind::kAbsent, .status = status, .error = {ErrorCode::kRegistryRefused, detail}};
  }
  const bool passes = status / 100 != 4 || status == 408 || status == 429;
  const bool too_deep = status / 100 == 2 && body.error().code == ErrorCode::kTooDeep;
  return {.kind = passes ? Kind::kTrouble : Kind::kRefused,
          .status = status,
          .own = too_deep || (code != 0 && (status == 400 || status == 422)),
          .error = {passes ? ErrorCode::kRegistryUnreachable : ErrorCode::kRegistryRefused, detail}};
}

std::string RegistryClient::message_of(const FlatJson& body) const {
  const std::string_view whole = body.string("message").value_or("");
  // A server may say what it was sent.
  const auto tells = [&](std::string_view secret) { return !secret.empty() && whole.contains(secret); };
  if (whole.empty() || tells(options_.user) || tells(options_.password) ||
      tells(authorization_.substr(authorization_.find(' ') + 1))) {
    return {};
  }
  std::string text(whole.substr(0, kMaxMessageBytes));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return ": " + text;
}

}  // namespace finpipe
