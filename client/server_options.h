#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/channel.h"
#include "core/base/options.h"

// What the command lines of all clients share.
namespace slotmatch {

struct ServerOptions {
  ServerOptions() { server.address = "localhost:50051"; }

  ServerAddress server;
  std::string token_file;
  double connect_timeout_s = 5;

  // The rows --server, --tls..., --token-file and --connect-timeout.
  void AddTo(OptionTable* options);
  // To be called once after parsing: reads the token.
  absl::Status Finish();
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect() const;
};

// Lines of VersionText() for the programs of this room.
std::string ClientLibraries();

// Turns true at the first SIGINT or SIGTERM from this call on; the second one ends the process.
std::atomic<bool>* StopOnSignals();

}  // namespace slotmatch
