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
    {kNoSuchTrade, "no_such_trade", "There is no stored trade with this symbol, event time and seq",
     "Take all three from one line of `finpipe export trades`"},
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
    {kNameNotFound, "name_not_found", "A host name cannot be resolved", "Check the name, the network and its DNS"},
    {kConnectFailed, "connect_failed", "A connection was refused or the host cannot be reached",
     "Check host, port and firewall; the feed goes on trying"},
    {kTimedOut, "timed_out", "The other side did not answer in time", "Check the network; the feed goes on trying"},
    {kConnectionLost, "connection_lost", "The connection ended or went silent",
     "Nothing to do: the feed connects again, and the bars that it touched carry a gap"},
    {kProtocolError, "protocol_error", "The other side broke the WebSocket or HTTP protocol",
     "Nothing to do: the feed connects again; look for a proxy in between if it happens often"},
    {kTlsUnknownCa, "tls_unknown_ca", "The server's certificate comes from an authority that is not trusted",
     "Give the authority's certificate with --ca-file, or install ca-certificates"},
    {kTlsSelfSigned, "tls_self_signed", "The server's certificate is signed by itself",
     "Give that certificate with --ca-file if it is yours; else do not connect there"},
    {kTlsExpired, "tls_expired", "The server's certificate has expired or is not valid yet",
     "Check this machine's clock (`timedatectl`), then have the server's certificate renewed"},
    {kTlsWrongHost, "tls_wrong_host", "The server's certificate is for another host name",
     "Use the name that the certificate is for; else do not connect there"},
    {kTlsFailed, "tls_failed", "The TLS handshake failed", "Check that the port speaks TLS 1.2 or newer"},
    {kBadCertificate, "bad_certificate", "A certificate or key cannot be used",
     "Give PEM files: the certificate with its chain, and the key that belongs to it"},
    {kUnauthorized, "unauthorized", "The server refused the API key (401)",
     "Check FINNHUB_API_KEY: the key is on the dashboard at finnhub.io"},
    {kTooManyRequests, "too_many_requests", "The server refuses more connections or requests for now (429)",
     "One connection a key: stop other programs that use this key; the feed waits and tries again"},
    {kUpgradeRefused, "upgrade_refused", "The server answered, but not as a WebSocket server does",
     "Check the address and proxies in between; 5xx is trouble at the vendor, and the feed tries again slowly"},
    {kListenFailed, "listen_failed", "The address cannot be listened on", "Choose another one with --listen"},
    {kInsecureListen, "insecure_listen", "Listening beyond this machine has no protection yet",
     "Listen on 127.0.0.1 and put a proxy with access control in front, or say --insecure to do it all the same"},
    {kMissingKey, "missing_key", "The vendor's feed needs an API key",
     "Set FINNHUB_API_KEY in the environment or in .env, or use --feed sim: to go on without one"},
    {kBadRequest, "bad_request", "A parameter of the request is missing, unknown or has a value that it cannot take",
     "Correct the parameter that is named; docs/api.md lists them"},
    {kNoSuchRoute, "no_such_route", "Nothing is served under this path", "docs/api.md lists the paths"},
    {kMethodNotAllowed, "method_not_allowed", "The path does not take this method",
     "Use GET, or HEAD for the header only"},
    {kForeignOrigin, "foreign_origin", "The request comes from a page of another origin",
     "Open the page that finpipe serves; programs send no Origin header"},
    {kForeignHost, "foreign_host", "The request names a host that this loopback listener is not known by",
     "Use http://127.0.0.1 or http://localhost with the port"},
    {kUpgradeRequired, "upgrade_required", "The path serves a WebSocket", "Connect with a WebSocket client"},
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
