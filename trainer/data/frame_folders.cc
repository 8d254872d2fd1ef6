#include "trainer/data/frame_folders.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/data/dataset_table.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kVoid = 255;
const std::vector<std::string>& ImageExtensions() {
  static const auto& extensions = *new std::vector<std::string>{".jpg", ".jpeg", ".png"};
  return extensions;
}

absl::StatusOr<LabelMap> ReadLabels(const std::string& path) {
  if (!fs::exists(path)) {
    return absl::DataLossError(absl::StrCat("annotation ", path, " is missing"));
  }
  SM_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<LabelMap> map = DecodePalettePng(bytes);
  if (!map.ok()) return Annotate(map.status(), path);
  return map;
}

// DAVIS 2016 draws its one object as 255; DAVIS 2017 uses 255 for void. A video whose labels are
// only 0 and 255 is of the first kind.
absl::StatusOr<bool> UsesBinaryLabels(const std::vector<std::string>& labels) {
  for (const std::string& path : labels) {
    SM_ASSIGN_OR_RETURN(const LabelMap map, ReadLabels(path));
    for (const uint8_t label : map.labels) {
      if (label != 0 && label != kVoid) return false;
    }
  }
  return true;
}

// Object ids of a mask file's pixel values.
void ToObjects(bool binary, LabelMap* map) {
  for (uint8_t& label : map->labels) {
    if (binary) {
      label = label == 0 ? 0 : 1;
    } else if (label == kVoid) {
      label = 0;
    }
  }
}

FrameFiles FolderVideo(const std::string& folder) {
  return {fs::path(folder).filename().string(), SortedFiles(folder, ImageExtensions()), {}};
}

absl::Status NothingFound(const config::DatasetConfig& config, const char* wanted) {
  return absl::DataLossError(absl::StrCat("no ", wanted, " in ", config.path()));
}

}  // namespace

std::vector<std::string> SortedFiles(const std::string& folder,
                                     const std::vector<std::string>& extensions) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = absl::AsciiStrToLower(entry.path().extension().string());
    if (std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> SortedFolders(const std::string& folder) {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory()) folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

absl::StatusOr<Image> ReadImageFile(const std::string& path) {
  SM_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<Image> image = DecodeImage(bytes, ImageLimits{});
  if (!image.ok()) return absl::DataLossError(absl::StrCat(path, ": ", image.status().message()));
  return image;
}

absl::StatusOr<std::string> DigestOfFiles(const std::vector<std::string>& paths) {
  std::string digests;
  for (const std::string& path : paths) {
    SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
    digests += digest;
  }
  return Sha256Hex(digests);
}

bool FrameFileDataset::has_labels() const {
  return std::any_of(videos_.begin(), videos_.end(),
                     [](const FrameFiles& video) { return !video.labels.empty(); });
}

absl::Status FrameFileDataset::ForEachFrame(int64_t video, bool with_labels,
                                            const Visitor& visit) const {
  const FrameFiles& files = videos_[video];
  if (files.images.empty()) {
    return absl::DataLossError(absl::StrCat("clip '", files.name, "' has no frames"));
  }
  const bool labelled = with_labels && !files.labels.empty();
  bool binary = mask_values_ == config::DatasetConfig::BINARY;
  if (labelled && mask_values_ == config::DatasetConfig::AUTO) {
    SM_ASSIGN_OR_RETURN(binary, UsesBinaryLabels(files.labels));
  }
  for (size_t i = 0; i < files.images.size(); ++i) {
    DatasetFrame frame;
    frame.index = static_cast<int64_t>(i);
    SM_ASSIGN_OR_RETURN(frame.image, ReadImageFile(files.images[i]));
    if (labelled) {
      SM_ASSIGN_OR_RETURN(frame.labels, ReadLabels(files.labels[i]));
      ToObjects(binary, &frame.labels);
    }
    SM_RETURN_IF_ERROR(visit(std::move(frame)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FrameFileDataset::ContentKey(int64_t video) const {
  return DigestOfFiles(videos_[video].images);
}

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenFrames(const config::DatasetConfig& config) {
  std::vector<FrameFiles> videos;
  FrameFiles own = FolderVideo(config.path());
  if (!own.images.empty()) videos.push_back(std::move(own));
  for (const std::string& folder : SortedFolders(config.path())) {
    FrameFiles video = FolderVideo(folder);
    if (!video.images.empty()) videos.push_back(std::move(video));
  }
  if (videos.empty()) return NothingFound(config, "frames (.jpg, .jpeg, .png)");
  return std::make_unique<FrameFileDataset>(std::move(videos));
}

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenImages(const config::DatasetConfig& config) {
  std::vector<FrameFiles> videos;
  for (const std::string& path : SortedFiles(config.path(), ImageExtensions())) {
    videos.push_back({fs::path(path).stem().string(), {path}, {}});
  }
  if (videos.empty()) return NothingFound(config, "images (.jpg, .jpeg, .png)");
  return std::make_unique<FrameFileDataset>(std::move(videos));
}

}  // namespace slotmatch
