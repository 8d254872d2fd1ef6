#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/image/image.h"
#include "core/image/mask_codec.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// One frame as it lies in the dataset, at its own resolution.
struct DatasetFrame {
  int64_t index = 0;
  Image image;
  // Ground truth: object ids, 0 = unlabelled or background, kOverlapLabel = pixels of two or more
  // objects. Empty map when the frame has none.
  LabelMap labels;
};

inline constexpr uint8_t kOverlapLabel = 255;

// How the reference scores a dataset's ground truth (slotcontrast/metrics.py and its configs).
struct ScoringRules {
  // The background is a channel of the truth (MOVi): a frame without objects counts as FG-ARI 1.
  // False: it is skipped.
  bool counts_empty_frames = false;
  // Pixels of two or more objects are left out of truth and prediction (COCO). False: they are an
  // error.
  bool ignores_overlaps = false;
};

// A list of videos. Frames are read one by one, in order, so memory stays flat. Immutable and
// thread-safe after it was opened.
class VideoDataset {
 public:
  virtual ~VideoDataset() = default;
  virtual int64_t num_videos() const = 0;
  virtual std::string video_name(int64_t video) const = 0;
  virtual bool has_labels() const = 0;
  virtual ScoringRules scoring_rules() const { return {}; }

  // Calls `visit` with every frame of a video. Stops at the first status that is not OK, from the
  // reader (kDataLoss naming the file) or from `visit`, and returns it.
  using Visitor = std::function<absl::Status(DatasetFrame)>;
  virtual absl::Status ForEachFrame(int64_t video, bool with_labels,
                                    const Visitor& visit) const = 0;

  // SHA-256 hex over the bytes of the video's frame files; changes when any of them does.
  virtual absl::StatusOr<std::string> ContentKey(int64_t video) const = 0;
};

// Opens the dataset by the row of dataset_table.cc that `config.kind` names. kNotFound: the path or
// split is missing; kInvalidArgument: unknown kind (lists the rows); kDataLoss: the layout is
// wrong.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenDataset(const config::DatasetConfig& config);

}  // namespace slotmatch
