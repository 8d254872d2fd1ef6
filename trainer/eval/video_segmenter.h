#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/model/video_model.h"
#include "core/track/mask_stats.h"
#include "core/track/tracker.h"
#include "trainer/data/dataset.h"
#include "trainer/loop/train_data.h"

namespace slotmatch {

// One segmented frame: labels at the frame's own resolution, its slots and their track IDs.
struct SegmentedFrame {
  const DatasetFrame* frame;  // borrowed
  Segmentation segmentation;
  torch::Tensor slots;              // [K, S]
  int64_t step = 0;                 // frames of its clip before it; 0 starts a clip
  std::vector<TrackedSlot> tracks;  // [K]
};

// A model directory ready to segment videos frame by frame, with the forward, preprocessing and
// mask upsampling of the service. Memory does not grow with a video's length.
class VideoSegmenter {
 public:
  // mask_source: "attention", "decoder", or empty for what the manifest says. device: a name of
  // core/model/device.h. What frames give lies on the CPU.
  static absl::StatusOr<VideoSegmenter> Open(const std::string& model_directory,
                                             const std::string& mask_source = "",
                                             const std::string& device = "cpu");

  // A model at hand, with its encoder; of the manifest name, version, mask source and preprocessing
  // are used.
  static absl::StatusOr<VideoSegmenter> Of(const VideoModel& model,
                                           const config::Manifest& manifest);

  using Visitor = std::function<absl::Status(const SegmentedFrame&)>;
  // kDataLoss from the reader; what `visit` returns ends the video.
  absl::Status Segment(const VideoDataset& dataset, int64_t video, bool with_labels,
                       const Visitor& visit);

  using ModelVisitor = std::function<absl::Status(size_t model, const SegmentedFrame&)>;
  // The same for several models on one reading of the video; models of one backbone that see the
  // same pixels share its tokens. With `clip_frames` > 0 the state starts again after every so many
  // frames.
  static absl::Status SegmentWithAll(std::vector<VideoSegmenter>* models,
                                     const VideoDataset& dataset, int64_t video, bool with_labels,
                                     int64_t clip_frames, const ModelVisitor& visit);

  int num_slots() const { return model_->config().num_slots(); }
  const config::Manifest& manifest() const { return manifest_; }

 private:
  VideoSegmenter() = default;
  // Where a video stands between two calls.
  struct Position {
    SlotState state;   // undefined slots: not started
    int64_t step = 0;  // frames since the clip began
    TrackState tracks;
  };
  // Raw backbone tokens [B, N, D] of the frames.
  torch::Tensor Encode(const std::vector<DatasetFrame>& frames);
  // Tokens are those of Encode().
  absl::Status SegmentFrames(const std::vector<DatasetFrame>& frames, const torch::Tensor& tokens,
                             int64_t clip_frames, Position* position, const Visitor& visit);

  config::Manifest manifest_;
  std::string encoder_key_;  // equal: Encode() is; empty: not known
  std::optional<Tracker> tracker_;
  bool decoder_masks_ = false;
  VideoModel model_{nullptr};
};

}  // namespace slotmatch
