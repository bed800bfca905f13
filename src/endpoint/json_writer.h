// Rows as the API writes them: JSON objects with decimals as exact strings. docs/api.md is the contract.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/bar.h"
#include "market/trade.h"

namespace finpipe::json {

// A number that orders all versions of a bar: the generation before the version. Below 2^53, so that every client can
// hold it.
[[nodiscard]] std::int64_t version_of(const Bar& bar);

// {"start":…,"open":"…",…}
void append_bar(std::string& out, const BarRow& row, BarMarks marks = {});
// The same with `reason` and `closed_at` in ms, rounded up: as of that moment the bar says this.
void append_revision(std::string& out, const BarRow& row);
// {"time":…,"seq":…,…}
void append_trade(std::string& out, const Trade& trade);
// {"error":{"code":"E800","name":"bad_request","message":"…"}}
[[nodiscard]] std::string error_body(const Error& error);

// Appends `,` unless nothing but an opening bracket or brace stands before.
void append_comma(std::string& out);

}  // namespace finpipe::json
