// The names of Asio that the sources of net/ share, and what an EventLoop is inside. One executor type throughout, and
// not the type-erased one: less to compile and to call.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <memory>
#include <mutex>

#include "net/event_loop.h"

namespace finpipe::net {

namespace asio = boost::asio;
using boost::system::error_code;

using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

// How a thread that may outlive the loop reaches it.
class LoopHandle {
 public:
  explicit LoopHandle(asio::io_context& context) : context_(&context) {}

  // Dropped when the loop is gone.
  void post(EventLoop::Call call) {
    const std::lock_guard lock(mutex_);
    if (context_ != nullptr) asio::post(*context_, std::move(call));
  }
  void detach() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

 private:
  std::mutex mutex_;
  asio::io_context* context_;
};

struct EventLoop::Implementation {
  asio::io_context context{1};  // a hint: one thread runs it
  // Without work a context would stop, and would not wait for posts.
  asio::executor_work_guard<Executor> work{context.get_executor()};
  std::shared_ptr<LoopHandle> handle = std::make_shared<LoopHandle>(context);

  ~Implementation() { handle->detach(); }
};

[[nodiscard]] inline asio::io_context& context_of(EventLoop& loop) { return loop.implementation().context; }

}  // namespace finpipe::net
