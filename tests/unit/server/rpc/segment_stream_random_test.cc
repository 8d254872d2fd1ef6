// The Segment RPC over a real socket: clients that do anything in any order.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

class SegmentStreamRandom : public ServerFixture {
 protected:
  SegmentStreamRandom() { config_.mutable_limits()->set_max_queued_frames(2); }

  // Sends about 30 messages, most of them sensible.
  static void Send(TestStream* stream, uint32_t seed) {
    std::mt19937 random(seed);
    const auto one_in = [&](uint32_t n) { return random() % n == 0; };
    v1::SessionConfig config;
    config.set_frame_policy(static_cast<v1::FramePolicy>(random() % 5));
    config.set_gap_policy(static_cast<v1::GapPolicy>(random() % 3));
    config.set_state_every_frames(random() % 4);
    config.set_enforce_credits(one_in(4));
    config.set_frame_deadline_ms(one_in(3) ? 1 + random() % 5 : 0);
    if (one_in(10)) config.mutable_resume()->set_payload("no state");
    if (!one_in(10)) stream->SendConfig(config);
    uint64_t id = 1;
    for (int i = 0; i < 30; ++i) {
      bool open = true;
      id += one_in(20) ? 0 : 1 + random() % 3;
      switch (random() % 8) {
        case 0:
          open = stream->SendBytes(id, "no picture");
          break;
        case 1:
          open = stream->SendPing(i);
          break;
        case 2:
          open = stream->SendSnapshot();
          break;
        case 3:
          if (one_in(10)) open = stream->SendConfig(config);
          if (one_in(10)) stream->Cancel();
          break;
        default:
          open = stream->SendPicture(id, MakePicture(8, 8, i));
      }
      if (!open) return;
    }
    stream->SendDone();
  }

  // Every frame is answered at most once and in order, and a state is that of the answer before it.
  static void CheckAnswers(TestStream* stream) {
    bool opened = false, gone = false;
    uint64_t last = 0;
    while (const auto response = stream->Read()) {
      EXPECT_FALSE(gone) << "something came after the last GoAway";
      EXPECT_EQ(response->has_opened(), !opened);
      opened = true;
      uint64_t id = 0;
      if (response->has_result()) id = response->result().frame_id();
      if (response->has_error()) id = response->error().frame_id();
      if (response->has_dropped()) id = response->dropped().frame_id();
      EXPECT_EQ(response->credits(), id > 0 ? 1u : 0u);
      if (id > 0) {
        EXPECT_GT(id, last);
        last = id;
      }
      if (response->has_state()) {
        EXPECT_EQ(response->state().last_frame_id(), last);
      }
      gone = response->has_go_away();
    }
  }
};

TEST_F(SegmentStreamRandom, AnythingEndsAndLeavesNothingBehind) {
  StartApp();
  for (uint32_t round = 0; round < 12; ++round) {
    std::vector<std::thread> clients;
    for (uint32_t client = 0; client < 4; ++client) {
      clients.emplace_back([this, seed = 100 * round + client] {
        TestStream stream(channel_);
        std::thread sender([&] { Send(&stream, seed); });
        CheckAnswers(&stream);
        sender.join();
        stream.Finish();
      });
    }
    for (std::thread& client : clients) client.join();
  }
  EXPECT_TRUE(Eventually([&] { return app_->metrics().sessions_active() == 0; }));
  TestStream after(channel_);
  after.Open();
  after.SendPicture(1, MakePicture(8, 8));
  const auto response = after.Read();
  ASSERT_TRUE(response.has_value() && response->has_result());
  EXPECT_EQ(SlotsOf(response->result()), ExpectedSlots({MakePicture(8, 8)})[0]);
}

}  // namespace
}  // namespace slotmatch
