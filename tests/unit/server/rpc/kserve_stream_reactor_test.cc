// ModelInfer and ModelStreamInfer over a real socket.
#include "server/rpc/kserve_stream_reactor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/kserve_request.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

using Stub = inference::GRPCInferenceService::Stub;
using Answer = inference::ModelStreamInferResponse;

Image Picture(uint64_t id) { return MakePicture(12, 10, static_cast<uint32_t>(id)); }

template <typename T>
std::vector<T> Values(const inference::ModelInferResponse& response, const std::string& name) {
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (response.outputs(i).name() != name) continue;
    const std::string& bytes = response.raw_output_contents(i);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }
  ADD_FAILURE() << "no output " << name;
  return {};
}

std::vector<int64_t> Ids(const inference::ModelInferResponse& response) {
  return Values<int64_t>(response, "slot_ids");
}

// One ModelStreamInfer call.
class InferStream {
 public:
  explicit InferStream(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(inference::GRPCInferenceService::NewStub(channel)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
    stream_ = stub_->ModelStreamInfer(&context_);
  }
  ~InferStream() {
    if (finished_) return;
    context_.TryCancel();
    Finish();
  }

  bool Send(const std::string& sequence, const Image& picture, bool start = false, bool end = false,
            const std::string& model = "fake") {
    inference::ModelInferRequest request = KServeRequest(model, picture);
    request.set_id(absl::StrCat(++sent_));
    auto& parameters = *request.mutable_parameters();
    parameters["sequence_id"].set_string_param(sequence);
    parameters["sequence_start"].set_bool_param(start);
    parameters["sequence_end"].set_bool_param(end);
    return stream_->Write(request);
  }
  void SendDone() { stream_->WritesDone(); }
  // The next answer, which must be to the request after the last one answered.
  Answer Read() {
    Answer answer;
    EXPECT_TRUE(stream_->Read(&answer));
    EXPECT_EQ(answer.infer_response().id(), absl::StrCat(++read_));
    return answer;
  }
  grpc::Status Finish() {
    finished_ = true;
    for (Answer rest; stream_->Read(&rest);) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<inference::ModelInferRequest, Answer>> stream_;
  int sent_ = 0, read_ = 0;
  bool finished_ = false;
};

class KServeStreamTest : public ServerFixture {
 protected:
  // The IDs that a Segment stream gives.
  std::vector<int64_t> SegmentIds(TestStream* stream, uint64_t frame_id, const Image& picture) {
    EXPECT_TRUE(stream->SendPicture(frame_id, picture));
    std::vector<int64_t> ids;
    const auto response = stream->Read();
    EXPECT_TRUE(response.has_value() && response->has_result());
    for (const v1::Slot& slot : response->result().slots()) {
      ids.push_back(static_cast<int64_t>(slot.temporal_id()));
    }
    return ids;
  }
  void ExpectReceived(int frames) {
    EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == frames; }));
  }
};

TEST_F(KServeStreamTest, SequencesHaveTheTrackIdsOfASegmentStream) {
  StartApp();
  InferStream stream(channel_);
  TestStream segment(channel_);
  segment.Open();
  for (uint64_t i = 0; i < 4; ++i) {
    stream.Send("door", Picture(i), i == 0);
    stream.Send("", Picture(i));
    const Answer answer = stream.Read(), alone = stream.Read();
    EXPECT_EQ(Ids(answer.infer_response()), SegmentIds(&segment, i + 1, Picture(i))) << i;
    EXPECT_THAT(Ids(alone.infer_response()), ElementsAre(0, 1, 2)) << "slot indices";
  }
  stream.Send("door", Picture(9), true);
  EXPECT_THAT(Ids(stream.Read().infer_response()), testing::UnorderedElementsAre(1, 2, 3))
      << "a sequence that starts anew has new tracks";
}

TEST_F(KServeStreamTest, FramesAreCountedOnceAsThoseOfOtherCalls) {
  StartApp();
  InferStream stream(channel_);
  stream.Send("a", Picture(1), true);
  const Answer answer = stream.Read();
  const auto expect = [&](int frames, size_t bytes) {
    EXPECT_EQ(Metric("slotmatch_frames_processed_total"), frames);
    EXPECT_EQ(Metric("slotmatch_frame_latency_seconds_count"), frames);
    EXPECT_EQ(Metric("slotmatch_sent_bytes_total"), bytes);
  };
  expect(1, answer.ByteSizeLong());
  const auto stub = inference::GRPCInferenceService::NewStub(channel_);
  grpc::ClientContext context;
  inference::ModelInferResponse response;
  ASSERT_TRUE(stub->ModelInfer(&context, KServeRequest("fake", Picture(1)), &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre(0, 1, 2));
  EXPECT_EQ(Values<float>(response, "slots"), ExpectedSlots({Picture(1)})[0]);
  expect(2, answer.ByteSizeLong() + response.ByteSizeLong());
  EXPECT_EQ(Metric("slotmatch_received_bytes_total"), 2 * Picture(1).rgb.size());
}

TEST_F(KServeStreamTest, SequencesAreComputedTogetherAndAnsweredInOrder) {
  StartApp();
  InferStream stream(channel_);
  fake_->Hold();
  stream.Send("a", Picture(1), true);
  ASSERT_TRUE(fake_->WaitUntilInside());
  stream.Send("b", Picture(2), true);
  stream.Send("c", Picture(3), true);
  stream.Send("a", Picture(4));
  ExpectReceived(4);
  ASSERT_TRUE(Eventually(
      [&] { return app_->metrics().Text().find("queue=\"batch\"} 2") != std::string::npos; }));
  fake_->Release();
  const auto slots = [&] { return Values<float>(stream.Read().infer_response(), "slots"); };
  const auto a = ExpectedSlots({Picture(1), Picture(4)});
  EXPECT_EQ(slots(), a[0]);
  EXPECT_EQ(slots(), ExpectedSlots({Picture(2)})[0]);
  EXPECT_EQ(slots(), ExpectedSlots({Picture(3)})[0]);
  EXPECT_EQ(slots(), a[1]);
  ASSERT_GE(fake_->batches().size(), 2u);
  EXPECT_EQ(fake_->batches()[1].size, 2) << "b and c were not computed together";
}

TEST_F(KServeStreamTest, RequestsInsideAreBounded) {
  config_.mutable_limits()->set_max_queued_frames(3);
  StartApp();
  InferStream stream(channel_);
  fake_->Hold();
  for (int i = 0; i < 8; ++i) stream.Send(absl::StrCat(i), Picture(i), true);
  ExpectReceived(3);
  absl::SleepFor(absl::Milliseconds(200));
  ExpectReceived(3);
  fake_->Release();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(stream.Read().error_message(), "");
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(KServeStreamTest, RequestsAreReadAtTheRate) {
  config_.mutable_limits()->set_max_frames_per_s(5);
  config_.mutable_limits()->set_max_queued_frames(32);
  StartApp();
  InferStream stream(channel_);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 10; ++i) stream.Send(absl::StrCat(i % 2), Picture(i), i < 2);
  stream.SendDone();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(stream.Read().error_message(), "");
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(900)) << "five at once, five a second later";
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(KServeStreamTest, WhatIsWrongIsSaidInItsTurnAndTheCallGoesOn) {
  StartApp();
  InferStream stream(channel_);
  stream.Send("a", Picture(1), true);
  stream.Send("nobody", Picture(1));
  stream.Send("a", Picture(1), true, false, "missing");
  stream.Send("a", Picture(2), false, true);
  stream.Send("a", Picture(3));
  stream.SendDone();
  EXPECT_EQ(stream.Read().error_message(), "");
  EXPECT_THAT(stream.Read().error_message(), HasSubstr("sequence nobody is not open"));
  EXPECT_THAT(stream.Read().error_message(), HasSubstr("missing"));
  EXPECT_EQ(stream.Read().error_message(), "");
  EXPECT_THAT(stream.Read().error_message(), HasSubstr("sequence a is not open"));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(KServeStreamTest, ACallIsListedUnderEveryModelItUses) {
  config_ = Serving(config_, {"a/1", "b/1"});
  StartApp();
  const auto expect = [&](int of_a, int of_b) {
    EXPECT_TRUE(Eventually([&] {
      return Metric("slotmatch_model_sessions{model=\"a\"") == of_a &&
             Metric("slotmatch_model_sessions{model=\"b\"") == of_b;
    })) << of_a
        << " " << of_b;
  };
  InferStream stream(channel_);
  stream.Send("x", Picture(1), true, false, "a");
  stream.Read();
  expect(1, 0);
  stream.Send("x", Picture(1), true, false, "b");
  stream.Read();
  expect(1, 1);
  stream.Send("x", Picture(2), false, true, "a");
  stream.Read();
  stream.Send("x", Picture(2), false, true, "b");
  stream.Read();
  expect(0, 1);  // the last one, though it has no sequence open
}

TEST_F(KServeStreamTest, IdleCallsExpire) {
  config_.mutable_limits()->set_session_idle_timeout_s(1);
  StartApp();
  InferStream stream(channel_);
  stream.Send("a", Picture(1), true);
  stream.Read();
  EXPECT_EQ(stream.Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(KServeStreamTest, ClientThatNeverReadsIsCutOff) {
  config_.mutable_limits()->set_session_idle_timeout_s(2);
  StartApp();
  InferStream stream(channel_);
  const Image large = MakePlainPicture(900, 900, 1, 2, 3);
  std::thread sender([&] {
    while (stream.Send("", large)) {
    }
  });
  sender.join();  // ends when the server cuts the stream
  EXPECT_FALSE(stream.Finish().ok());
  EXPECT_TRUE(Eventually([&] {
    return Metric(
               "grpc_server_handled_total{grpc_code=\"DeadlineExceeded\",grpc_method="
               "\"ModelStreamInfer\"") == 1;
  }));
}

TEST_F(KServeStreamTest, CancelLeavesNothingBehind) {
  config_.mutable_limits()->set_max_sessions(1);
  StartApp();
  fake_->Hold();
  {
    InferStream stream(channel_);
    for (int i = 0; i < 4; ++i) stream.Send(absl::StrCat(i % 2), Picture(i), i < 2);
    ASSERT_TRUE(fake_->WaitUntilInside());
    ExpectReceived(4);
  }
  fake_->Release();
  EXPECT_TRUE(Eventually([&] {
    return Metric(
               "grpc_server_handled_total{grpc_code=\"Canceled\",grpc_method="
               "\"ModelStreamInfer\"") == 1;
  }));
  EXPECT_EQ(Metric("slotmatch_frames_processed_total") + Metric("slotmatch_frames_failed_total"),
            4);
  TestStream next(channel_);
  next.Open();  // the one place is free
}

TEST_F(KServeStreamTest, DrainAnswersWhatItHasTimeForAndThenEndsTheCall) {
  config_.mutable_shutdown()->set_drain_deadline_ms(0);
  StartApp();
  InferStream stream(channel_);
  fake_->SetDelay(absl::Milliseconds(2400));  // frames are given up after 2 s
  for (int i = 0; i < 3; ++i) stream.Send("a", Picture(i), i == 0);
  ExpectReceived(3);
  std::thread drain([&] { app_->Drain(); });
  EXPECT_EQ(stream.Read().error_message(), "");
  EXPECT_NE(stream.Read().error_message(), "");
  EXPECT_NE(stream.Read().error_message(), "");
  EXPECT_EQ(stream.Finish().error_code(), StatusCode::UNAVAILABLE);
  drain.join();
}

}  // namespace
}  // namespace slotmatch
