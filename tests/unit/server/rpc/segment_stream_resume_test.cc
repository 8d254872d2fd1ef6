// The Segment RPC over a real socket: states, and sessions that go on with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/engine/session_state.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class SegmentStreamResume : public ServerFixture {
 protected:
  static Image Picture(uint64_t id) { return MakePicture(12, 10, static_cast<uint32_t>(id)); }

  static v1::SessionConfig WithStates(uint32_t every = 1) {
    v1::SessionConfig config;
    config.set_state_every_frames(every);
    return config;
  }

  // Sends one frame after the other and waits for its answer; answers and states, in order.
  struct Played {
    std::vector<v1::FrameResult> results;
    std::vector<v1::SessionState> states;
  };
  static Played Play(TestStream* stream, const std::vector<uint64_t>& ids) {
    Played played;
    for (const uint64_t id : ids) {
      EXPECT_TRUE(stream->SendPicture(id, Picture(id)));
      const auto answer = stream->Read();
      const auto state = stream->Read();
      if (!answer.has_value() || !answer->has_result() || !state.has_value() ||
          !state->has_state()) {
        ADD_FAILURE() << "frame " << id << " was not answered with a result and a state";
        return played;
      }
      EXPECT_EQ(state->state().last_frame_id(), id);
      EXPECT_EQ(answer->credits(), 1u);
      EXPECT_EQ(state->credits(), 0u);
      played.results.push_back(answer->result());
      played.states.push_back(state->state());
    }
    return played;
  }

  // A stream that begins with `config` must end so.
  void ExpectRefused(const v1::SessionConfig& config, StatusCode code, const std::string& text) {
    TestStream stream(channel_);
    stream.SendConfig(config);
    const grpc::Status status = stream.Finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }

  v1::SessionState StateOfOneFrame() {
    TestStream stream(channel_);
    stream.Open(WithStates());
    return Play(&stream, {1}).states.front();
  }
};

TEST_F(SegmentStreamResume, CutAnywhereASecondServerGoesOnAsIfNothingHadHappened) {
  StartApp();
  const std::vector<uint64_t> ids = {0, 1, 2, 5, 6, 9};
  TestStream undisturbed(channel_);
  undisturbed.Open(WithStates());
  const Played whole = Play(&undisturbed, ids);
  ASSERT_EQ(whole.results.size(), ids.size());
  const TestServer second = StartServer(config_);
  for (size_t cut = 0; cut + 1 < ids.size(); ++cut) {
    v1::SessionConfig config = WithStates();
    *config.mutable_resume() = whole.states[cut];
    TestStream stream(second.channel);
    const v1::SessionOpened opened = stream.Open(config);
    EXPECT_TRUE(opened.resumed());
    EXPECT_EQ(opened.last_frame_id(), ids[cut]);
    const Played rest = Play(&stream, {ids.begin() + cut + 1, ids.end()});
    for (size_t i = 0; i < rest.results.size(); ++i) {
      const v1::FrameResult& got = rest.results[i];
      const v1::FrameResult& want = whole.results[cut + 1 + i];
      EXPECT_EQ(got.mask().data(), want.mask().data()) << cut << " " << i;
      EXPECT_EQ(SlotsOf(got), SlotsOf(want)) << cut << " " << i;
      for (int k = 0; k < got.slots_size(); ++k) {
        EXPECT_EQ(got.slots(k).temporal_id(), want.slots(k).temporal_id());
      }
      EXPECT_EQ(rest.states[i].payload(), whole.states[cut + 1 + i].payload());
    }
  }
  EXPECT_EQ(Metric("slotmatch_session_states_sent_total"), 6);
}

TEST_F(SegmentStreamResume, StateComesAfterEveryNthAnswer) {
  StartApp();
  TestStream stream(channel_);
  stream.Open(WithStates(3));
  for (uint64_t id = 1; id <= 7; ++id) stream.SendPicture(id, Picture(id));
  stream.SendDone();
  std::string order;
  while (const auto response = stream.Read()) {
    if (response->has_result()) absl::StrAppend(&order, response->result().frame_id());
    if (response->has_state()) absl::StrAppend(&order, "s", response->state().last_frame_id());
  }
  EXPECT_EQ(order, "123s3456s67s7") << "the last state is that of the last frame";
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStreamResume, SnapshotIsThatOfTheLastAnswer) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  stream.SendSnapshot();
  auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_state()) << "before the first frame";
  stream.SendPicture(7, Picture(7));
  ASSERT_TRUE(stream.Read()->has_result());
  fake_->Hold();
  stream.SendPicture(8, Picture(8));
  ASSERT_TRUE(fake_->WaitUntilInside());
  stream.SendSnapshot();
  response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_state());
  EXPECT_EQ(response->state().last_frame_id(), 7u) << "8 is not answered yet";
  fake_->Release();
  EXPECT_TRUE(stream.Read()->has_result());
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStreamResume, FrameIdsGoOnAfterTheStatesLast) {
  StartApp();
  v1::SessionConfig config;
  *config.mutable_resume() = StateOfOneFrame();
  TestStream stream(channel_);
  stream.Open(config);
  stream.SendPicture(1, Picture(1));
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE);
  EXPECT_THAT(status.error_message(), HasSubstr("frame_id 1 after 1"));
}

TEST_F(SegmentStreamResume, WrongStatesAreRefusedAndCounted) {
  StartApp();
  v1::SessionConfig good;
  *good.mutable_resume() = StateOfOneFrame();
  v1::SessionConfig damaged = good, signed_state = good, unknown = good, empty;
  damaged.mutable_resume()->mutable_payload()->back() ^= 1;
  ExpectRefused(damaged, StatusCode::DATA_LOSS, "damaged");
  empty.mutable_resume();
  ExpectRefused(empty, StatusCode::DATA_LOSS, "damaged");
  signed_state.mutable_resume()->set_is_signed(true);
  ExpectRefused(signed_state, StatusCode::PERMISSION_DENIED, "no key");
  unknown.set_model("nobody");
  ExpectRefused(unknown, StatusCode::NOT_FOUND, "nobody");
  ModelInfo other = fake_->info();
  other.digest = std::string(64, 'b');
  const SealedState foreign = StateSealer().Seal(other, {}).value();
  v1::SessionConfig wrong_model;
  wrong_model.mutable_resume()->set_payload(foreign.payload);
  wrong_model.mutable_resume()->set_digest(foreign.digest);
  ExpectRefused(wrong_model, StatusCode::FAILED_PRECONDITION, "not loaded here");
  wrong_model.set_model("fake");
  ExpectRefused(wrong_model, StatusCode::FAILED_PRECONDITION, "has digest");
  TestStream stream(channel_);
  EXPECT_TRUE(stream.Open(good).resumed());
  const auto resumes = [&](const std::string& result) {
    return Metric(absl::StrCat("slotmatch_session_resumes_total{result=\"", result, "\"}"));
  };
  EXPECT_EQ(resumes("ok"), 1);
  EXPECT_EQ(resumes("damaged"), 2);
  EXPECT_EQ(resumes("not_trusted"), 1);
  EXPECT_EQ(resumes("mismatch"), 2);
}

TEST_F(SegmentStreamResume, KeysSeparateFleets) {
  const TempDir folder;
  StartApp();
  v1::SessionConfig unsigned_state;
  *unsigned_state.mutable_resume() = StateOfOneFrame();
  config_.mutable_security()->set_state_key_file(folder.Write("a", std::string(32, 'a')));
  const TestServer a = StartServer(config_), twin = StartServer(config_);
  config_.mutable_security()->set_state_key_file(folder.Write("b", std::string(32, 'b')));
  const TestServer b = StartServer(config_);
  channel_ = a.channel;
  ExpectRefused(unsigned_state, StatusCode::PERMISSION_DENIED, "not signed");
  v1::SessionConfig of_a;
  *of_a.mutable_resume() = StateOfOneFrame();
  EXPECT_TRUE(of_a.resume().is_signed());
  channel_ = b.channel;
  ExpectRefused(of_a, StatusCode::PERMISSION_DENIED, "another key");
  TestStream stream(twin.channel);
  EXPECT_TRUE(stream.Open(of_a).resumed());
}

TEST_F(SegmentStreamResume, PoisonedStateIsToldAndTheSessionGoesOn) {
  StartApp();
  TestStream stream(channel_);
  stream.Open(WithStates());
  Play(&stream, {1});
  fake_->PoisonNext();
  stream.SendPicture(2, Picture(2));
  ASSERT_TRUE(stream.Read()->has_result());
  const auto notice = stream.Read();
  ASSERT_TRUE(notice.has_value() && notice->has_notice());
  EXPECT_EQ(notice->notice().kind(), v1::Notice::STATE_RESET);
  EXPECT_THAT(notice->notice().message(), HasSubstr("frame 2"));
  ASSERT_TRUE(stream.Read()->has_state());
  EXPECT_EQ(SlotsOf(Play(&stream, {3}).results.front()), ExpectedSlots({Picture(3)})[0]);
  EXPECT_EQ(Metric("slotmatch_state_resets_total{reason=\"not_finite\"}"), 1);
}

}  // namespace
}  // namespace slotmatch
