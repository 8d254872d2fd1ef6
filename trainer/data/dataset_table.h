#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trainer/data/dataset.h"

namespace slotmatch {

using DatasetOpener =
    absl::StatusOr<std::unique_ptr<VideoDataset>> (*)(const config::DatasetConfig& config);

// A row: name in DatasetConfig.kind.
struct DatasetRow {
  const char* name;
  DatasetOpener open;
};
const std::vector<DatasetRow>& DatasetTable();

// The rows' openers. The layouts are drawn in docs/training.md. davis, ytvis, coco and movi also
// take the WebDataset shards of the reference's scripts (trainer/data/tar_shards.h).
// ROOT/JPEGImages/<res>/<clip>/*.jpg, ROOT/Annotations*/<res>/<clip>/*.png, ROOT/ImageSets/**.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenDavis(const config::DatasetConfig& config);
// YouTube-VIS 2019, 2021 and OVIS: frames in folders, one JSON file of annotations.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenYtvis(const config::DatasetConfig& config);
// COCO instances: ROOT/annotations/instances_<split>.json, ROOT/<split>/*.jpg.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenCoco(const config::DatasetConfig& config);
// MOVi-A to -F: shards, or the TFRecord files of TFDS.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenMovi(const config::DatasetConfig& config);
// A folder of frames, or a folder of such folders.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenFrames(const config::DatasetConfig& config);
// A folder of images, each a video of one frame.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenImages(const config::DatasetConfig& config);
// A video file, or a folder of them.
absl::StatusOr<std::unique_ptr<VideoDataset>> OpenVideoFiles(const config::DatasetConfig& config);

}  // namespace slotmatch
