#include "trainer/data/annotated_frames.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "trainer/data/frame_folders.h"
#include "trainer/data/json_masks.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The object's segmentation in frame `frame`.
absl::StatusOr<const json*> SegmentationOf(const json& annotation, const char* key, bool videos,
                                           size_t frame, size_t num_frames) {
  const auto found = annotation.find(key);
  if (found == annotation.end()) {
    return absl::DataLossError(absl::StrCat("an annotation has no \"", key, "\""));
  }
  if (!videos) return &*found;
  if (!found->is_array() || found->size() != num_frames) {
    return absl::DataLossError(
        absl::StrCat("\"", key, "\" needs one entry for each of ", num_frames, " frames"));
  }
  return &(*found)[frame];
}

}  // namespace

std::string AnnotatedFrames::video_name(int64_t video) const {
  const fs::path first(item(video).files.front());
  // A video's frames share a folder.
  return layout_.videos && first.has_parent_path() ? first.parent_path().string()
                                                   : first.stem().string();
}

std::vector<std::string> AnnotatedFrames::Paths(int64_t video) const {
  std::vector<std::string> paths;
  for (const std::string& file : item(video).files) paths.push_back(layout_.frames + "/" + file);
  return paths;
}

absl::Status AnnotatedFrames::ForEachFrame(int64_t video, bool with_labels,
                                           const Visitor& visit) const {
  std::vector<json> objects;
  if (with_labels) {
    SM_ASSIGN_OR_RETURN(objects, index_.Annotations(items_[video]));
    if (objects.size() >= kOverlapLabel) {
      return absl::DataLossError(absl::StrCat(video_name(video), " has ", objects.size(),
                                              " objects; at most ", kOverlapLabel - 1,
                                              " are supported"));
    }
  }
  const char* key = layout_.videos ? "segmentations" : "segmentation";
  const std::vector<std::string> paths = Paths(video);
  for (size_t i = 0; i < paths.size(); ++i) {
    DatasetFrame frame;
    frame.index = static_cast<int64_t>(i);
    SM_ASSIGN_OR_RETURN(frame.image, ReadImageFile(paths[i]));
    const AnnotationIndex::Item& stated = item(video);
    if ((stated.width > 0 && stated.width != frame.image.width) ||
        (stated.height > 0 && stated.height != frame.image.height)) {
      return absl::DataLossError(absl::StrCat(paths[i], " is ", frame.image.width, "x",
                                              frame.image.height, ", its annotations say ",
                                              stated.width, "x", stated.height));
    }
    if (with_labels && has_labels()) {
      frame.labels = {frame.image.width, frame.image.height,
                      std::vector<uint8_t>(frame.image.rgb.size() / 3)};
    }
    for (size_t id = 1; id <= objects.size(); ++id) {
      const auto segmentation =
          SegmentationOf(objects[id - 1], key, layout_.videos, i, paths.size());
      const absl::Status added =
          segmentation.ok() ? AddObject(**segmentation, static_cast<uint8_t>(id), &frame.labels)
                            : segmentation.status();
      if (!added.ok()) return Annotate(added, absl::StrCat(paths[i], ", object ", id));
    }
    SM_RETURN_IF_ERROR(visit(std::move(frame)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AnnotatedFrames::ContentKey(int64_t video) const {
  return DigestOfFiles(Paths(video));
}

std::string FirstExisting(const std::string& root, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const fs::path path = fs::path(root) / name;
    if (fs::exists(path)) return path.string();
  }
  return "";
}

}  // namespace slotmatch
