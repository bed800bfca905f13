#include "app/server_trouble.h"

#include <fmt/format.h>

namespace finpipe {

std::vector<std::string> reasons_not_ready(const PipelineThreads::Status& status,
                                           const std::optional<std::string>& log_trouble,
                                           const std::optional<std::string>& store_trouble) {
  std::vector<std::string> reasons;
  if (status.done) reasons.emplace_back("the pipeline has stopped");
  if (log_trouble) reasons.push_back(fmt::format("the log is in trouble: {}", *log_trouble));
  if (store_trouble) reasons.push_back(fmt::format("the store is in trouble: {}", *store_trouble));
  if (status.backlog > kBehindRecords) {
    reasons.push_back(fmt::format("{} records of the log are not processed yet", status.backlog));
  }
  return reasons;
}

}  // namespace finpipe
