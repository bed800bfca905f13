// The rows of `finpipe export`: RFC 4180 text, decimals plain and exact, times ISO-8601 UTC, nothing for null.
// Each append_ function adds one line with its newline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "market/read_interval.h"
#include "pipeline/ports.h"

namespace finpipe::csv {

constexpr std::string_view kBarHeader =
    "symbol,interval,start,open,high,low,close,volume,vwap,trades,state,flags,missing_ms,revision\n";
constexpr std::string_view kRevisionHeader =
    "symbol,interval,start,open,high,low,close,volume,vwap,trades,state,flags,missing_ms,revision,reason,closed_at\n";
constexpr std::string_view kTradeHeader = "symbol,event_time,seq,price,volume,conditions,received_at,writer,suspect\n";
constexpr std::string_view kGapHeader = "symbol,from,to,reason,filled\n";
constexpr std::string_view kVoidHeader = "symbol,event_time,seq,action,reason,at\n";
constexpr std::string_view kDeadLetterHeader = "received_at,reason,stage,raw_base64\n";

void append_bar(std::string& out, const BarRow& row, const ReadInterval& interval, BarMarks marks);
void append_revision(std::string& out, const RevisionRow& row);
// Conditions: nothing for null, `[]` for an empty list, `-` when the trade had none, else codes joined by spaces.
void append_trade(std::string& out, const Trade& trade);
void append_gap(std::string& out, std::string_view symbol, const SpanRow& gap, bool filled);
void append_void(std::string& out, const VoidRow& row);
void append_dead_letter(std::string& out, const DeadLetter& letter);

// The flags of a bar joined by +, empty when there are none.
[[nodiscard]] std::string flags_of(const Bar& bar, BarMarks marks = {});

}  // namespace finpipe::csv
