#include "server/rpc/wire_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/base/float16.h"
#include "tests/support/fake_segmenter.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

// Two slots of width three; the second one is empty.
FrameOutcome Outcome() {
  FrameSegmentation frame;
  frame.source_width = 20;
  frame.source_height = 10;
  frame.mask_format = MaskFormat::kRaw;
  frame.mask_width = 20;
  frame.mask_height = 10;
  frame.mask = std::string(200, '\0');
  frame.mask_pixels = 200;
  frame.slots = {{150, 0.75, 1, 2, 19, 8}, {0, 0, 0, 0, 0, 0}};
  frame.vectors = {1, -2, 0.5f, 3, 4, 65504};
  frame.ids = {7, 0};
  frame.timings = {absl::Milliseconds(1), absl::Milliseconds(2),  absl::Milliseconds(3),
                   absl::Milliseconds(4), absl::Milliseconds(10), 5};
  FrameOutcome outcome;
  outcome.id = 42;
  outcome.capture_time_us = -7;
  outcome.result = std::move(frame);
  return outcome;
}

TEST(ToWire, LimitsAreTheSettings) {
  config::LimitsConfig limits;
  limits.set_max_queued_frames(9);
  const v1::Limits wire = ToWire(limits);
  EXPECT_EQ(wire.max_queued_frames(), 9u);
  EXPECT_EQ(wire.max_message_bytes(), 16777216u);
  EXPECT_EQ(wire.max_frame_pixels(), 33177600u);
  EXPECT_EQ(wire.max_frame_side_px(), 16384u);
}

TEST(ToWire, ResultKeepsEveryField) {
  const v1::SegmentResponse response = ToWire(Outcome(), v1::SLOT_ENCODING_F32);
  ASSERT_TRUE(response.has_result());
  const v1::FrameResult& result = response.result();
  EXPECT_EQ(result.frame_id(), 42u);
  EXPECT_EQ(result.capture_time_us(), -7);
  EXPECT_EQ(result.source_width(), 20u);
  EXPECT_EQ(result.source_height(), 10u);
  EXPECT_EQ(result.mask().encoding(), v1::MASK_ENCODING_RAW_U8);
  EXPECT_EQ(result.mask().width(), 20u);
  EXPECT_EQ(result.mask().data().size(), 200u);
  EXPECT_EQ(result.timings().queue_ms(), 2);
  EXPECT_EQ(result.timings().total_ms(), 10);
  EXPECT_EQ(result.timings().batch_size(), 5u);
}

TEST(ToWire, SlotsKeepOrderAndEmptyOnesHaveNoBox) {
  const v1::SegmentResponse response = ToWire(Outcome(), v1::SLOT_ENCODING_F32);
  ASSERT_EQ(response.result().slots_size(), 2);
  const v1::Slot& first = response.result().slots(0);
  EXPECT_EQ(first.index(), 0u);
  EXPECT_EQ(first.temporal_id(), 7u);
  EXPECT_EQ(first.area_ratio(), 0.75);
  EXPECT_EQ(first.confidence(), 0.75);
  EXPECT_EQ(first.box().left(), 1u);
  EXPECT_EQ(first.box().top(), 2u);
  EXPECT_EQ(first.box().width(), 19u);
  EXPECT_EQ(first.box().height(), 8u);
  const v1::Slot& second = response.result().slots(1);
  EXPECT_EQ(second.index(), 1u);
  EXPECT_EQ(second.temporal_id(), 0u);
  EXPECT_EQ(second.area_ratio(), 0);
  EXPECT_FALSE(second.has_box());
}

TEST(ToWire, VectorsComeInTheEncodingAskedFor) {
  const v1::SegmentResponse f32 = ToWire(Outcome(), v1::SLOT_ENCODING_F32);
  float values[3];
  ASSERT_EQ(f32.result().slots(1).vector().size(), sizeof(values));
  std::memcpy(values, f32.result().slots(1).vector().data(), sizeof(values));
  EXPECT_THAT(values, testing::ElementsAre(3, 4, 65504));
  const v1::SegmentResponse f16 = ToWire(Outcome(), v1::SLOT_ENCODING_F16);
  uint16_t halves[3];
  ASSERT_EQ(f16.result().slots(0).vector().size(), sizeof(halves));
  std::memcpy(halves, f16.result().slots(0).vector().data(), sizeof(halves));
  EXPECT_EQ(HalfToFloat(halves[1]), -2);
  const v1::SegmentResponse none = ToWire(Outcome(), v1::SLOT_ENCODING_NONE);
  EXPECT_EQ(none.result().slots(0).vector(), "");
}

TEST(ToWire, CocoMasksAreWithTheirSlots) {
  FrameOutcome outcome = Outcome();
  outcome.result->mask_format = MaskFormat::kCocoRle;
  outcome.result->mask.clear();
  outcome.result->slot_masks = {"04", "8"};
  const v1::FrameResult result = ToWire(std::move(outcome), v1::SLOT_ENCODING_F32).result();
  EXPECT_EQ(result.mask().encoding(), v1::MASK_ENCODING_COCO_RLE);
  EXPECT_EQ(result.mask().width(), 20u);
  EXPECT_EQ(result.mask().data(), "");
  EXPECT_EQ(result.slots(0).coco_rle(), "04");
  EXPECT_EQ(result.slots(1).coco_rle(), "8");
}

TEST(ToWire, SoftMasksAreHalves) {
  FrameOutcome outcome = Outcome();
  outcome.result->soft_masks = {0.25f, 1, 0.75f, 0};
  outcome.result->grid_width = 1;
  outcome.result->grid_height = 2;
  const v1::SoftMasks soft =
      ToWire(std::move(outcome), v1::SLOT_ENCODING_F32).result().soft_masks();
  EXPECT_EQ(soft.width(), 1u);
  EXPECT_EQ(soft.height(), 2u);
  EXPECT_EQ(soft.data(), std::string("\x00\x34\x00\x3c\x00\x3a\x00\x00", 8));
}

TEST(ToWire, SlotsTellTheirCentreAndEntropy) {
  FrameOutcome outcome = Outcome();
  outcome.result->slots[0].center_x = 10.5;
  outcome.result->slots[0].center_y = 5;
  outcome.result->slot_entropy = {0.25, 0};
  const v1::FrameResult result = ToWire(std::move(outcome), v1::SLOT_ENCODING_BF16).result();
  EXPECT_EQ(result.slots(0).centroid().x(), 10.5);
  EXPECT_EQ(result.slots(0).centroid().y(), 5);
  EXPECT_EQ(result.slots(0).entropy(), 0.25);
  EXPECT_FALSE(result.slots(1).has_centroid());
  EXPECT_EQ(result.slots(0).vector(), std::string("\x80\x3f\x00\xc0\x00\x3f", 6));
}

TEST(ToWire, NoMaskMeansNoMaskMessage) {
  FrameOutcome outcome = Outcome();
  outcome.result->mask_format = MaskFormat::kNone;
  EXPECT_FALSE(ToWire(std::move(outcome), v1::SLOT_ENCODING_F32).result().has_mask());
}

TEST(ToWire, FailureIsAFrameError) {
  FrameOutcome outcome;
  outcome.id = 5;
  outcome.result = absl::InvalidArgumentError("no picture");
  const v1::SegmentResponse response = ToWire(std::move(outcome), v1::SLOT_ENCODING_F32);
  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(response.error().frame_id(), 5u);
  EXPECT_EQ(response.error().code(), 3);
  EXPECT_EQ(response.error().message(), "no picture");
}

TEST(FromWire, EmptyConfigMeansTheServersChoice) {
  const auto options = FromWire({}, {}, {});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->stream.mask_format, MaskFormat::kIndexRle);
  EXPECT_FALSE(options->stream.grid_masks);
  EXPECT_EQ(options->slot_encoding, v1::SLOT_ENCODING_F32);
}

TEST(FromWire, TakesOptionsAndLimits) {
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_PNG);
  config.mutable_mask()->set_size(v1::MASK_SIZE_GRID);
  config.mutable_slots()->set_encoding(v1::SLOT_ENCODING_NONE);
  config::LimitsConfig limits;
  limits.set_max_frame_pixels(100);
  limits.set_max_frame_side_px(50);
  const auto options = FromWire(config, limits, {});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->stream.mask_format, MaskFormat::kPng);
  EXPECT_TRUE(options->stream.grid_masks);
  EXPECT_EQ(options->slot_encoding, v1::SLOT_ENCODING_NONE);
  EXPECT_EQ(options->stream.image_limits.max_pixels, 100);
  EXPECT_EQ(options->stream.image_limits.max_side_px, 50);
}

TEST(FromWire, ClassDecidesDeadlineAndDegradation) {
  SchedulePolicy policy;
  policy.classes.resize(2);
  policy.classes[1] = {"live", 1, absl::Milliseconds(200), absl::InfiniteDuration(), true};
  v1::SessionConfig config;
  config.set_scheduling_class("live");
  auto options = FromWire(config, {}, policy);
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->stream.schedule_class, 1u);
  EXPECT_FALSE(options->stream.degradable) << "nothing of a blocking session is dropped";
  config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
  config.set_frame_deadline_ms(100);
  options = FromWire(config, {}, policy);
  ASSERT_THAT(options, IsOk());
  EXPECT_TRUE(options->stream.degradable);
  const absl::Time now = absl::FromUnixSeconds(1);
  v1::Frame frame;
  EXPECT_EQ(ExpiryOf(frame, *options, now), now + absl::Milliseconds(100));
  frame.set_deadline_ms(150);
  EXPECT_EQ(ExpiryOf(frame, *options, now), now + absl::Milliseconds(150));
  frame.set_deadline_ms(300);
  EXPECT_EQ(ExpiryOf(frame, *options, now), now + absl::Milliseconds(200)) << "the class' own";
  config.set_scheduling_class("dead");
  EXPECT_THAT(FromWire(config, {}, policy), FailsWith(absl::StatusCode::kInvalidArgument, "live"));
}

TEST(FromWire, EveryEncodingTheServerListsIsAccepted) {
  v1::GetServerInfoResponse info;
  FillServerInfo({}, {}, true, &info);
  EXPECT_EQ(info.mask_encodings_size(), v1::MaskEncoding_ARRAYSIZE - 1);
  for (const int encoding : info.mask_encodings()) {
    v1::SessionConfig config;
    config.mutable_mask()->set_encoding(static_cast<v1::MaskEncoding>(encoding));
    EXPECT_THAT(FromWire(config, {}, {}), IsOk()) << encoding;
  }
  EXPECT_EQ(info.slot_encodings_size(), v1::SlotEncoding_ARRAYSIZE - 1);
  EXPECT_EQ(info.pixel_formats_size(), v1::PixelFormat_ARRAYSIZE - 1);
}

TEST(FromWire, UnknownEnumsAreUnimplementedAndNamed) {
  v1::SessionConfig mask, size, slots;
  mask.mutable_mask()->set_encoding(static_cast<v1::MaskEncoding>(50));
  size.mutable_mask()->set_size(static_cast<v1::MaskSize>(51));
  slots.mutable_slots()->set_encoding(static_cast<v1::SlotEncoding>(52));
  EXPECT_THAT(FromWire(mask, {}, {}), FailsWith(absl::StatusCode::kUnimplemented, "50"));
  EXPECT_THAT(FromWire(size, {}, {}), FailsWith(absl::StatusCode::kUnimplemented, "51"));
  EXPECT_THAT(FromWire(slots, {}, {}), FailsWith(absl::StatusCode::kUnimplemented, "52"));
}

TEST(TakeFrame, TakesEncodedBytes) {
  v1::Frame frame;
  frame.set_frame_id(3);
  frame.set_capture_time_us(9);
  frame.set_encoded("bytes");
  const SourceFrame source = TakeFrame(&frame);
  EXPECT_EQ(source.id, 3u);
  EXPECT_EQ(source.capture_time_us, 9);
  EXPECT_FALSE(source.raw);
  EXPECT_EQ(source.bytes, "bytes");
}

TEST(TakeFrame, TakesRawPixels) {
  v1::Frame frame;
  frame.mutable_raw()->set_format(v1::PIXEL_FORMAT_BGR8);
  frame.mutable_raw()->set_width(4000000000u);
  frame.mutable_raw()->set_height(2);
  frame.mutable_raw()->set_data("x");
  const SourceFrame source = TakeFrame(&frame);
  EXPECT_TRUE(source.raw);
  EXPECT_EQ(source.format, RawFormat::kBgr8);
  EXPECT_EQ(source.width, 4000000000);
  EXPECT_EQ(source.height, 2);
}

TEST(TakeFrame, FrameWithoutAPictureHasNoBytes) {
  v1::Frame frame;
  EXPECT_EQ(TakeFrame(&frame).bytes, "");
}

TEST(CodecOf, TellsFormatsApart) {
  const auto codec = [](const std::string& bytes) {
    SourceFrame frame;
    frame.bytes = bytes;
    return std::string(CodecOf(frame));
  };
  EXPECT_EQ(codec(JpegBytes(MakePicture(8, 8))), "jpeg");
  EXPECT_EQ(codec(PngBytes(MakePicture(8, 8))), "png");
  EXPECT_EQ(codec("hello"), "unknown");
  EXPECT_EQ(codec(""), "unknown");
  SourceFrame raw;
  raw.raw = true;
  EXPECT_STREQ(CodecOf(raw), "raw");
}

}  // namespace
}  // namespace slotmatch
