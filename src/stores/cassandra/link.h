// The client of driver/ (finpipe_cql.h) as C++: who owns what, statements by name, errors as ours.
#pragma once

#include <finpipe_cql.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "stores/cassandra/cassandra_store.h"
#include "stores/cassandra/cell.h"
#include "stores/cassandra/tables.h"

namespace finpipe::cql {

// How long to wait after so many failures in a row, before the next try.
[[nodiscard]] constexpr std::int64_t retry_delay_ns(int failures) {
  return std::min(50 * kNsPerMs << std::min(failures, 16), 2 * kNsPerSecond);
}

template <auto free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};

// What a SELECT gave.
class Rows {
 public:
  Rows() = default;
  // `owner` keeps what `rows` borrows.
  Rows(std::shared_ptr<const void> owner, const fp_cql_rows& rows) : owner_(std::move(owner)), rows_(rows) {}

  [[nodiscard]] std::size_t count() const { return rows_.rows; }
  [[nodiscard]] std::string_view cells() const { return {reinterpret_cast<const char*>(rows_.cells), rows_.size}; }
  // Empty: there is no further page.
  [[nodiscard]] std::string_view paging_state() const {
    return {reinterpret_cast<const char*>(rows_.paging_state), rows_.paging_state_size};
  }

 private:
  std::shared_ptr<const void> owner_;
  fp_cql_rows rows_{};
};

struct Answer {
  std::uint64_t tag = 0;
  fp_cql_status status = FP_CQL_OK;
  std::string message;
  Rows rows;
};

// Whether trying again can help; else somebody has to do something first.
[[nodiscard]] constexpr bool is_passing(fp_cql_status status) {
  return (status >= FP_CQL_UNREACHABLE && status <= FP_CQL_OVERLOADED) || status == FP_CQL_FAILED;
}
[[nodiscard]] Error error_of(fp_cql_status status, std::string message);

// Whether a session is for a keyspace, and whether that has only just been made: then some node may have to hear of it.
enum class Keyspace { kNone, kOld, kNew };

class Session {
 public:
  // Errors: see CassandraStore::open.
  [[nodiscard]] static Result<std::unique_ptr<Session>> connect(const CassandraOptions& options, Keyspace keyspace);

  static constexpr std::int64_t kSchemaTimeoutMs = 60'000;  // changes of tables take their time

  // A statement without values, that waits.
  [[nodiscard]] Result<Rows> run(const std::string& text, std::int64_t timeout_ms = kSchemaTimeoutMs);
  // The same for one that reads.
  [[nodiscard]] Result<Rows> read(const std::string& text) { return run(text, options_.request_timeout_ms); }
  [[nodiscard]] Result<void> prepare();

  [[nodiscard]] fp_cql_session* get() const { return session_.get(); }
  [[nodiscard]] const fp_cql_statement* statement(Statement statement) const {
    return statements_[static_cast<std::size_t>(statement)].get();
  }
  [[nodiscard]] fp_cql_statistics statistics() const;

 private:
  explicit Session(const CassandraOptions& options) : options_(options) {}

  CassandraOptions options_;
  std::unique_ptr<fp_cql_session, Freed<fp_cql_close>> session_;
  std::array<std::unique_ptr<fp_cql_statement, Freed<fp_cql_free_statement>>, kStatementCount> statements_;
};

// Sends requests and receives their answers: one thread at a time.
class Link {
 public:
  virtual ~Link() = default;
  virtual void write(Statement statement, std::uint32_t rows, std::string_view cells, std::uint64_t tag) = 0;
  virtual void select(Statement statement, std::string_view cells, std::int32_t page_rows,
                      std::string_view paging_state, std::uint64_t tag) = 0;
  // What has come; waits at most `wait_ms` for the first.
  [[nodiscard]] virtual std::vector<Answer> receive(std::uint32_t wait_ms) = 0;
};

class SessionLink final : public Link {
 public:
  explicit SessionLink(Session& session) : session_(session), queue_(fp_cql_new_queue()) {}

  void write(Statement statement, std::uint32_t rows, std::string_view cells, std::uint64_t tag) override;
  void select(Statement statement, std::string_view cells, std::int32_t page_rows, std::string_view paging_state,
              std::uint64_t tag) override;
  [[nodiscard]] std::vector<Answer> receive(std::uint32_t wait_ms) override;

 private:
  Session& session_;
  std::unique_ptr<fp_cql_queue, Freed<fp_cql_free_queue>> queue_;
};

}  // namespace finpipe::cql
