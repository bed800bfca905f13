#include "stores/cassandra/link.h"

#include <utility>

namespace finpipe::cql {
namespace {

constexpr std::uint32_t kConnections = 2;  // to each node
constexpr std::uint32_t kThreads = 2;
constexpr std::uint32_t kSpeculativeMs = 500;

// A text that the client has made.
std::string take_text(char* text) {
  std::string taken = text == nullptr ? "" : text;
  fp_cql_free_text(text);
  return taken;
}

Rows rows_of(fp_cql_result* result) {
  if (result == nullptr) return {};
  fp_cql_rows rows{};
  fp_cql_rows_of(result, &rows);
  return {
      std::shared_ptr<const void>(
          result, [](const void* owned) { fp_cql_free_result(static_cast<fp_cql_result*>(const_cast<void*>(owned))); }),
      rows};
}

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }
const std::uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

}  // namespace

Error error_of(fp_cql_status status, std::string message) {
  switch (status) {
    case FP_CQL_OK:
    case FP_CQL_UNREACHABLE:
    case FP_CQL_TIMEOUT:
    case FP_CQL_UNAVAILABLE:
    case FP_CQL_OVERLOADED: return {ErrorCode::kStoreUnreachable, std::move(message)};
    case FP_CQL_BAD_CREDENTIALS: return {ErrorCode::kBadCredentials, std::move(message)};
    case FP_CQL_UNAUTHORIZED: return {ErrorCode::kNoPermission, std::move(message)};
    case FP_CQL_TLS_UNTRUSTED: return {ErrorCode::kTlsUnknownCa, std::move(message)};
    case FP_CQL_TLS_WRONG_HOST: return {ErrorCode::kTlsWrongHost, std::move(message)};
    case FP_CQL_TLS_EXPIRED: return {ErrorCode::kTlsExpired, std::move(message)};
    case FP_CQL_TLS_FAILED: return {ErrorCode::kTlsFailed, std::move(message)};
    case FP_CQL_BAD_FILE: return {ErrorCode::kBadCertificate, std::move(message)};
    case FP_CQL_NO_KEYSPACE: return {ErrorCode::kNoKeyspace, std::move(message)};
    case FP_CQL_NO_TABLE: return {ErrorCode::kSchemaMissing, std::move(message)};
    case FP_CQL_INVALID:
    case FP_CQL_FAILED: return {ErrorCode::kStoreRefused, std::move(message)};
  }
  return {ErrorCode::kStoreRefused, std::move(message)};
}

Result<std::unique_ptr<Session>> Session::connect(const CassandraOptions& options, Keyspace keyspace) {
  auto session = std::unique_ptr<Session>(new Session(options));
  const fp_cql_options client{.contact_points = options.contact_points.c_str(),
                              .keyspace = keyspace == Keyspace::kNone ? nullptr : options.keyspace.c_str(),
                              .keyspace_is_new = keyspace == Keyspace::kNew ? 1 : 0,
                              .user = text_or_null(options.user),
                              .password = options.user.empty() ? nullptr : options.password.c_str(),
                              .tls = options.tls ? 1 : 0,
                              .ca_file = text_or_null(options.ca_file),
                              .certificate_file = text_or_null(options.certificate_file),
                              .key_file = text_or_null(options.key_file),
                              .datacenter = text_or_null(options.datacenter),
                              .connections = kConnections,
                              .threads = kThreads,
                              .connect_timeout_ms = static_cast<std::uint32_t>(options.connect_timeout_ms)};
  fp_cql_session* connected = nullptr;
  char* message = nullptr;
  const fp_cql_status status = fp_cql_connect(&client, &connected, &message);
  session->session_.reset(connected);
  std::string text = take_text(message);
  if (status != FP_CQL_OK) return fail(error_of(status, std::move(text)));
  return session;
}

Result<Rows> Session::run(const std::string& text, std::int64_t timeout_ms) {
  fp_cql_result* result = nullptr;
  char* message = nullptr;
  const fp_cql_status status =
      fp_cql_run(get(), text.c_str(), static_cast<std::uint32_t>(timeout_ms), &result, &message);
  Rows rows = rows_of(result);
  std::string why = take_text(message);
  if (status != FP_CQL_OK) return fail(error_of(status, std::move(why)));
  return rows;
}

Result<void> Session::prepare() {
  const auto timeout_ms = static_cast<std::uint32_t>(options_.request_timeout_ms);
  for (const auto& [statement, text] : statement_table()) {
    const CassandraConsistency level = is_write(statement) ? options_.write_consistency : options_.read_consistency;
    fp_cql_statement* prepared = nullptr;
    char* message = nullptr;
    const fp_cql_status status =
        fp_cql_prepare(get(), std::string(text).c_str(), static_cast<fp_cql_consistency>(level), timeout_ms,
                       kSpeculativeMs, &prepared, &message);
    statements_[static_cast<std::size_t>(statement)].reset(prepared);
    std::string why = take_text(message);
    if (status != FP_CQL_OK) return fail(error_of(status, std::move(why)));
  }
  return {};
}

fp_cql_statistics Session::statistics() const {
  fp_cql_statistics statistics{};
  fp_cql_statistics_of(get(), &statistics);
  return statistics;
}

void SessionLink::write(Statement statement, std::uint32_t rows, std::string_view cells, std::uint64_t tag) {
  fp_cql_execute(session_.get(), queue_.get(), session_.statement(statement), rows, bytes_of(cells), cells.size(), tag);
}

void SessionLink::select(Statement statement, std::string_view cells, std::int32_t page_rows,
                         std::string_view paging_state, std::uint64_t tag) {
  fp_cql_query(session_.get(), queue_.get(), session_.statement(statement), bytes_of(cells), cells.size(), page_rows,
               paging_state.empty() ? nullptr : bytes_of(paging_state), paging_state.size(), tag);
}

std::vector<Answer> SessionLink::receive(std::uint32_t wait_ms) {
  std::array<fp_cql_completion, 256> completions;
  const std::size_t count = fp_cql_poll(queue_.get(), completions.data(), completions.size(), wait_ms);
  std::vector<Answer> answers;
  answers.reserve(count);
  for (fp_cql_completion& completion : std::span(completions).first(count)) {
    Answer& answer = answers.emplace_back();
    answer.tag = completion.tag;
    answer.status = completion.status;
    if (completion.message != nullptr) answer.message = completion.message;
    answer.rows = rows_of(std::exchange(completion.result, nullptr));
    fp_cql_free_completion(&completion);
  }
  return answers;
}

}  // namespace finpipe::cql
