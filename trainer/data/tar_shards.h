#pragma once

#include <memory>
#include <string>

#include "trainer/data/dataset.h"

namespace slotmatch {

// Shape of the member `segmentations.npy`.
enum class ShardLabels {
  kOneMap,          // [F, H, W, 1]: object ids
  kInstancesLast,   // [F, H, W, K]: one channel an object, 0 where it is not
  kInstancesFirst,  // [K, H, W]: the same of a still image
};

// The WebDataset shards that the reference's scripts write (slotcontrast/data/save_*.py): tars
// named <set>-<split>-<number>.tar whose samples are <key>.video.npy or <key>.image.npy, and
// <key>.segmentations.npy, uint8 in C order.
struct ShardFormat {
  const char* frames;  // "video" [F, H, W, 3] or "image" [H, W, 3]
  ShardLabels labels;
  bool void_labels;  // label 255 of kOneMap is void: unlabelled
  ScoringRules rules;
};

// The folder `config.path()` holds shards of the split ("val" is also spelled "validation").
bool HasTarShards(const config::DatasetConfig& config);

// Reads headers only; frames are read one by one. A damaged shard or sample makes a video whose
// reading fails with kDataLoss, so that it can be skipped and counted.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenTarShards(const config::DatasetConfig& config,
                                                            const ShardFormat& format);

// Sorted files of a folder whose name has "-<split>" and then `rest`. For "val", "validation" too.
std::vector<std::string> FilesOfSplit(const config::DatasetConfig& config, const std::string& rest);

}  // namespace slotmatch
