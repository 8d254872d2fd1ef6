#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainer/data/dataset.h"

namespace slotmatch {

// A video as lists of image files.
struct FrameFiles {
  std::string name;
  std::vector<std::string> images;
  std::vector<std::string> labels;  // one per image, or empty
};

// Videos that lie as image files; the base of every dataset of that form.
class FrameFileDataset : public VideoDataset {
 public:
  explicit FrameFileDataset(
      std::vector<FrameFiles> videos,
      config::DatasetConfig::MaskValues mask_values = config::DatasetConfig::AUTO)
      : videos_(std::move(videos)), mask_values_(mask_values) {}

  int64_t num_videos() const override { return static_cast<int64_t>(videos_.size()); }
  std::string video_name(int64_t video) const override { return videos_[video].name; }
  bool has_labels() const override;
  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override;
  absl::StatusOr<std::string> ContentKey(int64_t video) const override;

 private:
  std::vector<FrameFiles> videos_;
  config::DatasetConfig::MaskValues mask_values_;
};

// Decodes a picture file. kNotFound, or kDataLoss naming the file.
absl::StatusOr<Image> ReadImageFile(const std::string& path);
// SHA-256 hex over the digests of files, in order.
absl::StatusOr<std::string> DigestOfFiles(const std::vector<std::string>& paths);

// Files of a folder with one of these extensions (lower case, with dot), sorted by name.
std::vector<std::string> SortedFiles(const std::string& folder,
                                     const std::vector<std::string>& extensions);
// Sub-folders sorted by name.
std::vector<std::string> SortedFolders(const std::string& folder);

}  // namespace slotmatch
