#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace finpipe {
namespace {

using enum ErrorCode;

constexpr auto kErrors = std::to_array<ErrorInfo>({
    {kUsage, "usage", "The command line cannot be understood", "See the command's --help for its flags and examples"},
    {kBadUrl, "bad_url", "The URL names no part that this program has",
     "Use the forms of --help, for example tape:PATH or embedded:DIR"},
    {kBadSetting, "bad_setting", "A setting has a value that it cannot take",
     "Correct it where it was set; `finpipe config` shows each value and where it came from"},
    {kBadConfigFile, "bad_config_file", "The configuration file cannot be read",
     "Correct the line that is named, or start from .env.example"},
    {kBadPolicy, "bad_policy", "A policy file breaks the rules of policies/README.md",
     "Correct the key that is named; the bundled files show the form"},
    {kNotFound, "not_found", "A file or directory does not exist", "Check the path; relative ones start where you are"},
    {kIo, "io_error", "The operating system refused a read or a write", "Check the disk, its permissions and `dmesg`"},
    {kDirectoryInUse, "directory_in_use", "Another finpipe process holds this data directory",
     "Stop the other process, or give this one its own directory with --log and --store"},
    {kReadOnly, "read_only", "The data directory cannot be written", "Give write permission, or choose another one"},
    {kDiskFull, "disk_full", "No space is left on the device", "Free space and start again: nothing stored is lost"},
    {kCorrupt, "corrupt", "Stored data does not pass its checks",
     "Run `finpipe verify` to see what differs; restore the directory or rebuild the store from the log"},
    {kWrongFormat, "wrong_format", "The directory holds something else, or data of another version",
     "Choose another directory, or use the finpipe version that wrote it"},
    {kBadJson, "bad_json", "A frame is not valid JSON", "Nothing to do: the rest goes on; see `export dead-letters`"},
    {kUnknownFrame, "unknown_frame", "A frame has no type that this program knows",
     "If the vendor added a type, update finpipe"},
    {kFrameTooLarge, "frame_too_large", "A frame is longer than 1 MiB", "Check the feed: Finnhub's frames are small"},
    {kMissingField, "missing_field", "A trade lacks one of p, s, t, v", "Check the feed; see `export dead-letters`"},
    {kWrongType, "wrong_type", "A field has another JSON type than the protocol says",
     "Check the feed; see `export dead-letters`"},
    {kBadPrice, "bad_price", "A price is negative", "Check the feed; see `export dead-letters`"},
    {kBadVolume, "bad_volume", "A volume is negative", "Check the feed; see `export dead-letters`"},
    {kNumberOutOfRange, "number_out_of_range", "A number does not fit its decimal (price 1e-9, volume 1e-8, 64 bits)",
     "Check the feed; see `export dead-letters`"},
    {kBadSymbol, "bad_symbol", "A symbol is empty, longer than 64 bytes, or not printable ASCII",
     "Check the feed; see `export dead-letters`"},
    {kBadConditions, "bad_conditions", "Conditions are not up to 32 short codes, or null",
     "Check the feed; see `export dead-letters`"},
    {kTimeInFuture, "time_in_future", "A trade is stamped further ahead of its receipt than the tolerance",
     "Check this machine's clock (`timedatectl`), then the feed"},
    {kTimeTooOld, "time_too_old", "A trade is stamped before 2000-01-01", "Check the feed; see `export dead-letters`"},
    {kTornTapeLine, "torn_tape_line", "The tape's last line has no end: it was cut while being written",
     "Nothing to do: the whole lines before it were read"},
    {kBadTapeLine, "bad_tape_line", "A tape line is not [receive time in ns and a space] and a frame",
     "Correct the line: see docs/tapes.md"},
    {kTooDeep, "too_deep", "A frame nests deeper than 16 levels", "Check the feed: Finnhub's frames nest three levels"},
    {kAvroMalformed, "avro_malformed", "A record's bytes are not Avro of its schema",
     "Check who else writes to the log; see `export dead-letters`"},
    {kUnknownSchemaId, "unknown_schema_id", "A record names a schema that this program does not know",
     "Update finpipe, or check who else writes to the log"},
    {kOldSession, "old_session", "A record comes from an ingest session that has been replaced",
     "Stop the older ingest: one live ingest writes a log"},
    {kWrongPartition, "wrong_partition", "A record lies in another partition than its key hashes to",
     "Produce with the murmur2_random partitioner and the log's partition count"},
    {kKeyMismatch, "key_mismatch", "A record's key is not the symbol that its value names",
     "Check who else writes to the log; see `export dead-letters`"},
    {kOriginMismatch, "origin_mismatch", "The log holds data of another origin (vendor, demo or tape)",
     "Use another directory with --log and --store: origins are never mixed"},
    {kTapeOlderThanLog, "tape_older_than_log", "The tape begins before the log's end and is not the tape in the log",
     "Play it into an empty log: give --log and --store new directories"},
    {kCheckpointMismatch, "checkpoint_mismatch", "The checkpoint does not belong to this log, or the log lost its tail",
     "Restore the log, or rebuild the store from it: `finpipe checkpoint reset`"},
    {kOffsetOutOfRange, "offset_out_of_range", "The log no longer holds the record to go on from",
     "Records were lost to retention; accept the hole with `finpipe checkpoint reset`"},
    {kFingerprintMismatch, "fingerprint_mismatch",
     "The bars were made under other engine rules (version, delays, zones)",
     "Start a new generation with `finpipe checkpoint reset`, or run the version that made them"},
    {kNewerIngest, "newer_ingest", "A newer ingest session writes this log", "Stop one of the two: one ingest a log"},
    {kSumOverflow, "sum_overflow", "A sum of volume or notional does not fit 128 bits",
     "Report it: no market does this"},
    {kPartitionCountChanged, "partition_count_changed", "The log has another number of partitions than asked for",
     "Use its own number (`finpipe check` shows it), or an empty directory"},
    {kLogIncomplete, "log_incomplete", "The log has a hole between two offsets", "Restore the log directory"},
    {kDifferenceFound, "difference_found", "The stored data does not agree with the log",
     "Each difference is listed above; `finpipe checkpoint reset` rebuilds the store from the log"},
});

}  // namespace

std::span<const ErrorInfo> error_table() { return kErrors; }

const ErrorInfo& error_info(ErrorCode code) { return *std::ranges::find(kErrors, code, &ErrorInfo::code); }

std::string Error::message() const {
  const ErrorInfo& info = error_info(code);
  return detail.empty()
             ? fmt::format("E{} {}: {}. {}.", static_cast<int>(code), info.name, info.cause, info.remedy)
             : fmt::format("E{} {}: {} ({}). {}.", static_cast<int>(code), info.name, info.cause, detail, info.remedy);
}

}  // namespace finpipe
