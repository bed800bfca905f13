// Who may ask. A browser sends requests for any page that is open in it, so two rules keep other pages out: one of
// another origin may not call the API or open the stream, and a listener on this machine's loopback answers only to the
// names of loopback (else a page whose name was pointed here would count as ours).
#pragma once

#include <string_view>

#include "base/error.h"

namespace finpipe {

// Whether an IP address to listen on is reachable from this machine only.
[[nodiscard]] bool is_loopback(std::string_view address);

// `host`, `origin`: the request's headers, empty when it has none. Errors: kForeignHost, kForeignOrigin.
[[nodiscard]] Result<void> check_access(bool loopback_listener, std::string_view host, std::string_view origin);

}  // namespace finpipe
