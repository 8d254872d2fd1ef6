#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "slotmatch/data/example.pb.h"
#include "trainer/data/dataset_table.h"
#include "trainer/data/tar_shards.h"
#include "trainer/data/tfrecord.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kFrames[] = "video", kLabels[] = "segmentations";

// MOVi counts the background as a channel of the truth.
constexpr ScoringRules kRules{.counts_empty_frames = true, .ignores_overlaps = false};

struct Record {
  std::string name, file;
  RecordPlace place;
  absl::Status problem;
};

// The TFDS form: a record holds a video's frames and label maps as PNG. One record is in memory at
// a time, its frames as they are asked for.
class TfdsVideos : public VideoDataset {
 public:
  explicit TfdsVideos(std::vector<Record> records) : records_(std::move(records)) {}

  int64_t num_videos() const override { return static_cast<int64_t>(records_.size()); }
  std::string video_name(int64_t video) const override { return records_[video].name; }
  bool has_labels() const override { return true; }
  ScoringRules scoring_rules() const override { return kRules; }

  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    SM_ASSIGN_OR_RETURN(const std::string bytes, Read(video));
    data::Example example;
    if (!example.ParseFromString(bytes)) return Broken(video, "is no tf.train.Example");
    const auto& features = example.features().feature();
    const auto frames = features.find(kFrames), labels = features.find(kLabels);
    if (frames == features.end() || frames->second.bytes_list().value().empty()) {
      return Broken(video, "has no feature 'video' with encoded frames");
    }
    const auto& pictures = frames->second.bytes_list().value();
    if (with_labels &&
        (labels == features.end() || labels->second.bytes_list().value_size() != pictures.size())) {
      return Broken(video, "has no 'segmentations' for each frame");
    }
    for (int i = 0; i < pictures.size(); ++i) {
      absl::StatusOr<Image> image = DecodeImage(pictures[i], ImageLimits{});
      if (!image.ok()) return Broken(video, image.status().message());
      DatasetFrame frame;
      frame.index = i;
      frame.image = *std::move(image);
      if (with_labels) {
        absl::StatusOr<LabelMap> map = DecodePalettePng(labels->second.bytes_list().value(i));
        if (!map.ok()) return Broken(video, map.status().message());
        frame.labels = *std::move(map);
        SM_RETURN_IF_ERROR(CheckLabels(video, frame));
      }
      SM_RETURN_IF_ERROR(visit(std::move(frame)));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    SM_ASSIGN_OR_RETURN(const std::string bytes, Read(video));
    return Sha256Hex(bytes);
  }

 private:
  absl::Status Broken(int64_t video, absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(records_[video].name, ": ", what));
  }

  absl::StatusOr<std::string> Read(int64_t video) const {
    SM_RETURN_IF_ERROR(records_[video].problem);
    return ReadRecord(records_[video].file, records_[video].place);
  }

  absl::Status CheckLabels(int64_t video, const DatasetFrame& frame) const {
    const std::vector<uint8_t>& labels = frame.labels.labels;
    if (frame.labels.width != frame.image.width || frame.labels.height != frame.image.height) {
      return Broken(video, "frame and segmentation differ in size");
    }
    if (std::find(labels.begin(), labels.end(), kOverlapLabel) == labels.end()) {
      return absl::OkStatus();
    }
    return Broken(video, "holds object 255; at most 254 are supported");
  }

  std::vector<Record> records_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenMovi(const config::DatasetConfig& config) {
  if (HasTarShards(config)) {
    return OpenTarShards(config, {kFrames, ShardLabels::kOneMap, false, kRules});
  }
  std::vector<Record> records;
  for (const std::string& file : FilesOfSplit(config, ".tfrecord")) {
    SM_ASSIGN_OR_RETURN(const RecordListing listing, ListRecords(file));
    const std::string name = fs::path(file).filename().string();
    for (size_t i = 0; i < listing.records.size(); ++i) {
      records.push_back({absl::StrCat(name, "/", i), file, listing.records[i], {}});
    }
    if (!listing.problem.ok()) records.push_back({name + "/rest", file, {}, listing.problem});
  }
  if (records.empty()) {
    return absl::NotFoundError(absl::StrCat(config.path(), " holds neither <set>-", config.split(),
                                            "-<number>.tar nor <set>-", config.split(),
                                            ".tfrecord-<number>-of-<count>"));
  }
  return std::make_unique<TfdsVideos>(std::move(records));
}

}  // namespace slotmatch
