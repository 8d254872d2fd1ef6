#include "core/engine/stream_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "core/image/mask_codec.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/engine/session_harness.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

class StreamSessionTest : public SessionHarness {};

TEST_F(StreamSessionTest, OutcomesLeaveInOrderWithTheStateOfEveryFrameBefore) {
  // Pictures of very different sizes: later ones are decoded before earlier ones.
  std::vector<Image> pictures;
  for (uint32_t i = 0; i < 12; ++i) {
    const int side = i % 3 == 0 ? 160 : 5 + static_cast<int>(i);
    pictures.push_back(MakePicture(side, side, i));
  }
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  for (size_t i = 0; i < pictures.size(); ++i) session->Submit(PngFrame(10 + i, pictures[i]));
  const auto expected = Expected(pictures);
  const auto got = outcomes.Wait(pictures.size());
  ASSERT_EQ(got.size(), pictures.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_THAT(got[i].result, IsOk());
    EXPECT_EQ(got[i].id, 10 + i);
    EXPECT_EQ(got[i].capture_time_us, static_cast<int64_t>(10 + i) * 1000);
    EXPECT_EQ(got[i].result->vectors, expected[i]) << "frame " << i;
    EXPECT_EQ(got[i].result->source_width, pictures[i].width);
    EXPECT_EQ(got[i].result->timings.batch_size, 1);
  }
}

TEST_F(StreamSessionTest, RepeatedFramesAreDroppedIfAskedTo) {
  const std::vector<Image> pictures = {MakePicture(8, 6, 1), MakePicture(8, 6, 2)};
  for (const bool skip : {false, true}) {
    StreamOptions options;
    options.skip_duplicates = skip;
    Outcomes outcomes;
    const auto session = Open(&outcomes, options);
    const int sent[] = {0, 0, 1, 1, 1, 0};
    for (int i = 0; i < 6; ++i) session->Submit(PngFrame(i, pictures[sent[i]]));
    std::string letters;
    for (const FrameOutcome& outcome : outcomes.Wait(6)) {
      if (outcome.dropped.has_value()) EXPECT_EQ(*outcome.dropped, DropReason::kDuplicate);
      letters += outcome.dropped.has_value() ? 'd' : outcome.result.ok() ? 'r' : 'e';
    }
    EXPECT_EQ(letters, skip ? "rdrddr" : "rrrrrr");
  }
}

TEST_F(StreamSessionTest, FailedPictureLeavesTheStateUntouched) {
  const std::vector<Image> good = {MakePicture(9, 9, 1), MakePicture(9, 9, 2)};
  Outcomes outcomes;
  StreamOptions hold;
  hold.max_gap_steps = 0;
  const auto session = Open(&outcomes, hold);
  session->Submit(BadFrame(1));
  session->Submit(PngFrame(2, good[0]));
  session->Submit(BadFrame(3));
  session->Submit(PngFrame(4, good[1]));
  const auto got = outcomes.Wait(4);
  const auto expected = Expected(good);
  EXPECT_THAT(got[0].result, FailsWith(StatusCode::kInvalidArgument, "neither"));
  EXPECT_EQ(got[1].result->vectors, expected[0]);
  EXPECT_THAT(got[2].result, FailsWith(StatusCode::kInvalidArgument, "neither"));
  EXPECT_EQ(got[3].result->vectors, expected[1]);
}

TEST_F(StreamSessionTest, FailedStepLeavesTheStateUntouched) {
  const std::vector<Image> pictures = {MakePicture(9, 9, 1), MakePicture(9, 9, 2),
                                       MakePicture(9, 9, 3)};
  Outcomes outcomes;
  StreamOptions hold;
  hold.max_gap_steps = 0;
  const auto session = Open(&outcomes, hold);
  session->Submit(PngFrame(1, pictures[0]));
  outcomes.Wait(1);
  fake_.FailNext(absl::InternalError("broken"));
  session->Submit(PngFrame(2, pictures[1]));
  outcomes.Wait(2);
  session->Submit(PngFrame(3, pictures[2]));
  const auto got = outcomes.Wait(3);
  EXPECT_THAT(got[1].result, FailsWith(StatusCode::kInternal, "broken"));
  EXPECT_EQ(got[2].result->vectors, Expected({pictures[0], pictures[2]})[1]);
}

TEST_F(StreamSessionTest, StreamsShareBatchesAndNothingElse) {
  std::vector<std::unique_ptr<Outcomes>> outcomes;
  std::vector<std::shared_ptr<StreamSession>> sessions;
  const auto picture = [](int stream, int frame) { return MakePicture(8, 8, stream * 10 + frame); };
  fake_.Hold();
  for (int s = 0; s < 4; ++s) {
    outcomes.push_back(std::make_unique<Outcomes>());
    sessions.push_back(Open(outcomes.back().get()));
    for (int f = 0; f < 3; ++f) sessions[s]->Submit(PngFrame(f, picture(s, f)));
  }
  ASSERT_TRUE(fake_.WaitUntilInside());
  while (scheduler_->queued_frames() + fake_.num_frames() < 4)
    absl::SleepFor(absl::Milliseconds(1));
  fake_.Release();
  for (int s = 0; s < 4; ++s) {
    const auto got = outcomes[s]->Wait(3);
    const auto expected = Expected({picture(s, 0), picture(s, 1), picture(s, 2)});
    for (int f = 0; f < 3; ++f) EXPECT_EQ(got[f].result->vectors, expected[f]) << s << " " << f;
  }
  int largest = 0;
  for (const auto& batch : fake_.batches()) {
    EXPECT_FALSE(batch.mixed);
    largest = std::max(largest, batch.size);
  }
  EXPECT_GT(largest, 1);
  EXPECT_LE(largest, 4);
}

TEST_F(StreamSessionTest, CancelledFramesAreNotComputed) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  fake_.Hold();
  for (int i = 0; i < 5; ++i) session->Submit(PngFrame(i, MakePicture(8, 8, i)));
  ASSERT_TRUE(fake_.WaitUntilInside());
  session->Cancel();
  fake_.Release();
  const auto got = outcomes.Wait(5);
  EXPECT_THAT(got[0].result, IsOk()) << "it was being computed";
  for (int i = 1; i < 5; ++i) {
    EXPECT_THAT(got[i].result, FailsWith(StatusCode::kCancelled, "cancelled")) << i;
    EXPECT_EQ(got[i].id, static_cast<uint64_t>(i));
  }
  EXPECT_EQ(fake_.num_frames(), 1);
}

TEST_F(StreamSessionTest, FramesPastTheirDeadlineAreNotComputed) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  SourceFrame late = PngFrame(1, MakePicture(8, 8));
  late.deadline = absl::Now() - absl::Milliseconds(1);
  session->Submit(std::move(late));
  session->Submit(PngFrame(2, MakePicture(8, 8)));
  const auto got = outcomes.Wait(2);
  EXPECT_THAT(got[0].result, FailsWith(StatusCode::kDeadlineExceeded, "deadline"));
  EXPECT_EQ(got[1].result->vectors, Expected({MakePicture(8, 8)})[0]);
  EXPECT_EQ(fake_.num_frames(), 1);
}

TEST_F(StreamSessionTest, FullPoolFailsTheFrameInItsPlace) {
  Stop();
  Start(1, 1);
  absl::Notification go;
  ASSERT_THAT(pool_->Submit([&] { go.WaitForNotification(); }), IsOk());
  while (pool_->queued() > 0) absl::SleepFor(absl::Milliseconds(1));
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  for (int i = 0; i < 3; ++i) session->Submit(BadFrame(i));
  go.Notify();
  const auto got = outcomes.Wait(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(got[i].id, static_cast<uint64_t>(i));
  EXPECT_THAT(got[0].result, FailsWith(StatusCode::kInvalidArgument, "neither"));
  EXPECT_THAT(got[1].result, FailsWith(StatusCode::kResourceExhausted, "full"));
}

TEST_F(StreamSessionTest, StoppedEngineFailsFramesInsteadOfLosingThem) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  scheduler_->Stop();
  session->Submit(PngFrame(1, MakePicture(8, 8)));
  EXPECT_THAT(outcomes.Wait(1)[0].result, FailsWith(StatusCode::kUnavailable, "stopped"));
  pool_->Stop();
  session->Submit(PngFrame(2, MakePicture(8, 8)));
  EXPECT_THAT(outcomes.Wait(2)[1].result, FailsWith(StatusCode::kUnavailable, "stopped"));
}

TEST_F(StreamSessionTest, RawFramesEqualEncodedOnes) {
  const Image picture = MakePicture(11, 6);
  SourceFrame raw;
  raw.raw = true;
  raw.width = 11;
  raw.height = 6;
  raw.bytes.assign(picture.rgb.begin(), picture.rgb.end());
  Outcomes a, b;
  Open(&a)->Submit(std::move(raw));
  Open(&b)->Submit(PngFrame(0, picture));
  EXPECT_EQ(a.Wait(1)[0].result->vectors, b.Wait(1)[0].result->vectors);
}

TEST_F(StreamSessionTest, EveryMaskFormatHoldsTheSameMap) {
  const Image picture = MakePicture(22, 14);
  const auto run = [&](MaskFormat format) {
    Outcomes outcomes;
    StreamOptions options;
    options.mask_format = format;
    Open(&outcomes, options)->Submit(PngFrame(0, picture));
    return *outcomes.Wait(1)[0].result;
  };
  const FrameSegmentation raw = run(MaskFormat::kRaw), rle = run(MaskFormat::kIndexRle);
  const FrameSegmentation png = run(MaskFormat::kPng), none = run(MaskFormat::kNone);
  ASSERT_EQ(raw.mask.size(), 22u * 14);
  EXPECT_EQ(raw.mask_width, 22);
  EXPECT_EQ(raw.mask_height, 14);
  const std::vector<uint8_t> labels(raw.mask.begin(), raw.mask.end());
  EXPECT_EQ(DecodeIndexRle(rle.mask, 22, 14)->labels, labels);
  EXPECT_EQ(DecodePalettePng(png.mask)->labels, labels);
  EXPECT_EQ(none.mask, "");
  int64_t area = 0;
  for (size_t k = 0; k < 3; ++k) {
    area += none.slots[k].area_px;
    EXPECT_EQ(none.slots[k].area_px, std::count(labels.begin(), labels.end(), k));
  }
  EXPECT_EQ(area, none.mask_pixels);
}

TEST_F(StreamSessionTest, GridMasksHaveTheGridsSizeAndBoxesInSourcePixels) {
  StreamOptions options;
  options.grid_masks = true;
  options.mask_format = MaskFormat::kRaw;
  Outcomes outcomes;
  Open(&outcomes, options)->Submit(PngFrame(0, MakePicture(40, 30)));
  const FrameSegmentation frame = *outcomes.Wait(1)[0].result;
  EXPECT_EQ(frame.mask_width, 4);
  EXPECT_EQ(frame.mask_height, 4);
  EXPECT_EQ(frame.mask_pixels, 16);
  EXPECT_EQ(frame.source_width, 40);
  // The first step gives row r to slot r % 3; a row of the grid is 7.5 source pixels, rounded out.
  const SlotStats& one = frame.slots[1];
  EXPECT_EQ(one.area_px, 4);
  EXPECT_EQ(one.left, 0);
  EXPECT_EQ(one.top, 7);
  EXPECT_EQ(one.width, 40);
  EXPECT_EQ(one.height, 8);
  const SlotStats& zero = frame.slots[0];  // rows 0 and 3
  EXPECT_EQ(zero.area_px, 8);
  EXPECT_EQ(zero.top, 0);
  EXPECT_EQ(zero.height, 30);
}

}  // namespace
}  // namespace slotmatch
