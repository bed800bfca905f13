// The server that these tests run on: FINPIPE_CASSANDRA=host:port names it.
#pragma once

#include <memory>
#include <string>

#include "stores/cassandra/cassandra_store.h"

namespace finpipe::cassandra_test {

[[nodiscard]] CassandraOptions server();
// Tables of finpipe without a row; made when they are not there.
void empty_tables();
[[nodiscard]] std::unique_ptr<CassandraStore> open_store(const CassandraOptions& options = server());
void write(CassandraStore& store, Commit commit);
// What a SELECT of one column gives, a line each, read at consistency ALL.
[[nodiscard]] std::string all_cells(const std::string& select);

}  // namespace finpipe::cassandra_test
