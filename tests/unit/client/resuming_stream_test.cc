#include "client/resuming_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/engine/session_state.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

class ResumingStreamTest : public ServerFixture {
 protected:
  // Leads to whichever server runs; UNAVAILABLE while none does.
  ResumeOptions Options() {
    ResumeOptions options;
    options.connect = [this]() -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
      absl::MutexLock lock(&mutex_);
      if (!up_) return absl::UnavailableError("nobody is there");
      return channel_;
    };
    options.patience = absl::Seconds(30);
    options.state_every_frames = 3;
    options.max_unanswered_frames = 4;
    return options;
  }
  void Up() {
    absl::MutexLock lock(&mutex_);
    StartApp();
    up_ = true;
  }
  // The server ends at once, whatever is open.
  void Down() {
    absl::MutexLock lock(&mutex_);
    up_ = false;
    fake_->Release();
    server_ = TestServer();
  }

  static std::vector<Image> Pictures(int count) {
    std::vector<Image> pictures;
    for (int i = 0; i < count; ++i) pictures.push_back(MakePicture(32, 16, i));
    return pictures;
  }
  static void SendAll(const std::vector<Image>& pictures, ResumingStream* stream) {
    for (size_t i = 0; i < pictures.size(); ++i) {
      v1::Frame frame;
      frame.set_frame_id(i);
      frame.set_encoded(PngBytes(pictures[i]));
      if (!stream->Send(std::move(frame))) return;
    }
    stream->SendDone();
  }

  absl::Mutex mutex_;
  bool up_ = false;
};

TEST_F(ResumingStreamTest, AnswersEveryFrameOnceWithTheUndisturbedStateWhateverHappensToServers) {
  Up();
  const std::vector<Image> pictures = Pictures(40);
  const auto expected = ExpectedSlots(pictures);
  auto stream = ResumingStream::Open(Options(), {});
  ASSERT_THAT(stream, IsOk());
  std::thread sender([&] { SendAll(pictures, stream->get()); });
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (i % 7 == 5) {
      Down();
      Up();
    }
    const auto response = (*stream)->Receive();
    ASSERT_THAT(response, IsOk());
    ASSERT_TRUE(response->has_value() && (*response)->has_result());
    EXPECT_EQ((*response)->result().frame_id(), i);
    EXPECT_EQ(SlotsOf((*response)->result()), expected[i]) << i;
  }
  const auto end = (*stream)->Receive();
  ASSERT_THAT(end, IsOk());
  EXPECT_FALSE(end->has_value());
  sender.join();
  EXPECT_GE((*stream)->resumes(), 3);
}

TEST_F(ResumingStreamTest, GivesUpWhenNobodyTakesTheSessionOver) {
  Up();
  ResumeOptions options = Options();
  options.patience = absl::Milliseconds(300);
  auto stream = ResumingStream::Open(options, {});
  ASSERT_THAT(stream, IsOk());
  v1::Frame frame;
  frame.set_encoded(PngBytes(MakePicture(8, 8)));
  Down();
  ASSERT_TRUE((*stream)->Send(frame));
  EXPECT_THAT((*stream)->Receive(), FailsWith(absl::StatusCode::kUnavailable, "no server took"));
  frame.set_frame_id(1);
  EXPECT_FALSE((*stream)->Send(frame));
}

TEST_F(ResumingStreamTest, SessionWhoseStateIsTooLargeEndsWithItsServer) {
  config_ = Serving(config_, {"fake/1"});
  config_.mutable_models(0)->set_name(std::string(kMaxSealedBytes, 'n'));  // is in the state
  Up();
  ResumeOptions options = Options();
  options.state_every_frames = 1;
  auto stream = ResumingStream::Open(options, {});
  ASSERT_THAT(stream, IsOk());
  v1::Frame frame;
  for (uint64_t id = 0; id < 2; ++id) {
    frame.set_frame_id(id);
    frame.set_encoded(PngBytes(MakePicture(8, 8)));
    ASSERT_TRUE((*stream)->Send(frame));
    ASSERT_THAT((*stream)->Receive(), IsOk());  // the second after the notice of the first
  }
  Down();
  Up();
  frame.set_frame_id(2);
  ASSERT_TRUE((*stream)->Send(frame));
  const auto end = (*stream)->Receive();
  EXPECT_FALSE(end.ok());
  EXPECT_THAT(end.status().message(), testing::HasSubstr("its state is too large"));
  EXPECT_EQ((*stream)->resumes(), 0);
}

TEST_F(ResumingStreamTest, WithoutPatienceABrokenStreamEndsIt) {
  Up();
  ResumeOptions options = Options();
  options.patience = absl::ZeroDuration();
  auto stream = ResumingStream::Open(options, {});
  ASSERT_THAT(stream, IsOk());
  v1::Frame frame;
  frame.set_encoded(PngBytes(MakePicture(8, 8)));
  Down();
  ASSERT_TRUE((*stream)->Send(frame));
  EXPECT_FALSE((*stream)->Receive().ok());
  EXPECT_EQ((*stream)->resumes(), 0);
}

TEST_F(ResumingStreamTest, WhatNoServerWouldAnswerOtherwiseIsNotTriedAgain) {
  Up();
  v1::SessionConfig config;
  config.set_model("nobody");
  EXPECT_THAT(ResumingStream::Open(Options(), config),
              FailsWith(absl::StatusCode::kNotFound, "nobody"));
  auto stream = ResumingStream::Open(Options(), {});
  ASSERT_THAT(stream, IsOk());
  v1::Frame frame;
  frame.set_frame_id(5);
  frame.set_encoded(PngBytes(MakePicture(8, 8)));
  ASSERT_TRUE((*stream)->Send(frame));
  ASSERT_THAT((*stream)->Receive(), IsOk());
  frame.set_frame_id(4);
  ASSERT_TRUE((*stream)->Send(frame));
  EXPECT_THAT((*stream)->Receive(), FailsWith(absl::StatusCode::kOutOfRange, "4"));
}

TEST_F(ResumingStreamTest, CancelEndsWaitingCallsInEveryState) {
  Up();
  auto stream = ResumingStream::Open(Options(), {});
  ASSERT_THAT(stream, IsOk());
  std::thread canceller([&] {
    absl::SleepFor(absl::Milliseconds(50));
    (*stream)->Cancel();
  });
  EXPECT_THAT((*stream)->Receive(), FailsWith(absl::StatusCode::kCancelled, ""));
  canceller.join();
  EXPECT_FALSE((*stream)->Send(v1::Frame()));
  stream = ResumingStream::Open(Options(), {});
  ASSERT_THAT(stream, IsOk());
  stream->reset();  // with the session open
}

}  // namespace
}  // namespace slotmatch
