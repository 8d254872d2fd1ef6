// Segment streams and the server's load: classes, deadlines, tenants, admission, degradation.
#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "core/base/files.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

// The RetryInfo of a status; infinite when it has none.
absl::Duration RetryDelay(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::RetryInfo info;
  if (!details.ParseFromString(status.error_details()) || details.details().empty() ||
      !details.details(0).UnpackTo(&info)) {
    return absl::InfiniteDuration();
  }
  return absl::Seconds(info.retry_delay().seconds()) +
         absl::Nanoseconds(info.retry_delay().nanos());
}

class SegmentStreamLoad : public ServerFixture {
 protected:
  config::SchedulingClass* AddClass(const std::string& name) {
    config::SchedulingClass* made = config_.mutable_scheduling()->add_classes();
    made->set_name(name);
    return made;
  }
  static Image Picture() { return MakePicture(8, 8, 1); }
  static v1::SessionConfig Of(const std::string& scheduling_class) {
    v1::SessionConfig config;
    config.set_scheduling_class(scheduling_class);
    return config;
  }
  // How a stream that is opened like this ends, half-closed at once.
  grpc::Status TryToOpen(const v1::SessionConfig& config = {}) {
    TestStream stream(channel_);
    stream.SendConfig(config);
    stream.SendDone();
    return stream.Finish();
  }
  // The same with metadata.
  struct Opened {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<v1::SegmentRequest, v1::SegmentResponse>> stream;
    bool admitted = false;
  };
  std::unique_ptr<Opened> OpenWith(const std::string& key, const std::string& value) {
    auto opened = std::make_unique<Opened>();
    opened->context.AddMetadata(key, value);
    opened->stream = v1::SlotMatchService::NewStub(channel_)->Segment(&opened->context);
    v1::SegmentRequest request;
    request.mutable_config();
    opened->stream->Write(request);
    v1::SegmentResponse response;
    opened->admitted = opened->stream->Read(&response);
    return opened;
  }
  grpc::Status Refusal(Opened* opened) {
    EXPECT_FALSE(opened->admitted);
    return opened->stream->Finish();
  }
  double Refused(const std::string& reason) const {
    return Metric("slotmatch_sessions_refused_total{reason=\"" + reason + "\"}");
  }
};

TEST_F(SegmentStreamLoad, ClassesAreListedAndOthersRefused) {
  StartApp();
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(v1::SlotMatchService::NewStub(channel_)->GetServerInfo(&context, {}, &info).ok());
  ASSERT_EQ(info.scheduling_classes_size(), 3);
  EXPECT_EQ(info.scheduling_classes(0).name(), "realtime");
  EXPECT_EQ(info.scheduling_classes(0).frame_deadline_ms(), 1000u);
  EXPECT_EQ(info.scheduling_classes(0).weight(), 8u);
  EXPECT_TRUE(info.scheduling_classes(1).is_default());
  EXPECT_TRUE(TryToOpen(Of("batch")).ok());
  const grpc::Status status = TryToOpen(Of("urgent"));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("urgent"), HasSubstr("realtime")));
}

TEST_F(SegmentStreamLoad, FramesPastTheirDeadlineAreReportedAndNotComputed) {
  AddClass("quick")->set_frame_deadline_ms(50);
  config_.mutable_scheduling()->mutable_classes(0)->set_target_wait_ms(50);
  config_.mutable_scheduling()->set_default_class("quick");
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  stream.SendPicture(1, Picture());
  ASSERT_TRUE(fake_->WaitUntilInside());
  stream.SendPicture(2, Picture());
  absl::SleepFor(absl::Milliseconds(80));
  fake_->Release();
  const auto result = stream.Read(), dropped = stream.Read();
  ASSERT_TRUE(result.has_value() && result->has_result()) << "what is computed is not dropped";
  ASSERT_TRUE(dropped.has_value() && dropped->has_dropped());
  EXPECT_EQ(dropped->dropped().frame_id(), 2u);
  EXPECT_EQ(dropped->dropped().reason(), v1::DROP_REASON_DEADLINE);
  EXPECT_EQ(fake_->num_frames(), 1);
  EXPECT_EQ(Metric("slotmatch_frames_dropped_total{reason=\"deadline\"}"), 1);
  EXPECT_EQ(Metric("slotmatch_queue_wait_seconds_count{class=\"quick\"}"), 1 + 2) << "2: warm-up";
}

TEST_F(SegmentStreamLoad, FrameMayHaveADeadlineOfItsOwn) {
  StartApp();
  v1::SessionConfig config;
  config.set_frame_deadline_ms(60000);
  TestStream stream(channel_);
  stream.Open(config);
  fake_->Hold();
  stream.SendPicture(1, Picture());
  ASSERT_TRUE(fake_->WaitUntilInside());
  v1::SegmentRequest request;
  request.mutable_frame()->set_frame_id(2);
  request.mutable_frame()->set_deadline_ms(1);
  request.mutable_frame()->set_encoded(PngBytes(Picture()));
  stream.Send(request);
  stream.SendPicture(3, Picture());
  absl::SleepFor(absl::Milliseconds(20));
  fake_->Release();
  EXPECT_TRUE(stream.Read()->has_result());
  EXPECT_TRUE(stream.Read()->has_dropped());
  EXPECT_TRUE(stream.Read()->has_result());
}

TEST_F(SegmentStreamLoad, MemoryBudgetBoundsSessions) {
  const int64_t each = SessionBytes(FakeSegmenter().info(), 4, 1000);
  config_.mutable_admission()->set_encoded_frame_bytes(1000);
  config_.mutable_admission()->set_memory_budget_bytes(2 * each);
  StartApp();
  TestStream first(channel_);
  first.Open();
  {
    TestStream second(channel_);
    second.Open();
    EXPECT_EQ(Metric("slotmatch_reserved_bytes"), 2 * each);
    const grpc::Status status = TryToOpen();
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("reserves"));
    EXPECT_LE(RetryDelay(status), absl::Minutes(1));
    EXPECT_EQ(Refused("memory"), 1);
  }
  EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_reserved_bytes") == each; }));
  EXPECT_TRUE(TryToOpen().ok());
}

TEST_F(SegmentStreamLoad, TenantOfTheHeaderHasItsLimit) {
  config_.mutable_scheduling()->set_tenant_header("x-tenant");
  auto* tenant = config_.mutable_scheduling()->add_tenants();
  tenant->set_name("small");
  tenant->set_max_sessions(1);
  StartApp();
  auto small = OpenWith("x-tenant", "small"), other = OpenWith("x-tenant", "other");
  EXPECT_TRUE(small->admitted && other->admitted);
  const grpc::Status status = Refusal(OpenWith("x-tenant", "small").get());
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_LE(RetryDelay(status), absl::Minutes(1));
  EXPECT_EQ(Refused("tenant"), 1);
  small->context.TryCancel();
  other->context.TryCancel();
  small->stream->Finish();
  other->stream->Finish();
}

TEST_F(SegmentStreamLoad, TenantIsTheNameOfTheToken) {
  const TempDir dir;
  dir.Write("tokens", "camera infer " + Sha256Hex("eyes"));
  config_.mutable_security()->set_token_file(dir.File("tokens"));
  auto* tenant = config_.mutable_scheduling()->add_tenants();
  tenant->set_name("camera");
  tenant->set_max_sessions(1);
  StartApp();
  auto first = OpenWith("authorization", "Bearer eyes");
  EXPECT_TRUE(first->admitted);
  EXPECT_THAT(Refusal(OpenWith("authorization", "Bearer eyes").get()).error_message(),
              HasSubstr("this tenant"));
  first->context.TryCancel();
  first->stream->Finish();
}

// A server of 10 ms a frame whose class may wait 1 ms, degrading every 20 ms.
class DegradingServer : public SegmentStreamLoad {
 protected:
  DegradingServer() {
    config::SchedulingClass* live = AddClass("live");
    live->set_target_wait_ms(1);
    live->set_degradable(true);
    AddClass("steady")->set_target_wait_ms(0);
    config_.mutable_scheduling()->set_default_class("live");
    config_.mutable_degrade()->set_enabled(true);
    config_.mutable_batching()->set_max_batch_size(1);
    config_.mutable_degrade()->set_interval_ms(20);
    config_.mutable_degrade()->set_calm_intervals(3);
    config_.mutable_degrade()->set_max_batch_size(1);
    config_.mutable_degrade()->set_max_delay_us(0);
    StartApp();
    fake_->SetDelay(absl::Milliseconds(10));
  }
  double Level() const { return Metric("slotmatch_load_level "); }

  // Streams that send as fast as they get answers, until this is destroyed.
  struct Crowd {
    Crowd(const std::shared_ptr<grpc::Channel>& channel, int streams) {
      for (int i = 0; i < streams; ++i) {
        threads.emplace_back([this, channel] {
          TestStream stream(channel);
          stream.Open();
          for (uint64_t id = 1; !over; ++id) {
            stream.SendPicture(id, Picture());
            for (auto answer = stream.Read(); answer && answer->has_notice();) {
              answer = stream.Read();
            }
          }
        });
      }
    }
    ~Crowd() {
      over = true;
      for (std::thread& thread : threads) thread.join();
    }
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
  };
};

TEST_F(DegradingServer, TellsItsSessionsOfItsLevelAndRefusesLast) {
  TestStream watcher(channel_);  // sends no frame, and is told all the same
  watcher.Open(Of("steady"));
  const auto read_level = [&] {
    const auto response = watcher.Read();
    EXPECT_TRUE(response.has_value() && response->notice().kind() == v1::Notice::LOAD);
    EXPECT_FALSE(response->notice().message().empty());
    return response->notice().load_level();
  };
  {
    const Crowd crowd(channel_, 3);
    ASSERT_TRUE(Eventually([&] { return Level() == 3; }));
    const grpc::Status status = TryToOpen();
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("overloaded"));
    EXPECT_GE(RetryDelay(status), absl::Milliseconds(100));
    EXPECT_LE(RetryDelay(status), absl::Minutes(1));
    EXPECT_GE(Refused("overload"), 1);
    while (read_level() != v1::LOAD_LEVEL_NO_NEW_SESSIONS) {
    }
  }
  for (const char* level : {"larger_batches", "bridged_frames", "no_new_sessions"}) {
    EXPECT_GE(Metric(std::string("slotmatch_load_level_changes_total{level=\"") + level + "\"}"), 1)
        << level;
  }
  while (read_level() != v1::LOAD_LEVEL_NORMAL) {
  }
  EXPECT_EQ(Level(), 0);
  EXPECT_EQ(Metric("slotmatch_bridged_frames"), 0);
  EXPECT_TRUE(TryToOpen().ok());
}

TEST_F(DegradingServer, BridgesFramesOfSessionsThatDropSomeAndOfNoOthers) {
  v1::SessionConfig config;
  config.set_frame_policy(v1::FRAME_POLICY_DROP_OLDEST);
  TestStream live(channel_);
  live.Open(config);
  const auto exchange = [](TestStream* stream, uint64_t id) {
    stream->SendPicture(id, Picture());
    auto answer = stream->Read();
    while (answer.has_value() && answer->has_notice()) answer = stream->Read();
    return answer.value_or(v1::SegmentResponse());
  };
  EXPECT_TRUE(exchange(&live, 1).has_result());
  const Crowd crowd(channel_, 3);
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_bridged_frames") > 0; }));
  int bridged = 0;
  for (uint64_t id = 2; id < 20; ++id) {
    const v1::SegmentResponse answer = exchange(&live, id);
    if (!answer.has_dropped()) continue;
    ++bridged;
    EXPECT_EQ(answer.dropped().frame_id(), id);
    EXPECT_EQ(answer.dropped().reason(), v1::DROP_REASON_OVERLOAD);
  }
  EXPECT_GT(bridged, 0);
  EXPECT_EQ(Metric("slotmatch_frames_dropped_total"), bridged) << "the crowd blocks";
}

}  // namespace
}  // namespace slotmatch
