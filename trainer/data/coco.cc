#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "trainer/data/annotated_frames.h"
#include "trainer/data/dataset_table.h"
#include "trainer/data/tar_shards.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// "train" also stands for "train2017", the year of the sets that the reference uses.
std::vector<std::string> Spellings(const std::string& split) {
  return {split, absl::StrCat(split, "2017")};
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenCoco(const config::DatasetConfig& config) {
  const ScoringRules rules{.counts_empty_frames = false, .ignores_overlaps = true};
  if (HasTarShards(config)) {
    return OpenTarShards(config, {"image", ShardLabels::kInstancesFirst, false, rules});
  }
  std::vector<std::string> files, folders;
  for (const std::string& split : Spellings(config.split())) {
    files.push_back(absl::StrCat("annotations/instances_", split, ".json"));
    files.push_back(absl::StrCat("annotations/image_info_", split, ".json"));
    folders.push_back(split);
    folders.push_back("images/" + split);
  }
  if (!config.annotations().empty()) files = {config.annotations()};
  const std::string file = FirstExisting(config.path(), files);
  if (file.empty()) {
    return absl::NotFoundError(absl::StrCat(config.path(), " holds no annotations of split '",
                                            config.split(), "': ", files.front(), " is missing"));
  }
  const std::string folder = FirstExisting(config.path(), folders);
  if (folder.empty()) {
    return absl::NotFoundError(
        absl::StrCat(config.path(), " holds no folder of pictures '", folders.front(), "'"));
  }
  SM_ASSIGN_OR_RETURN(AnnotationIndex index, AnnotationIndex::Open(file, {"images", "image_id"}));
  std::vector<size_t> items(index.items().size());
  for (size_t i = 0; i < items.size(); ++i) items[i] = i;
  return std::make_unique<AnnotatedFrames>(
      std::move(index), std::move(items),
      AnnotatedFrames::Layout{.frames = folder, .videos = false, .rules = rules});
}

}  // namespace slotmatch
