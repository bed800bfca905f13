#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "app/checks.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kSlowNs = kNsPerSecond;  // to read what fits a page

void check_ledger(Findings& findings, const std::vector<Checkpoint>& checkpoints) {
  LedgerRow all;
  for (const Checkpoint& checkpoint : checkpoints) {
    for (const auto& [session, row] : checkpoint.ledger) {
      all += row;
      if (row.balanced()) continue;
      findings.fault(Finding::kLedgerUnbalanced,
                     fmt::format("partition {}, session {} of {}: received {} = already in the log {} + appended {} + "
                                 "dead-lettered {}; in the log {} = stored {} + skipped {} + dead-lettered {}",
                                 checkpoint.partition, session.second, to_string(session.first), row.received,
                                 row.already_in_log, row.appended, row.dead_lettered_before, row.in_log, row.stored,
                                 row.skipped, row.dead_lettered_after));
    }
  }
  if (!checkpoints.empty() && !findings.faulty("ledger")) {
    findings.ok("ledger", fmt::format("{} trades in the log = {} stored + {} skipped + {} dead-lettered",
                                      with_separators(all.in_log), with_separators(all.stored),
                                      with_separators(all.skipped), with_separators(all.dead_lettered_after)));
  }
}

StoreView read_store(Findings& findings, std::string_view name, Result<StorePart> opened, Clock& clock) {
  StoreView view;
  const auto problem = [&](const Error& error) {
    findings.broken("store", error);
    return view;
  };
  if (!opened) return problem(opened.error());
  Query& query = opened->query();
  const std::int64_t begun_ns = clock.boot_ns();
  auto rows = query.checkpoints();
  const std::int64_t took_ns = clock.boot_ns() - begun_ns;
  if (!rows) return problem(rows.error());
  const auto symbols = query.symbols();
  if (!symbols) return problem(symbols.error());
  findings.ok("store", fmt::format("{}: symbols: {}", name, with_separators(std::ssize(*symbols))));
  if (took_ns > kSlowNs)
    findings.warn(Finding::kStoreSlow, fmt::format("{} ms to read the checkpoints", took_ns / kNsPerMs));
  for (const CheckpointRow& row : *rows) {
    auto checkpoint = decode_checkpoint(row);
    if (!checkpoint) {
      findings.fault("checkpoint", checkpoint.error());
    } else {
      view.checkpoints.push_back(*std::move(checkpoint));
    }
  }
  check_ledger(findings, view.checkpoints);
  return view;
}

void check_nodes(Findings& findings, const Result<StorePart>& store) {
  const auto statistics = store ? store->statistics() : std::nullopt;
  if (!statistics) return;
  const std::string text = fmt::format("{} of {} are up", statistics->nodes_up, statistics->nodes);
  if (statistics->nodes_up == statistics->nodes) {
    findings.ok("nodes", text);
  } else {
    findings.fault(Finding::kStoreNodesDown, text);
  }
}

// False when there is a problem.
bool create_tables(Findings& findings, const Settings& settings, const CassandraUrl& url) {
  const auto done = create_store(settings, url);
  if (!done) return findings.broken("store", done.error()), false;
  for (const std::string& line : *done) findings.ok("schema", line);
  return true;
}

}  // namespace

const Checkpoint* StoreView::newest() const {
  const auto found = std::ranges::max_element(checkpoints, {}, &Checkpoint::heartbeat_at_ns);
  return found == checkpoints.end() || found->heartbeat_at_ns == 0 ? nullptr : &*found;
}

StoreView check_store(Findings& findings, const Settings& settings, bool create, Clock& clock) {
  const auto url = parse_store_url(settings.store);
  if (!url) {
    findings.broken("store", url.error());
    return {};
  }
  if (const auto* place = std::get_if<DirectoryUrl>(&*url)) {
    if (!check_directory(findings, "store", place->directory)) return {};
    return read_store(findings, place->directory, open_store(settings, Access::kRead), clock);
  }
  if (create && !create_tables(findings, settings, std::get<CassandraUrl>(*url))) return {};
  auto store = open_store(settings, Access::kRead, create ? Patience::kSome : Patience::kBrief);
  check_nodes(findings, store);
  return read_store(findings, settings.store, std::move(store), clock);
}

}  // namespace finpipe
