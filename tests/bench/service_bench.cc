#include "tests/bench/service_bench.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/frame_source.h"
#include "client/stream_client.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "tests/integration/process.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(60);
constexpr size_t kFrames = 48;  // pictures in memory, sent in turn

class Bench : public ServiceBench {
 public:
  absl::Status StartServer(const Options& options) {
    const std::string folder = FreshFolder("bench");
    const std::string ready = folder + "/ready.json";
    server_ = std::make_unique<Process>(
        std::vector<std::string>{options.server, "--model", options.model, "--listen",
                                 "127.0.0.1:0", "--metrics", "none", "--admin", "none",
                                 "--ready-file", ready, "--set",
                                 absl::StrCat("compute.torch_threads=", options.threads)},
        folder + "/server.log");
    Eventually([&] { return !server_->running() || ReadFile(ready).ok(); }, kStartPatience);
    SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(ready));
    const auto port = nlohmann::json::parse(text).at("grpc_port").get<int>();
    SM_ASSIGN_OR_RETURN(channel_, Connect({absl::StrCat("127.0.0.1:", port)}, kStartPatience));
    return absl::OkStatus();
  }

  absl::Status ReadPictures(const std::string& video) {
    SM_ASSIGN_OR_RETURN(const auto source, OpenFrameSource(video));
    while (pictures_.size() < kFrames) {
      SM_ASSIGN_OR_RETURN(const auto frame, source->Next());
      if (!frame.has_value()) break;
      std::vector<uint8_t> bytes;
      cv::imencode(".jpeg", frame->bgr, bytes);
      pictures_.emplace_back(bytes.begin(), bytes.end());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<absl::Duration> Run(int streams, int steps) override {
    std::vector<std::unique_ptr<StreamClient>> clients;
    for (int s = 0; s < streams; ++s) {
      SM_ASSIGN_OR_RETURN(auto client, StreamClient::Open(channel_, v1::SessionConfig()));
      clients.push_back(std::move(client));
    }
    const absl::Time start = absl::Now();
    std::vector<std::thread> threads;
    std::vector<absl::Status> ends(streams);
    for (int s = 0; s < streams; ++s) {
      threads.emplace_back([this, steps, client = clients[s].get()] { Send(client, steps); });
      threads.emplace_back(
          [steps, client = clients[s].get(), end = &ends[s]] { *end = ReceiveAll(client, steps); });
    }
    for (std::thread& thread : threads) thread.join();
    const absl::Duration took = absl::Now() - start;
    for (const absl::Status& end : ends) SM_RETURN_IF_ERROR(end);
    return took;
  }

  int64_t peak_rss_bytes() const override {
    std::ifstream status(absl::StrCat("/proc/", server_->pid(), "/status"));
    std::string word;
    int64_t kib = 0;
    while (status >> word) {
      if (word == "VmHWM:" && status >> kib) return kib * 1024;
    }
    return 0;
  }

 private:
  void Send(StreamClient* client, int steps) {
    for (int i = 0; i < steps; ++i) {
      v1::Frame frame;
      frame.set_frame_id(i + 1);
      frame.set_encoded(pictures_[static_cast<size_t>(i) % pictures_.size()]);
      if (!client->Send(frame)) break;
    }
    client->SendDone();
  }

  static absl::Status ReceiveAll(StreamClient* client, int steps) {
    int results = 0;
    for (;;) {
      SM_ASSIGN_OR_RETURN(const auto response, client->Receive());
      if (!response.has_value()) break;
      if (response->has_error()) return absl::InternalError(response->error().message());
      ++results;
    }
    return results == steps ? absl::OkStatus() : absl::InternalError("frames are missing");
  }

  std::unique_ptr<Process> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::string> pictures_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServiceBench>> ServiceBench::Start(const Options& options) {
  auto bench = std::make_unique<Bench>();
  SM_RETURN_IF_ERROR(bench->ReadPictures(options.video));
  SM_RETURN_IF_ERROR(bench->StartServer(options));
  return bench;
}

}  // namespace slotmatch
