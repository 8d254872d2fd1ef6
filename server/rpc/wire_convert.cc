#include "server/rpc/wire_convert.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/float16.h"
#include "core/base/status.h"
#include "core/base/version.h"

namespace slotmatch {
namespace {

struct MaskRow {
  v1::MaskEncoding wire;
  MaskFormat format;
};
constexpr MaskRow kMaskTable[] = {{v1::MASK_ENCODING_UNSPECIFIED, MaskFormat::kIndexRle},
                                  {v1::MASK_ENCODING_NONE, MaskFormat::kNone},
                                  {v1::MASK_ENCODING_RAW_U8, MaskFormat::kRaw},
                                  {v1::MASK_ENCODING_INDEX_RLE, MaskFormat::kIndexRle},
                                  {v1::MASK_ENCODING_PNG, MaskFormat::kPng},
                                  {v1::MASK_ENCODING_COCO_RLE, MaskFormat::kCocoRle}};

struct PixelRow {
  v1::PixelFormat wire;
  RawFormat format;
};
constexpr PixelRow kPixelTable[] = {
    {v1::PIXEL_FORMAT_UNSPECIFIED, RawFormat::kRgb8}, {v1::PIXEL_FORMAT_RGB8, RawFormat::kRgb8},
    {v1::PIXEL_FORMAT_BGR8, RawFormat::kBgr8},        {v1::PIXEL_FORMAT_GRAY8, RawFormat::kGray8},
    {v1::PIXEL_FORMAT_NV12, RawFormat::kNv12},        {v1::PIXEL_FORMAT_I420, RawFormat::kI420}};

struct DropRow {
  DropReason reason;
  v1::DropReason wire;
  const char* label;
};
constexpr DropRow kDropTable[] = {
    {DropReason::kQueueFull, v1::DROP_REASON_QUEUE_FULL, "queue_full"},
    {DropReason::kSuperseded, v1::DROP_REASON_SUPERSEDED, "superseded"},
    {DropReason::kDeadline, v1::DROP_REASON_DEADLINE, "deadline"},
    {DropReason::kDraining, v1::DROP_REASON_DRAINING, "draining"},
    {DropReason::kOverload, v1::DROP_REASON_OVERLOAD, "overload"},
    {DropReason::kRate, v1::DROP_REASON_RATE, "rate"},
    {DropReason::kDuplicate, v1::DROP_REASON_DUPLICATE, "duplicate"}};

const DropRow& RowOf(DropReason reason) {
  for (const DropRow& row : kDropTable) {
    if (row.reason == reason) return row;
  }
  return kDropTable[0];
}

constexpr v1::SlotEncoding kSlotEncodings[] = {v1::SLOT_ENCODING_NONE, v1::SLOT_ENCODING_F32,
                                               v1::SLOT_ENCODING_F16, v1::SLOT_ENCODING_BF16};

v1::MaskEncoding EncodingOf(MaskFormat format) {
  for (const MaskRow& row : kMaskTable) {
    if (row.format == format && row.wire != v1::MASK_ENCODING_UNSPECIFIED) return row.wire;
  }
  return v1::MASK_ENCODING_NONE;
}

// 16-bit numbers, little-endian.
std::string EncodeHalves(absl::Span<const float> values, uint16_t (*encode)(float)) {
  std::string bytes(values.size() * 2, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = encode(values[i]);
    std::memcpy(&bytes[i * 2], &half, 2);
  }
  return bytes;
}

// One slot's vector, little-endian.
std::string EncodeVector(absl::Span<const float> values, v1::SlotEncoding encoding) {
  static_assert(std::endian::native == std::endian::little);
  if (encoding == v1::SLOT_ENCODING_F16) return EncodeHalves(values, FloatToHalf);
  if (encoding == v1::SLOT_ENCODING_BF16) return EncodeHalves(values, FloatToBfloat16);
  if (encoding == v1::SLOT_ENCODING_NONE) return "";
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

void FillSlots(const FrameSegmentation& frame, v1::SlotEncoding encoding, v1::FrameResult* result) {
  const size_t slot_dim = frame.slots.empty() ? 0 : frame.vectors.size() / frame.slots.size();
  for (size_t k = 0; k < frame.slots.size(); ++k) {
    const SlotStats& stats = frame.slots[k];
    v1::Slot* slot = result->add_slots();
    slot->set_index(static_cast<uint32_t>(k));
    slot->set_temporal_id(frame.ids[k]);
    slot->set_area_ratio(static_cast<double>(stats.area_px) /
                         static_cast<double>(frame.mask_pixels));
    slot->set_confidence(stats.confidence);
    if (stats.area_px > 0) {
      slot->mutable_box()->set_left(stats.left);
      slot->mutable_box()->set_top(stats.top);
      slot->mutable_box()->set_width(stats.width);
      slot->mutable_box()->set_height(stats.height);
      slot->mutable_centroid()->set_x(stats.center_x);
      slot->mutable_centroid()->set_y(stats.center_y);
    }
    if (!frame.slot_entropy.empty()) slot->set_entropy(frame.slot_entropy[k]);
    if (!frame.slot_masks.empty()) slot->set_coco_rle(frame.slot_masks[k]);
    const auto vector = absl::MakeSpan(frame.vectors).subspan(k * slot_dim, slot_dim);
    slot->set_vector(EncodeVector(vector, encoding));
  }
}

void FillTimings(const FrameTimings& from, v1::Timings* to) {
  to->set_decode_ms(Milliseconds(from.decode));
  to->set_queue_ms(Milliseconds(from.queue));
  to->set_compute_ms(Milliseconds(from.compute));
  to->set_mask_ms(Milliseconds(from.mask));
  to->set_total_ms(Milliseconds(from.total));
  to->set_batch_size(from.batch_size);
}

}  // namespace

v1::Limits ToWire(const config::LimitsConfig& limits) {
  v1::Limits wire;
  wire.set_max_message_bytes(limits.max_message_bytes());
  wire.set_max_frame_pixels(limits.max_frame_pixels());
  wire.set_max_frame_side_px(limits.max_frame_side_px());
  wire.set_max_queued_frames(limits.max_queued_frames());
  wire.set_max_gap_steps(limits.max_gap_steps());
  wire.set_max_clip_frames(limits.max_clip_frames());
  wire.set_max_frames_per_s(limits.max_frames_per_s());
  wire.set_max_session_frames(limits.max_session_frames());
  return wire;
}

absl::StatusOr<SessionOptions> FromWire(const v1::SessionConfig& config,
                                        const config::LimitsConfig& limits,
                                        const SchedulePolicy& policy) {
  SessionOptions options;
  SM_RETURN_IF_ERROR(ReadPolicies(config, limits, policy, &options));
  bool known = false;
  for (const MaskRow& row : kMaskTable) {
    if (row.wire != config.mask().encoding()) continue;
    options.stream.mask_format = row.format;
    known = true;
  }
  if (!known) {
    return absl::UnimplementedError(absl::StrCat("mask encoding ", config.mask().encoding(),
                                                 " is unknown here; GetServerInfo lists them"));
  }
  if (!v1::MaskSize_IsValid(config.mask().size())) {
    return absl::UnimplementedError(
        absl::StrCat("mask size ", config.mask().size(), " is unknown here; use SOURCE or GRID"));
  }
  if (!v1::SlotEncoding_IsValid(config.slots().encoding())) {
    return absl::UnimplementedError(absl::StrCat("slot encoding ", config.slots().encoding(),
                                                 " is unknown here; GetServerInfo lists them"));
  }
  if (!v1::IdMode_IsValid(config.ids())) {
    return absl::UnimplementedError(
        absl::StrCat("ID mode ", config.ids(), " is unknown here; use TRACK or SLOT"));
  }
  options.slot_ids = config.ids() == v1::ID_MODE_SLOT;
  options.stream.grid_masks = config.mask().size() == v1::MASK_SIZE_GRID;
  options.stream.soft_masks = config.mask().soft();
  options.stream.skip_duplicates = config.skip_duplicates();
  options.stream.image_limits = LimitsOf(limits);
  if (config.slots().encoding() != v1::SLOT_ENCODING_UNSPECIFIED) {
    options.slot_encoding = config.slots().encoding();
  }
  return options;
}

ImageLimits LimitsOf(const config::LimitsConfig& limits) {
  ImageLimits image;
  image.max_pixels = limits.max_frame_pixels();
  image.max_side_px = limits.max_frame_side_px();
  return image;
}

SourceFrame TakeFrame(v1::Frame* frame) {
  SourceFrame source;
  source.id = frame->frame_id();
  source.capture_time_us = frame->capture_time_us();
  if (frame->has_raw()) {
    source.raw = true;
    source.readable = absl::InvalidArgumentError(absl::StrCat(
        "pixel format ", frame->raw().format(), " is unknown here; GetServerInfo lists them"));
    for (const PixelRow& row : kPixelTable) {
      if (row.wire != frame->raw().format()) continue;
      source.format = row.format;
      source.readable = absl::OkStatus();
    }
    source.width = frame->raw().width();
    source.height = frame->raw().height();
    source.bytes = std::move(*frame->mutable_raw()->mutable_data());
  } else {
    source.bytes = std::move(*frame->mutable_encoded());
  }
  return source;
}

const char* CodecOf(const SourceFrame& frame) {
  if (frame.raw) return "raw";
  const absl::StatusOr<EncodedInfo> info = ProbeImage(frame.bytes);
  if (!info.ok()) return "unknown";
  return info->format == EncodedInfo::Format::kJpeg ? "jpeg" : "png";
}

const char* LabelOf(DropReason reason) { return RowOf(reason).label; }

v1::SegmentResponse ToWire(FrameOutcome outcome, v1::SlotEncoding slot_encoding) {
  v1::SegmentResponse response;
  if (outcome.dropped.has_value()) {
    v1::FrameDropped* dropped = response.mutable_dropped();
    dropped->set_frame_id(outcome.id);
    dropped->set_capture_time_us(outcome.capture_time_us);
    dropped->set_reason(RowOf(*outcome.dropped).wire);
    dropped->set_message(std::string(outcome.result.status().message()));
    return response;
  }
  if (!outcome.result.ok()) {
    v1::FrameError* error = response.mutable_error();
    error->set_frame_id(outcome.id);
    error->set_code(static_cast<int32_t>(outcome.result.status().code()));
    error->set_message(std::string(outcome.result.status().message()));
    return response;
  }
  FrameSegmentation& frame = *outcome.result;
  v1::FrameResult* result = response.mutable_result();
  result->set_frame_id(outcome.id);
  result->set_capture_time_us(outcome.capture_time_us);
  result->set_source_width(frame.source_width);
  result->set_source_height(frame.source_height);
  if (frame.mask_format != MaskFormat::kNone) {
    v1::Mask* mask = result->mutable_mask();
    mask->set_encoding(EncodingOf(frame.mask_format));
    mask->set_width(frame.mask_width);
    mask->set_height(frame.mask_height);
    mask->set_data(std::move(frame.mask));
  }
  if (!frame.soft_masks.empty()) {
    v1::SoftMasks* soft = result->mutable_soft_masks();
    soft->set_width(frame.grid_width);
    soft->set_height(frame.grid_height);
    soft->set_data(EncodeHalves(frame.soft_masks, FloatToHalf));
  }
  FillSlots(frame, slot_encoding, result);
  FillTimings(frame.timings, result->mutable_timings());
  return response;
}

void FillServerInfo(const config::LimitsConfig& limits, const SchedulePolicy& policy,
                    bool signs_states, v1::GetServerInfoResponse* response) {
  for (size_t i = 0; i < policy.classes.size(); ++i) {
    const ScheduleClass& one = policy.classes[i];
    v1::SchedulingClass* wire = response->add_scheduling_classes();
    wire->set_name(one.name);
    wire->set_weight(static_cast<uint32_t>(one.weight));
    if (one.frame_deadline < absl::InfiniteDuration()) {
      wire->set_frame_deadline_ms(absl::ToInt64Milliseconds(one.frame_deadline));
    }
    wire->set_is_default(i == policy.default_class);
  }
  response->set_signs_states(signs_states);
  response->set_version(Version());
  response->set_commit(Commit());
  *response->mutable_limits() = ToWire(limits);
  for (const MaskRow& row : kMaskTable) {
    if (row.wire != v1::MASK_ENCODING_UNSPECIFIED) response->add_mask_encodings(row.wire);
  }
  for (const v1::SlotEncoding encoding : kSlotEncodings) response->add_slot_encodings(encoding);
  for (const PixelRow& row : kPixelTable) {
    if (row.wire != v1::PIXEL_FORMAT_UNSPECIFIED) response->add_pixel_formats(row.wire);
  }
}

}  // namespace slotmatch
