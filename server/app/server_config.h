#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slotmatch/config/serve.pb.h"

namespace slotmatch {

// Command line of slotmatch_server.
struct ServerOptions {
  config::ServeConfig config;
  std::string ready_file;
  bool check_config = false;
  bool print_config = false;
  std::string early_text;  // --help or --version: print it and end
};

// Whether HOST:PORT can be reached from this machine only.
bool IsLoopback(const std::string& address);

// Defaults < --config file < --set < --model, --listen, --metrics,
// --admin. kInvalidArgument for wrong
// options, kFailedPrecondition for wrong settings.
absl::StatusOr<ServerOptions> ParseServerOptions(int argc, char** argv,
                                                 const std::string& libraries);

// kFailedPrecondition names the setting, its value and what would be right.
absl::Status ValidateServeConfig(const config::ServeConfig& config);

}  // namespace slotmatch
