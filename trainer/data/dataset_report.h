#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/progress.h"
#include "trainer/data/dataset.h"

namespace slotmatch {

// What lies in a dataset, after every frame of it was read. Videos that cannot be read to their end
// are counted in `skipped` only.
struct DatasetReport {
  int64_t videos = 0, frames = 0, labelled_frames = 0;
  std::map<std::pair<int, int>, int64_t> sizes;  // width, height -> frames
  std::map<int64_t, int64_t> lengths;            // frames of a video -> videos
  std::map<int64_t, int64_t> objects;            // objects of a labelled video -> videos
  int min_label = 0, max_label = 0;              // of all objects; 0: there is none
  // Pixels of labelled frames: without an object, and of two or more objects.
  int64_t labelled_pixels = 0, background_pixels = 0, overlap_pixels = 0;
  std::vector<std::pair<std::string, std::string>> skipped;  // name, reason
};

// Reads the first `max_videos` videos (0: all) with `workers` threads. Broken videos are warned of
// and passed over; other failures end it.
absl::StatusOr<DatasetReport> ReportOn(const VideoDataset& dataset, int64_t max_videos, int workers,
                                       Progress* progress);

std::string ToText(const DatasetReport& report);
std::string ToJson(const DatasetReport& report);

}  // namespace slotmatch
