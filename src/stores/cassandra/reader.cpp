#include "stores/cassandra/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/time.h"

namespace finpipe::cql {
namespace {

constexpr std::uint32_t kWaitMs = 50;
constexpr std::int64_t kSlow = 5;  // times the patience, of a whole visit
constexpr std::int32_t kFirstPageRows = 500, kPageRows = 4'000;

}  // namespace

class Reader::Scan {
 public:
  Scan(const Reader& reader, std::span<const Select> selects)
      : reader_(reader),
        link_(reader.make_link_()),
        selects_(selects),
        queries_(selects.size()),
        begun_ns_(reader.clock_.boot_ns()),
        silent_since_ns_(begun_ns_) {}

  Result<bool> run(std::size_t most_under_way, const Visit& visit) {
    std::size_t asked = 0;
    std::size_t under_way = 1;  // more as it goes on: most visits end early
    for (std::size_t at = 0; at < selects_.size();) {
      for (; asked < selects_.size() && asked < at + under_way; ++asked) ask(asked);
      silent_since_ns_ = reader_.clock_.boot_ns();  // what the visitor took is not the cluster's silence
      while (!queries_[at].answered) FINPIPE_TRY(wait());
      Query& query = queries_[at];
      const Rows rows = std::move(query.rows);
      query.answered = false;
      query.paging_state = rows.paging_state();
      const bool more = !query.paging_state.empty();
      // Who wants few rows has them in the first page.
      const bool ahead = more && ++query.pages > 1;
      if (ahead) ask(at);
      CellReader cells(rows.cells());
      for (std::size_t row = 0; row < rows.count(); ++row) {
        FINPIPE_TRY_ASSIGN(go_on, visit(at, cells));
        if (!go_on) return false;
      }
      if (more && !ahead) ask(at);
      if (more) continue;
      ++at;
      under_way = std::min(2 * under_way, most_under_way);
    }
    return true;
  }

 private:
  struct Query {
    bool answered = false;
    Rows rows;  // of the page at hand
    std::string paging_state;
    int pages = 0;
    int failures = 0;
    std::optional<std::int64_t> again_ns;
  };

  void ask(std::size_t index) {
    Query& query = queries_[index];
    query.again_ns.reset();
    link_->select(selects_[index].statement, selects_[index].cells, query.pages == 0 ? kFirstPageRows : kPageRows,
                  query.paging_state, index);
  }

  Result<void> wait() {
    if (reader_.interrupted_) return fail(ErrorCode::kInterrupted);
    for (Answer& answer : link_->receive(kWaitMs)) FINPIPE_TRY(take(answer));
    const std::int64_t now_ns = reader_.clock_.boot_ns();
    std::erase_if(again_, [&](std::size_t index) {
      if (*queries_[index].again_ns > now_ns) return false;
      ask(index);
      return true;
    });
    const auto& [patience_ms, trouble, known_trouble] = reader_.options_;
    if (trouble != nullptr && now_ns != silent_since_ns_) trouble->waiting(now_ns);
    if (patience_ms == 0) return {};
    if (known_trouble != nullptr) {
      if (auto why = known_trouble->text()) return reader_.give_up(*std::move(why));
    }
    // Who must not be held up does not wait for many slow answers either.
    const bool slow = known_trouble != nullptr && now_ns - begun_ns_ >= kSlow * patience_ms * kNsPerMs;
    if (now_ns - silent_since_ns_ < patience_ms * kNsPerMs && !slow) return {};
    if (slow) return reader_.give_up(fmt::format("not all answers within {} ms", kSlow * patience_ms));
    return reader_.give_up(fmt::format("no answer for {} ms{}{}", patience_ms, failure_.empty() ? "" : ": ", failure_));
  }

  Result<void> take(Answer& answer) {
    Query& query = queries_[answer.tag];
    Trouble* const trouble = reader_.options_.trouble;
    if (answer.status == FP_CQL_OK) {
      query.answered = true;
      query.rows = std::move(answer.rows);
      query.failures = 0;
      silent_since_ns_ = reader_.clock_.boot_ns();
      if (trouble != nullptr) trouble->all_is_well();
      return {};
    }
    if (!is_passing(answer.status)) return fail(error_of(answer.status, std::move(answer.message)));
    const std::int64_t now_ns = reader_.clock_.boot_ns();
    query.again_ns = now_ns + retry_delay_ns(query.failures++);
    again_.push_back(answer.tag);
    if (trouble != nullptr) trouble->waiting(now_ns, answer.message);
    failure_ = std::move(answer.message);
    return {};
  }

  const Reader& reader_;
  std::unique_ptr<Link> link_;
  std::span<const Select> selects_;
  std::vector<Query> queries_;
  std::vector<std::size_t> again_;  // those that failed
  std::string failure_;             // why the last one did
  std::int64_t begun_ns_;
  std::int64_t silent_since_ns_;
};

std::unexpected<Error> Reader::give_up(std::string why) const {
  gave_up_ns_ = clock_.boot_ns();
  return fail(ErrorCode::kStoreUnreachable, std::move(why));
}

Result<bool> Reader::visit(std::span<const Select> selects, std::size_t most_under_way, const Visit& visit) const {
  if (gave_up_ns_ && clock_.boot_ns() - *gave_up_ns_ < kNoWaitNs) {
    return fail(ErrorCode::kStoreUnreachable, "as a moment ago");
  }
  return Scan(*this, selects).run(most_under_way, visit);
}

}  // namespace finpipe::cql
