#include "cassandra_server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "stores/cassandra/init_cql.h"
#include "stores/cassandra/link.h"
#include "stores/cassandra/schema.h"

namespace finpipe::cassandra_test {
namespace {

cql::Session& session() {
  static const auto connected = [] {
    const auto done = create_cassandra_schema(server(), "1", {});
    if (!done) ADD_FAILURE() << done.error().message();
    return cql::Session::connect(server(), cql::Keyspace::kOld).value();
  }();
  return *connected;
}

}  // namespace

CassandraOptions server() {
  const char* const address = std::getenv("FINPIPE_CASSANDRA");
  if (address == nullptr) {
    ADD_FAILURE() << "FINPIPE_CASSANDRA=host:port must name a server";
    std::abort();
  }
  CassandraOptions options;
  options.contact_points = address;
  options.keyspace = "finpipe_test";
  return options;
}

void empty_tables() {
  for (const std::string& statement : cql::statements_of(cql::init_cql())) {
    constexpr std::string_view kCreate = "CREATE TABLE IF NOT EXISTS ";
    if (!statement.starts_with(kCreate)) continue;
    const std::string table = statement.substr(kCreate.size(), statement.find(' ', kCreate.size()) - kCreate.size());
    if (table == "schema_versions") continue;
    const auto rows = session().run("SELECT * FROM " + table + " LIMIT 1");
    ASSERT_TRUE(rows) << rows.error().message();
    if (rows->count() == 0) continue;
    const auto done = session().run("TRUNCATE " + table);
    ASSERT_TRUE(done) << done.error().message();
  }
}

std::unique_ptr<CassandraStore> open_store(const CassandraOptions& options) {
  auto store = CassandraStore::open(options);
  if (!store) ADD_FAILURE() << store.error().message();
  return store ? std::move(*store) : nullptr;
}

void write(CassandraStore& store, Commit commit) {
  const Store::Ticket ticket = store.submit(std::move(commit));
  for (;;) {
    const auto done = store.poll();
    ASSERT_TRUE(done) << done.error().message();
    if (*done >= ticket) return;
  }
}

std::string all_cells(const std::string& select) {
  const auto rows = session().run(select);
  EXPECT_TRUE(rows) << rows.error().message();
  std::string lines;
  if (!rows) return lines;
  for (cql::CellReader cells(rows->cells()); !cells.done();) lines.append(cells.raw().value_or("")).push_back('\n');
  return lines;
}

}  // namespace finpipe::cassandra_test
