#include "server/app/app.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

// Everything a server on the loopback answers to one HTTP request.
std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, n);
  }
  close(fd);
  return answer;
}

// One answer of grpc.reflection.v1alpha to "list services", as raw bytes: no reflection protos are
// installed, and service names stand in it as they are.
std::string ReflectedServices(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const auto wait = [&queue] {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  EXPECT_TRUE(wait());
  const grpc::Slice request(std::string("\x3a\x00", 2));  // list_services: ""
  call->WriteLast(grpc::ByteBuffer(&request, 1), grpc::WriteOptions(), nullptr);
  EXPECT_TRUE(wait());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  EXPECT_TRUE(wait());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(wait());
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!response.Dump(&slices).ok()) return "";
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

using ServerAppTest = ServerFixture;

TEST_F(ServerAppTest, ListsModelsInOrderWithTheFirstAsDefault) {
  auto app = ServerApp::Start(Serving(config_, {"b/1", "a/1"}), FakeLoader());
  ASSERT_THAT(app, IsOk());
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", (*app)->grpc_port()),
                                           grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(v1::SlotMatchService::NewStub(channel)->ListModels(&context, {}, &response).ok());
  ASSERT_EQ(response.models_size(), 2);
  EXPECT_EQ(response.models(0).name(), "b");
  EXPECT_EQ(response.models(1).name(), "a");
  EXPECT_EQ(response.default_model(), "b");
  TestStream stream(channel);
  EXPECT_EQ(stream.Open().model().name(), "b");
  v1::SessionConfig config;
  config.set_model("a");
  TestStream other(channel);
  EXPECT_EQ(other.Open(config).model().name(), "a");
}

TEST_F(ServerAppTest, SaysWhatItIs) {
  config_.mutable_limits()->set_max_frame_side_px(1234);
  StartApp();
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(v1::SlotMatchService::NewStub(channel_)->GetServerInfo(&context, {}, &info).ok());
  EXPECT_FALSE(info.version().empty());
  EXPECT_EQ(info.limits().max_frame_side_px(), 1234u);
  EXPECT_THAT(info.mask_encodings(), testing::Contains(v1::MASK_ENCODING_INDEX_RLE));
  EXPECT_EQ(Metric("grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"GetServerInfo\""), 1);
}

TEST_F(ServerAppTest, WarmsEveryModelUpBeforeItIsReady) {
  const auto made = std::make_shared<MadeFakes>();
  const auto app = ServerApp::Start(Serving(config_, {"a/1"}), FakeLoader(made));
  ASSERT_THAT(app, IsOk());
  const auto batches = made->at(0).lock()->batches();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[0].first_frames);
  EXPECT_FALSE(batches[1].first_frames);
}

TEST_F(ServerAppTest, FailedWarmUpIsAFailedStart) {
  const ModelLoader load = [](const config::ServedModel&) {
    auto fake = std::make_shared<FakeSegmenter>();
    fake->FailNext(absl::InternalError("broken"));
    return fake;
  };
  EXPECT_THAT(ServerApp::Start(Serving(config_, {"a/1"}), load),
              FailsWith(absl::StatusCode::kInternal, "broken"));
}

TEST_F(ServerAppTest, RefusesWrongModels) {
  EXPECT_THAT(ServerApp::Start(config_, FakeLoader()),
              FailsWith(absl::StatusCode::kFailedPrecondition, "no model"));
  EXPECT_THAT(ServerApp::Start(Serving(config_, {"a/1", "a/1"}), FakeLoader()),
              FailsWith(absl::StatusCode::kFailedPrecondition, "'a'"));
}

TEST_F(ServerAppTest, TakenPortsAreUnavailable) {
  config_.mutable_listen()->set_metrics_address("127.0.0.1:0");
  StartApp();
  config::ServeConfig same_grpc = config_, same_metrics = config_;
  same_grpc.mutable_listen()->set_grpc_address(absl::StrCat("127.0.0.1:", app_->grpc_port()));
  same_metrics.mutable_listen()->set_metrics_address(
      absl::StrCat("127.0.0.1:", app_->metrics_port()));
  EXPECT_THAT(ServerApp::Start(Serving(same_grpc, {"a/1"}), FakeLoader()),
              FailsWith(absl::StatusCode::kUnavailable, "cannot listen"));
  EXPECT_THAT(ServerApp::Start(Serving(same_metrics, {"a/1"}), FakeLoader()),
              FailsWith(absl::StatusCode::kUnavailable, "metrics"));
}

TEST_F(ServerAppTest, MetricsAreServedOverHttp) {
  config_.mutable_listen()->set_metrics_address("127.0.0.1:0");
  StartApp();
  ASSERT_GT(app_->metrics_port(), 0);
  TestStream stream(channel_);
  stream.Open();
  stream.SendPicture(1, MakePicture(8, 8));
  ASSERT_TRUE(stream.Read().has_value());
  const std::string answer = HttpGet(app_->metrics_port(), "/metrics");
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200"));
  for (const char* series :
       {"slotmatch_sessions_active 1", "slotmatch_sessions_opened_total 1",
        "slotmatch_frames_received_total{codec=\"raw\"} 1", "slotmatch_frames_processed_total 1",
        "slotmatch_frame_latency_seconds_count 1", "slotmatch_batch_size_bucket",
        "slotmatch_frame_stage_duration_seconds_count{stage=\"decode\"} 1",
        "slotmatch_queue_depth{queue=\"batch\"} 0", "slotmatch_queue_depth{queue=\"worker\"} 0",
        "slotmatch_model_info{", "slotmatch_build_info{", "slotmatch_session_capacity 64",
        "slotmatch_draining 0", "process_resident_memory_bytes", "process_cpu_seconds_total"}) {
    EXPECT_THAT(answer, HasSubstr(series));
  }
  EXPECT_THAT(HttpGet(app_->metrics_port(), "/other"), testing::StartsWith("HTTP/1.1 404"));
}

TEST_F(ServerAppTest, ScrapesWhileItEndsDoNoHarm) {
  config_.mutable_listen()->set_metrics_address("127.0.0.1:0");
  StartApp();
  const int port = app_->metrics_port();
  std::atomic<bool> over{false};
  std::thread scraper([&] {
    while (!over) HttpGet(port, "/metrics");
  });
  server_.app.reset();
  over = true;
  scraper.join();
}

TEST_F(ServerAppTest, ReflectionListsTheServices) {
  StartApp();
  const std::string services = ReflectedServices(channel_);
  EXPECT_THAT(services, HasSubstr("slotmatch.v1.SlotMatchService"));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(ServerAppTest, ServesOnASocketFile) {
  const TempDir dir;
  const std::string address = "unix:" + dir.File("slotmatch.sock");
  config_.mutable_listen()->set_grpc_address(address);
  auto app = ServerApp::Start(Serving(config_, {"a/1"}), FakeLoader());
  ASSERT_THAT(app, IsOk());
  TestStream stream(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  EXPECT_EQ(stream.Open().model().name(), "a");
}

TEST_F(ServerAppTest, ChannelzIsOnTheAdminPortAlone) {
  config_.mutable_listen()->set_admin_address("127.0.0.1:0");
  StartApp();
  const auto admin = grpc::CreateChannel(absl::StrCat("127.0.0.1:", app_->admin_port()),
                                         grpc::InsecureChannelCredentials());
  EXPECT_THAT(ReflectedServices(admin), HasSubstr("grpc.channelz.v1.Channelz"));
  EXPECT_THAT(ReflectedServices(channel_), testing::Not(HasSubstr("channelz")));
}

TEST_F(ServerAppTest, DestructionEndsOpenStreams) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  server_.app.reset();
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace slotmatch
