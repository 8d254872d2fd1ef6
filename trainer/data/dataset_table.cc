#include "trainer/data/dataset_table.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

// The first of every so many videos of another dataset.
class EveryVideo : public VideoDataset {
 public:
  EveryVideo(std::unique_ptr<VideoDataset> all, int64_t every)
      : all_(std::move(all)), every_(every) {}

  int64_t num_videos() const override { return (all_->num_videos() + every_ - 1) / every_; }
  std::string video_name(int64_t video) const override { return all_->video_name(video * every_); }
  bool has_labels() const override { return all_->has_labels(); }
  ScoringRules scoring_rules() const override { return all_->scoring_rules(); }
  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    return all_->ForEachFrame(video * every_, with_labels, visit);
  }
  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    return all_->ContentKey(video * every_);
  }

 private:
  const std::unique_ptr<VideoDataset> all_;
  const int64_t every_;
};

}  // namespace

const std::vector<DatasetRow>& DatasetTable() {
  static const auto& rows = *new std::vector<DatasetRow>{
      {"coco", OpenCoco},     {"davis", OpenDavis},      {"movi", OpenMovi},
      {"ovis", OpenYtvis},    {"ytvis", OpenYtvis},      {"frames", OpenFrames},
      {"images", OpenImages}, {"video", OpenVideoFiles},
  };
  return rows;
}

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenDataset(const config::DatasetConfig& config) {
  std::string known;
  for (const DatasetRow& row : DatasetTable()) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
    if (config.kind() != row.name) continue;
    if (!std::filesystem::exists(config.path())) {
      return absl::NotFoundError(absl::StrCat("dataset path '", config.path(), "' does not exist"));
    }
    if (config.every() < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("every is ", config.every(), "; it takes 1 (all videos) or more"));
    }
    SM_ASSIGN_OR_RETURN(std::unique_ptr<VideoDataset> dataset, row.open(config));
    if (config.every() == 1) return dataset;
    return std::make_unique<EveryVideo>(std::move(dataset), config.every());
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dataset kind '", config.kind(), "' is unknown; there are: ", known));
}

}  // namespace slotmatch
