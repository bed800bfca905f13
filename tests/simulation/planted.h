// Switches one rule of the pipeline off while it lives.
#pragma once

#include "base/planted_fault.h"

namespace finpipe::simulation {

class Planted {
 public:
  explicit Planted(PlantedFault fault) { planted_fault = fault; }
  ~Planted() { planted_fault = PlantedFault::kNone; }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
};

}  // namespace finpipe::simulation
