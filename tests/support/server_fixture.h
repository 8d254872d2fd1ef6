#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image.h"
#include "server/app/app.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"
#include "tests/support/fake_segmenter.h"

namespace slotmatch {

// True as soon as `condition` is; false when it is not within `patience`.
bool Eventually(const std::function<bool()>& condition,
                absl::Duration patience = absl::Seconds(20));

// One Segment stream of a client that may do anything wrong. Every call ends after a minute.
class TestStream {
 public:
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  explicit TestStream(const std::shared_ptr<grpc::Channel>& channel,
                      absl::Duration deadline = absl::Minutes(1), const Metadata& metadata = {});
  ~TestStream();

  bool Send(const v1::SegmentRequest& request) { return stream_->Write(request); }
  bool SendConfig(const v1::SessionConfig& config = {});
  bool SendPicture(uint64_t frame_id, const Image& picture);  // as raw pixels
  bool SendBytes(uint64_t frame_id, const std::string& encoded);
  bool SendPing(uint64_t nonce);
  bool SendSnapshot();
  void SendDone() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  // The next response; nullopt when there are no more.
  std::optional<v1::SegmentResponse> Read();
  // SendConfig() and the answer, which must be SessionOpened.
  v1::SessionOpened Open(const v1::SessionConfig& config = {});
  // Reads what is left and gives the stream's status.
  grpc::Status Finish();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::SlotMatchService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SegmentRequest, v1::SegmentResponse>> stream_;
  bool finished_ = false;
};

// A loader of FakeSegmenters: the directory .../NAME/VERSION is that version of the model NAME.
// `made`, when given, takes every model.
using MadeFakes = std::vector<std::weak_ptr<FakeSegmenter>>;
ModelLoader FakeLoader(std::shared_ptr<MadeFakes> made = nullptr);
// Models that are served under these directories.
config::ServeConfig Serving(config::ServeConfig config, const std::vector<std::string>& paths);

// A ServerApp around a FakeSegmenter on free loopback ports, and a connection to it.
struct TestServer {
  TestServer() = default;
  TestServer(TestServer&&) = default;
  TestServer& operator=(TestServer&&) = default;
  ~TestServer();  // lets a held segmenter go

  FakeSegmenter* fake = nullptr;    // owned by app
  std::shared_ptr<MadeFakes> made;  // all models of its life, in order
  std::unique_ptr<ServerApp> app;
  std::shared_ptr<grpc::Channel> channel;
};
// With the models of `config`, or "fake/1" when it has none; `fake` is the first.
TestServer StartServer(const config::ServeConfig& config);

// One server, and its name for short.
class ServerFixture : public testing::Test {
 protected:
  ServerFixture();

  // Starts the app with config_ and connects channel_.
  void StartApp();
  // Sum of the samples of the /metrics text whose line begins with `series`.
  double Metric(const std::string& series) const;
  // Slot vectors of these pictures as one stream, computed without a server.
  std::vector<std::vector<float>> ExpectedSlots(const std::vector<Image>& pictures) const;

  config::ServeConfig config_;
  TestServer server_;
  FakeSegmenter* fake_ = nullptr;  // these three are server_'s
  ServerApp* app_ = nullptr;
  std::shared_ptr<grpc::Channel> channel_;
};

// Little-endian floats of a slot's vector; all slots in a row.
std::vector<float> SlotsOf(const v1::FrameResult& result);

}  // namespace slotmatch
