#include "tests/bench/bench_server.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(90);

}  // namespace

absl::StatusOr<std::unique_ptr<BenchServer>> BenchServer::Start(
    const std::string& program, const std::string& model,
    const std::vector<std::string>& settings) {
  std::unique_ptr<BenchServer> server(new BenchServer());
  server->folder_ = FreshFolder("bench");
  const std::string ready = server->folder_ + "/ready.json", log = server->folder_ + "/server.log";
  std::vector<std::string> command = {program,       "--model",      model,  "--listen",
                                      "127.0.0.1:0", "--metrics",    "none", "--admin",
                                      "none",        "--ready-file", ready};
  for (const std::string& setting : settings) command.insert(command.end(), {"--set", setting});
  server->process_ = std::make_unique<Process>(command, log);
  Process* const process = server->process_.get();
  Eventually([&] { return !process->running() || ReadFile(ready).ok(); }, kStartPatience);
  const auto text = ReadFile(ready);
  if (!text.ok()) {
    return absl::UnavailableError("the server did not become ready: " + process->Errors());
  }
  server->port_ = nlohmann::json::parse(*text).at("grpc_port").get<int>();
  return server;
}

BenchServer::~BenchServer() {
  process_.reset();
  std::filesystem::remove_all(folder_);
}

absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> BenchServer::Connect(
    int connections) const {
  std::vector<std::shared_ptr<grpc::Channel>> channels(connections);
  for (auto& channel : channels) {
    SM_ASSIGN_OR_RETURN(channel,
                        slotmatch::Connect({absl::StrCat("127.0.0.1:", port_)}, kStartPatience));
  }
  return channels;
}

int64_t BenchServer::StatusBytes(const std::string& field) const {
  std::ifstream status(absl::StrCat("/proc/", process_->pid(), "/status"));
  std::string word;
  int64_t kib = 0;
  while (status >> word) {
    if (word == field && status >> kib) return kib * 1024;
  }
  return 0;
}

int64_t BenchServer::rss_bytes() const { return StatusBytes("VmRSS:"); }
int64_t BenchServer::peak_rss_bytes() const { return StatusBytes("VmHWM:"); }

}  // namespace slotmatch
