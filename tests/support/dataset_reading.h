#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "trainer/data/dataset.h"

namespace slotmatch {

inline config::DatasetConfig MakeDatasetConfig(const std::string& kind, const std::string& path,
                                               const std::string& split = "train") {
  config::DatasetConfig config;
  config.set_kind(kind);
  config.set_path(path);
  config.set_split(split);
  return config;
}

// All frames of a video, which must be readable.
inline std::vector<DatasetFrame> ReadVideo(const VideoDataset& dataset, int64_t video,
                                           bool with_labels = true) {
  std::vector<DatasetFrame> frames;
  const absl::Status status = dataset.ForEachFrame(video, with_labels, [&](DatasetFrame frame) {
    frames.push_back(std::move(frame));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return frames;
}

// How reading a video ends.
inline absl::Status StatusOfVideo(const VideoDataset& dataset, int64_t video,
                                  bool with_labels = true) {
  return dataset.ForEachFrame(video, with_labels, [](DatasetFrame) { return absl::OkStatus(); });
}

}  // namespace slotmatch
