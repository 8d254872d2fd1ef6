#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "trainer/data/annotated_frames.h"
#include "trainer/data/dataset_table.h"
#include "trainer/data/tar_shards.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// YouTube-VIS 2019 and 2021 and OVIS, as published and as commonly unpacked.
struct Places {
  std::vector<std::string> annotations, frames;
};
Places PlacesOf(const std::string& folder) {
  return {{folder + "/instances.json", "annotations/instances_" + folder + ".json",
           "annotations_" + folder + ".json", "annotations/" + folder + ".json", folder + ".json",
           "instances.json"},
          {folder + "/JPEGImages", "JPEGImages", folder, "."}};
}

// The reference cuts the public training annotations into these two.
bool IsCutOfTrain(const std::string& split) { return split == "train" || split == "validation"; }

std::string FrameFolder(const config::DatasetConfig& config, const Places& places,
                        const std::string& first_file) {
  std::vector<std::string> candidates;
  for (const std::string& folder : places.frames) candidates.push_back(folder + "/" + first_file);
  const std::string found = FirstExisting(config.path(), candidates);
  return found.substr(0, found.size() - std::min(found.size(), first_file.size() + 1));
}

std::vector<size_t> ItemsOfSplit(const config::DatasetConfig& config, size_t count) {
  const size_t held_out = std::min(count, static_cast<size_t>(config.held_out_videos()));
  size_t begin = 0, end = count;
  if (config.split() == "train") end = count - held_out;
  if (config.split() == "validation") begin = count - held_out;
  std::vector<size_t> items;
  for (size_t i = begin; i < end; ++i) items.push_back(i);
  return items;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenYtvis(const config::DatasetConfig& config) {
  if (config.held_out_videos() < 0) {
    return absl::InvalidArgumentError("held_out_videos must not be negative");
  }
  if (HasTarShards(config)) {
    return OpenTarShards(config, {"video", ShardLabels::kInstancesLast, false, {}});
  }
  const std::string folder =
      IsCutOfTrain(config.split()) || config.split() == "train_all" ? "train" : config.split();
  Places places = PlacesOf(folder);
  if (!config.annotations().empty()) places.annotations = {config.annotations()};
  const std::string file = FirstExisting(config.path(), places.annotations);
  if (file.empty()) {
    return absl::NotFoundError(absl::StrCat(config.path(), " holds no annotations of split '",
                                            config.split(), "': ", places.annotations.front(),
                                            " is missing"));
  }
  SM_ASSIGN_OR_RETURN(AnnotationIndex index, AnnotationIndex::Open(file, {"videos", "video_id"}));
  std::vector<size_t> items = ItemsOfSplit(config, index.items().size());
  if (items.empty()) {
    return absl::DataLossError(absl::StrCat(file, " lists ", index.items().size(),
                                            " videos; none is left for split '", config.split(),
                                            "' (held_out_videos ", config.held_out_videos(), ")"));
  }
  const std::string& first = index.items().front().files.front();
  const std::string frames = FrameFolder(config, places, first);
  if (frames.empty()) {
    return absl::NotFoundError(
        absl::StrCat(config.path(), " holds no frame ", places.frames.front(), "/", first));
  }
  return std::make_unique<AnnotatedFrames>(
      std::move(index), std::move(items),
      AnnotatedFrames::Layout{.frames = frames, .videos = true, .rules = {}});
}

}  // namespace slotmatch
