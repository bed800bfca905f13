// A stand-in for Finnhub's WebSocket endpoint: plays a tape to whoever subscribes, plain or over TLS, does wrong on
// demand or by a seeded schedule what the vendor's connections do wrong, and keeps a record of what it wrote to whom.
// It has a thread of its own and serves one address. On the same port, for programs on this machine only:
//   GET  /control/status              what it is doing
//   GET  /control/record[?after=N]    the record's newest lines
//   POST /control/fault               a fault, as parse_fault reads it
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "endpoint/finnhub_ws.h"
#include "simulator/faults.h"
#include "simulator/looped_tape.h"
#include "simulator/player.h"

namespace finpipe {

struct SimulatorOptions {
  std::shared_ptr<const LoopedTape> tape;
  PlayOptions play;
  // Wall time at which loop 0 begins. Absent: now for a looped tape; for one that is played once a tenth of a second
  // after the first subscriptions, so that a client can ask for all its symbols. At full speed it is played as fast as
  // subscribers take it, and waits while there is none.
  std::optional<std::int64_t> start_ns;

  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: a free one
  bool tls = false;
  std::string certificate_pem;  // with `tls`; empty: generated, for `address` and localhost
  std::string key_pem;
  FinnhubServerOptions finnhub;

  std::int64_t fault_every_ms = 0;  // 0: no schedule
  std::vector<FaultKind> faults;    // of the schedule; empty: all
  std::uint64_t seed = 1;

  std::string record_path;    // empty: the record is kept in memory only
  std::string control_token;  // not empty: control requests need it, as `Authorization: Bearer`
};

class Simulator {
 public:
  // Listens and starts the thread. Errors: kListenFailed, kBadCertificate, kIo (the record).
  [[nodiscard]] static Result<std::unique_ptr<Simulator>> start(SimulatorOptions options);
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // What a client has to trust; empty unless the certificate was generated.
  [[nodiscard]] const std::string& ca_pem() const;
  // From any thread; it happens soon.
  void inject(const Fault& fault);
  // Closes connections with 1001, at most half a second later without, and ends the thread. Once is enough.
  void stop();

 private:
  class Implementation;
  explicit Simulator(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe
