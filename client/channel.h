#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace slotmatch {

// Where a server is and how it is spoken to.
struct ServerAddress {
  std::string address;  // HOST:PORT
  bool tls = false;
  std::string ca_file;           // PEM; empty: the system's authorities
  std::string certificate_file;  // PEM; the client's own, for servers that ask for one
  std::string key_file;          // PEM
  std::string token;             // sent as "authorization: Bearer TOKEN"; empty: none
};

// A connected channel that shares its connection with no other. UNAVAILABLE when nobody answers
// within `patience`; kNotFound when a file is missing.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const ServerAddress& server,
                                                       absl::Duration patience);

// gRPC's status as ours: the same code and message.
absl::Status FromGrpc(const grpc::Status& status);

// Makes a channel to a server whenever one is needed.
using Connector = std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>()>;

}  // namespace slotmatch
