#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/data/dataset_table.h"
#include "trainer/data/frame_folders.h"
#include "trainer/data/tar_shards.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// The folder below JPEGImages: 480p, the reference's, where several are; else the last by name.
absl::StatusOr<std::string> Resolution(const fs::path& root) {
  if (fs::is_directory(root / "JPEGImages" / "480p")) return "480p";
  const std::vector<std::string> folders = SortedFolders((root / "JPEGImages").string());
  if (folders.empty()) {
    return absl::DataLossError(absl::StrCat(
        root.string(), " is not in DAVIS layout: no JPEGImages/<resolution>/<clip>/ folders"));
  }
  return fs::path(folders.back()).filename().string();
}

// Where the masks lie. The package "Unsupervised TrainVal" has a folder of its own name.
absl::StatusOr<fs::path> AnnotationFolder(const fs::path& root, const std::string& configured) {
  if (configured.empty()) {
    return root / (fs::exists(root / "Annotations_unsupervised") ? "Annotations_unsupervised"
                                                                 : "Annotations");
  }
  if (fs::is_directory(root / configured)) return root / configured;
  return absl::NotFoundError(
      absl::StrCat("annotations '", configured, "' are not a folder of ", root.string()));
}

// ImageSets/<split>.txt or ImageSets/<year>/<split>.txt, the latest year first.
std::string SplitFile(const fs::path& root, const std::string& split) {
  const fs::path sets = root / "ImageSets";
  if (fs::exists(sets / (split + ".txt"))) return (sets / (split + ".txt")).string();
  std::vector<std::string> years = SortedFolders(sets.string());
  std::reverse(years.begin(), years.end());
  for (const std::string& year : years) {
    const fs::path file = fs::path(year) / (split + ".txt");
    if (fs::exists(file)) return file.string();
  }
  return "";
}

// Lines are clip names (2017), or pairs "/JPEGImages/480p/clip/00000.jpg /Annotations/..." (2016).
absl::StatusOr<std::vector<std::string>> ClipNames(const std::string& file) {
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (absl::string_view line :
       absl::StrSplit(text, absl::ByAnyChar("\r\n"), absl::SkipWhitespace())) {
    const std::string first = std::string(*absl::StrSplit(line, ' ', absl::SkipEmpty()).begin());
    const fs::path path(first);
    const std::string name =
        path.has_extension() ? path.parent_path().filename().string() : path.filename().string();
    if (seen.insert(name).second) names.push_back(name);
  }
  return names;
}

// A clip without frames or without one of its masks fails when it is read, and alone.
FrameFiles ClipFiles(const fs::path& root, const fs::path& annotation_root,
                     const std::string& resolution, const std::string& name) {
  FrameFiles video{
      name,
      SortedFiles((root / "JPEGImages" / resolution / name).string(), {".jpg", ".jpeg", ".png"}),
      {}};
  const fs::path annotations = annotation_root / resolution / name;
  if (!fs::exists(annotations)) return video;
  for (const std::string& image : video.images) {
    const fs::path label = annotations / fs::path(image).filename().replace_extension(".png");
    video.labels.push_back(label.string());
  }
  return video;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenDavis(const config::DatasetConfig& config) {
  if (HasTarShards(config)) {
    return OpenTarShards(config, {"video", ShardLabels::kOneMap, /*void_labels=*/true, {}});
  }
  const fs::path root(config.path());
  SM_ASSIGN_OR_RETURN(const std::string resolution, Resolution(root));
  SM_ASSIGN_OR_RETURN(const fs::path annotations, AnnotationFolder(root, config.annotations()));
  std::vector<std::string> names;
  if (fs::exists(root / "ImageSets")) {
    const std::string file = SplitFile(root, config.split());
    if (file.empty()) {
      return absl::NotFoundError(
          absl::StrCat("split '", config.split(), "' is not in ", (root / "ImageSets").string()));
    }
    SM_ASSIGN_OR_RETURN(names, ClipNames(file));
  } else {
    for (const std::string& folder : SortedFolders((root / "JPEGImages" / resolution).string())) {
      names.push_back(fs::path(folder).filename().string());
    }
  }
  std::vector<FrameFiles> videos;
  for (const std::string& name : names) {
    videos.push_back(ClipFiles(root, annotations, resolution, name));
  }
  if (videos.empty()) {
    return absl::DataLossError(
        absl::StrCat("split '", config.split(), "' of ", config.path(), " names no clip"));
  }
  if (std::all_of(videos.begin(), videos.end(),
                  [](const FrameFiles& video) { return video.images.empty(); })) {
    return absl::DataLossError(absl::StrCat("no clip of split '", config.split(),
                                            "' has frames under ",
                                            (root / "JPEGImages" / resolution).string()));
  }
  return std::make_unique<FrameFileDataset>(std::move(videos), config.mask_values());
}

}  // namespace slotmatch
