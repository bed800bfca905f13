#include "net/tests/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>

namespace finpipe::net {
namespace {

constexpr std::int64_t kDeadlineMs = 20'000;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::string payload_head(unsigned char first, std::size_t size, unsigned char mask_bit) {
  std::string head(1, static_cast<char>(first));
  const auto put = [&](int bytes) {
    for (int i = bytes - 1; i >= 0; --i) head += static_cast<char>(size >> (8 * i) & 0xffU);
  };
  if (size < 126) {
    head += static_cast<char>(size | mask_bit);
  } else if (size <= 0xffff) {
    head += static_cast<char>(126 | mask_bit);
    put(2);
  } else {
    head += static_cast<char>(127 | mask_bit);
    put(8);
  }
  return head;
}

}  // namespace

bool run_until(EventLoop& loop, const std::function<bool()>& condition) {
  Stopwatch watch;
  while (!condition()) {
    if (watch.elapsed_ms() > kDeadlineMs) return false;
    loop.run_some(1);
  }
  return true;
}

void run_for(EventLoop& loop, std::int64_t ms) {
  Stopwatch watch;
  while (watch.elapsed_ms() < ms) loop.run_some(1);
}

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  received_ = std::move(other.received_);
  ended_ = other.ended_;
  reset_ = other.reset_;
  return *this;
}

RawSocket RawSocket::connect(std::uint16_t port, int receive_buffer) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  const sockaddr_in address = loopback(port);
  // To a loopback listener this needs nobody to accept.
  EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  return RawSocket(descriptor);
}

void RawSocket::send(std::string_view bytes) {
  const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) {
    EXPECT_EQ(sent, static_cast<ssize_t>(bytes.size())) << "the peer takes nothing";
  }
}

void RawSocket::end_sending() { ::shutdown(descriptor_, SHUT_WR); }

void RawSocket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void RawSocket::reset() {
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close();
}

const std::string& RawSocket::received() {
  receive_some(std::numeric_limits<std::size_t>::max());
  return received_;
}

void RawSocket::receive_some(std::size_t most) {
  std::array<char, 65'536> buffer{};
  for (std::size_t bytes = 0; bytes < most && descriptor_ >= 0 && !ended_;) {
    const ssize_t count = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) return;
    reset_ = count < 0;
    ended_ = count <= 0;
    if (count <= 0) return;
    received_.append(buffer.data(), static_cast<std::size_t>(count));
    bytes += static_cast<std::size_t>(count);
  }
}

RawServer::RawServer() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(descriptor_, 16), 0);
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}

RawServer::~RawServer() { ::close(descriptor_); }

bool RawServer::accept(RawSocket& socket) {
  const int accepted = ::accept4(descriptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted >= 0) socket = RawSocket(accepted);
  return accepted >= 0;
}

std::string upgrade_answer(std::string_view request) {
  constexpr std::string_view kName = "Sec-WebSocket-Key: ";
  const std::size_t begin = request.find(kName) + kName.size();
  const std::string text =
      std::string(request.substr(begin, request.find('\r', begin) - begin)) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> accept{};
  EVP_EncodeBlock(accept.data(), digest.data(), digest.size());
  return fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\n\r\n",
      reinterpret_cast<const char*>(accept.data()));
}

std::string client_frame(unsigned char first, std::string_view payload) {
  constexpr std::array<char, 4> kMask = {'\x12', '\x34', '\x56', '\x78'};
  std::string frame = payload_head(first, payload.size(), 0x80) + std::string(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ kMask.at(i % 4));
  return frame;
}

std::string server_frame(unsigned char first, std::string_view payload) {
  return payload_head(first, payload.size(), 0).append(payload);
}

std::string upgrade_request(std::string_view target) {
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      target);
}

GeneratedCertificate self_signed_certificate(const std::string& name) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, subject);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, fmt::format("DNS:{}", name).c_str());
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());

  const auto text = [](auto write) {
    BIO* const bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  };
  GeneratedCertificate out;
  out.certificate_pem = text([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
  out.key_pem = text([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  out.ca_pem = out.certificate_pem;
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

GeneratedCertificate certificate_for(const std::string& name, int days) {
  auto certificate = generate_certificate({&name, 1}, days);
  EXPECT_TRUE(certificate) << certificate.error().message();
  return *certificate;
}

std::shared_ptr<TlsContext> server_tls(const GeneratedCertificate& certificate) {
  auto context = TlsContext::server({.certificate_pem = certificate.certificate_pem, .key_pem = certificate.key_pem});
  EXPECT_TRUE(context) << context.error().message();
  return *context;
}

std::shared_ptr<TlsContext> client_tls(const GeneratedCertificate& certificate) {
  auto context = TlsContext::client({.ca_pem = certificate.ca_pem});
  EXPECT_TRUE(context) << context.error().message();
  return *context;
}

void Recorder::on_open() {
  open = true;
  if (when_open) when_open();
}

void Recorder::on_message(std::string_view message) {
  bytes += message.size();
  messages.emplace_back(message);
  if (when_message) when_message();
}

void Recorder::on_end(const ConnectionEnd& end) {
  open = false;
  ends.push_back(end);
  if (when_end) when_end();
}

namespace {

class TestSession final : public WebSocketHandler {
 public:
  explicit TestSession(TestServer& server) : server_(server) {}
  void on_open(WebSocketConnection& connection) override {
    connection_ = &connection;
    server_.sockets.push_back(&connection);
    if (server_.when_open) server_.when_open(connection);
  }
  void on_message(std::string_view message) override {
    server_.messages.emplace_back(message);
    if (server_.when_message) return server_.when_message(*connection_, message);
    connection_->send(shared(std::string(message)));
  }
  void on_drained() override { ++server_.drained; }
  void on_close() override {
    ++server_.closed;
    std::erase(server_.sockets, connection_);
  }

 private:
  TestServer& server_;
  WebSocketConnection* connection_ = nullptr;
};

}  // namespace

TestServer::TestServer(EventLoop& loop, HttpServerOptions options) {
  auto listening = HttpServer::listen(loop, std::move(options), *this);
  EXPECT_TRUE(listening) << listening.error().message();
  server = *std::move(listening);
}

HttpResponse TestServer::handle(const HttpRequest& request) {
  requests.push_back(fmt::format("{} {} {}", request.method, request.target, request.body));
  if (on_request) return on_request(request);
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = requests.back();
  return response;
}

Upgrade TestServer::upgrade(const HttpRequest& request) {
  if (on_upgrade) return on_upgrade(request);
  Upgrade upgrade;
  upgrade.handler = std::make_unique<TestSession>(*this);
  return upgrade;
}

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace finpipe::net
