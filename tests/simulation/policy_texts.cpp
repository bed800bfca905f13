#include "policy_texts.h"

#include <algorithm>
#include <stdexcept>

#include "codec/policy_file.h"

namespace finpipe::simulation {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("not in the policy: " + std::string(from));
  return text.replace(at, from.size(), to);
}

}  // namespace

PolicyTexts policy_texts(std::string_view market, bool calendar) {
  static const std::vector<MarketPolicy> kBundled = bundled_policies().value();
  const auto policy = std::ranges::find(kBundled, market, &MarketPolicy::market);
  std::string text = policy->text;
  if (!calendar && !policy->calendar.always_open()) {
    const std::size_t session = text.find("[session]");
    const std::size_t conditions = text.find("[conditions]");
    text.replace(session, conditions - session,
                 "[session]\ntimezone = \"UTC\"\nkind = \"always\"\ntrading_day_start = \"00:00\"\n");
  }
  const std::string delay = "allowed_delay_ms = " + std::to_string(policy->allowed_delay_ms) + "\n";
  PolicyTexts texts{std::string(market), {text}};
  texts.versions.push_back(replaced(text, delay, "allowed_delay_ms = 30000\n"));
  texts.versions.push_back(replaced(text, delay, "allowed_delay_ms = 0\n"));
  if (policy->has_rules) {
    texts.versions.push_back(replaced(text, "name = \"Odd Lot\", high_low = false, last = \"no\"",
                                      "name = \"Odd Lot\", high_low = true, last = \"first\""));
  } else {
    texts.versions.push_back(replaced(text, "zero_volume_moves_price = false", "zero_volume_moves_price = true"));
  }
  return texts;
}

}  // namespace finpipe::simulation
