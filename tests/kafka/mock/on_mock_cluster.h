// What the tests on the mock cluster share.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "log_subject.h"
#include "mock_cluster.h"

namespace finpipe::kafka {

using Append = LogWriter::Append;
using kafka_test::open_log;

[[nodiscard]] bool wait_until(const std::function<bool()>& done);

[[nodiscard]] Append append(LogWriter& writer, const std::string& value, std::int32_t partition = 0);
// Until it is acknowledged.
void write(LogWriter& writer, const std::string& value, std::int32_t partition = 0);
// The error that polls come to.
[[nodiscard]] std::optional<Error> await_error(LogWriter& writer);
[[nodiscard]] std::optional<Error> await_error(LogReader& reader);

// As a program of somebody else may write.
void write_foreign(const KafkaOptions& options, const std::optional<std::string>& key,
                   const std::optional<std::string>& value, const std::string& type = "", std::string topic = "",
                   std::int32_t partition = 0);

[[nodiscard]] DeadLetter letter(const std::string& id, std::string raw = "x", std::string detail = "");

class OnMockCluster : public testing::Test {
 protected:
  MockCluster cluster_;
};

}  // namespace finpipe::kafka
