#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "slotmatch/v1/admin.grpc.pb.h"

namespace slotmatch {

// What a command works with.
struct AdminCall {
  std::unique_ptr<v1::AdminService::Stub> stub;
  absl::Duration patience;             // of the call
  std::vector<std::string> arguments;  // after the command's name
  std::string out;                     // file that trace-stop writes
  int64_t max_frames = 0;              // of trace-start; 0: the server's choice
  bool end_sessions = false;           // of unload
  bool json = false;                   // prints the answer as JSON
};

struct AdminCommand {
  const char* name;
  const char* arguments;  // as --help shows them
  size_t min_arguments, max_arguments;
  const char* help;
  absl::Status (*run)(const AdminCall& call);  // prints the answer
};
const std::vector<AdminCommand>& AdminCommands();

}  // namespace slotmatch
