#include "server/health/health.h"

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kService[] = "slotmatch.v1.SlotMatchService";

// The Watch RPC, which the project's own copy of the health proto leaves out.
class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& service)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    call_ = stub_.PrepareCall(&context_, "/grpc.health.v1.Health/Watch", &queue_);
    call_->StartCall(nullptr);
    EXPECT_TRUE(Wait());
    HealthCheckRequest request;
    request.set_service(service);
    call_->WriteLast(request, grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(Wait());
  }
  ~Watcher() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Wait();
  }

  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    call_->Read(&response, nullptr);
    EXPECT_TRUE(Wait());
    return response.status();
  }

 private:
  bool Wait() {
    void* tag;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<HealthCheckRequest, HealthCheckResponse>> call_;
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
  for (const char* service : {"", "liveness", "readiness", kService}) {
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
