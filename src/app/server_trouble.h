// What a run tells of a server (of its log or store) that takes and gives nothing for now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/pipeline_threads.h"

namespace finpipe {

// Sees a trouble begin and end.
class TroubleWatch {
 public:
  struct News {
    std::optional<std::string> began;       // why
    std::optional<std::int64_t> lasted_ns;  // it is over
  };
  [[nodiscard]] News look(const std::optional<std::string>& trouble, std::int64_t now_ns) {
    if (trouble.has_value() == in_trouble_) return {};
    in_trouble_ = trouble.has_value();
    if (!trouble) return {.began = {}, .lasted_ns = now_ns - since_ns_};
    since_ns_ = now_ns;
    return {.began = trouble, .lasted_ns = {}};
  }

 private:
  bool in_trouble_ = false;
  std::int64_t since_ns_ = 0;
};

// Why the API's answers are not to be relied on yet.
[[nodiscard]] std::vector<std::string> reasons_not_ready(const PipelineThreads::Status& status,
                                                         const std::optional<std::string>& log_trouble,
                                                         const std::optional<std::string>& store_trouble);

}  // namespace finpipe
