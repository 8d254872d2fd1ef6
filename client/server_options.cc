#include "client/server_options.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int64_t kMaxTokenFileBytes = 4096;

std::atomic<bool> interrupted{false};  // set by a signal handler, which reaches nothing else

}  // namespace

void ServerOptions::AddTo(OptionTable* options) {
  options->Text("server", "HOST:PORT", "address of the server", &server.address);
  options->Flag("tls", "speak TLS with the server", &server.tls);
  options->Text("tls-ca", "FILE", "authorities (PEM) the server's certificate may come from",
                &server.ca_file);
  options->Text("tls-cert", "FILE", "own certificate (PEM), for servers that ask for one",
                &server.certificate_file);
  options->Text("tls-key", "FILE", "its private key (PEM)", &server.key_file);
  options->Text("token-file", "FILE", "file whose first line is the bearer token", &token_file);
  options->Number("connect-timeout", "SECONDS", "how long to wait for the server",
                  &connect_timeout_s);
}

// A token on the command line would be seen by every user of the machine.
absl::Status ServerOptions::Finish() {
  if (token_file.empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(token_file, kMaxTokenFileBytes));
  server.token = text.substr(0, text.find_first_of("\r\n"));
  if (!server.token.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(token_file + " begins with an empty line");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ServerOptions::Connect() const {
  return slotmatch::Connect(server, absl::Seconds(connect_timeout_s));
}

std::string ClientLibraries() { return absl::StrCat("gRPC ", grpc::Version(), "\n"); }

std::atomic<bool>* StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = SA_RESETHAND | SA_RESTART;  // the second Ctrl-C ends the process
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return &interrupted;
}

}  // namespace slotmatch
