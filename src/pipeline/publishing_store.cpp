#include "pipeline/publishing_store.h"

#include "base/hash.h"
#include "codec/bar_record.h"
#include "pipeline/query.h"

namespace finpipe {

Store::Ticket PublishingStore::submit(Commit commit) {
  queued_.push_back({next_, std::move(commit)});
  return next_++;
}

void PublishingStore::append() {
  for (; appended_ < rows_.size(); ++appended_) {
    const BarRow& row = *rows_[appended_];
    value_.clear();
    encode_bar_record(row, value_);
    const LogRecord record{.type = RecordType::kTrade, .key = row.key.symbol, .value = value_};
    if (bars_.append(partition_of(row.key.symbol, bars_.partitions()), {&record, 1}) == LogWriter::Append::kFull)
      return;
  }
}

Result<Store::Ticket> PublishingStore::poll() {
  if (appending_.empty() && !queued_.empty()) {
    rows_.clear();
    appended_ = 0;
    for (; !queued_.empty(); queued_.pop_front()) appending_.push_back(std::move(queued_.front()));
    for (const auto& [ticket, commit] : appending_) {
      for (const auto* rows : {&commit.revisions, &commit.bars}) {
        for (const BarRow& row : *rows) {
          if (is_visible(row.bar)) rows_.push_back(&row);
        }
      }
    }
  }
  append();
  FINPIPE_TRY(bars_.poll());
  if (appended_ == rows_.size() && bars_.pending_bytes() == 0) {
    for (auto& [ticket, commit] : appending_) submitted_.emplace_back(ticket, to().submit(std::move(commit)));
    appending_.clear();
  }
  FINPIPE_TRY_ASSIGN(stored, to().poll());
  for (; !submitted_.empty() && submitted_.front().second <= stored; submitted_.pop_front())
    done_ = submitted_.front().first;
  return done_;
}

}  // namespace finpipe
