#include "server/health/health_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kService[] = "slotmatch.v1.SlotMatchService";

// A Watch call; every wait ends after a minute.
class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& service)
      : stub_(Health::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    HealthCheckRequest request;
    request.set_service(service);
    reader_ = stub_->Watch(&context_, request);
  }
  ~Watcher() {
    context_.TryCancel();
    reader_->Finish();
  }

  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    EXPECT_TRUE(reader_->Read(&response));
    return response.status();
  }

 private:
  std::unique_ptr<Health::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader_;
};

class HealthTest : public ServerFixture {
 protected:
  absl::StatusOr<HealthCheckResponse::ServingStatus> Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    HealthCheckResponse response;
    request.set_service(service);
    const grpc::Status status = Health::NewStub(channel_)->Check(&context, request, &response);
    if (!status.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
    }
    return response.status();
  }
};

TEST_F(HealthTest, EveryServiceServesOnceStarted) {
  StartApp();
  for (const char* service :
       {"", "liveness", "readiness", kService, "inference.GRPCInferenceService"}) {
    EXPECT_EQ(Check(service).value(), HealthCheckResponse::SERVING) << service;
  }
  EXPECT_EQ(Check("nobody").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(HealthTest, WatchTellsThatReadinessEndsWhileLivenessStays) {
  config_.mutable_shutdown()->set_lame_duck_ms(1500);
  StartApp();
  Watcher watcher(channel_, kService);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  std::thread drain([&] { app_->Drain(); });
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("readiness").value(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("liveness").value(), HealthCheckResponse::SERVING);
  drain.join();
}

TEST_F(HealthTest, WatchOfAnUnknownServiceSaysSoAndStaysOpen) {
  StartApp();
  Watcher watcher(channel_, "nobody");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(HealthTest, ProbePortHasHealthAndNothingElse) {
  config_.mutable_listen()->set_probe_address("127.0.0.1:0");
  StartApp();
  channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(app_->probe_port()),
                                 grpc::InsecureChannelCredentials());
  EXPECT_EQ(Check("readiness").value(), HealthCheckResponse::SERVING);
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  EXPECT_EQ(
      v1::SlotMatchService::NewStub(channel_)->ListModels(&context, {}, &response).error_code(),
      grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(HealthTest, EngineThatHangsEndsLivenessUntilItGoesOn) {
  config_.mutable_watchdog()->set_stuck_after_s(1);
  StartApp();
  fake_->Hold();
  TestStream stream(channel_);
  stream.Open();
  stream.SendPicture(1, MakePicture(8, 8));
  const auto alive = [&] { return Check("liveness").value() == HealthCheckResponse::SERVING; };
  EXPECT_TRUE(Eventually([&] { return !alive(); }));
  EXPECT_EQ(Check("readiness").value(), HealthCheckResponse::SERVING);
  fake_->Release();
  EXPECT_TRUE(Eventually(alive));
}

TEST_F(HealthTest, SessionsAreStillTakenInTheLameDuckTime) {
  config_.mutable_shutdown()->set_lame_duck_ms(1500);
  StartApp();
  std::thread drain([&] { app_->Drain(); });
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_draining") == 1; }));
  {
    TestStream stream(channel_);
    stream.Open();
    stream.SendDone();
    EXPECT_TRUE(stream.Finish().ok());
  }
  drain.join();
}

}  // namespace
}  // namespace slotmatch
