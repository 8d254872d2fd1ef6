#include "trainer/eval/validation.h"

#include <torch/torch.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/device.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"
#include "trainer/eval/evaluation.h"
#include "trainer/eval/metric_table.h"
#include "trainer/eval/pictures.h"
#include "trainer/loop/train_data.h"

namespace slotmatch {
namespace {

constexpr int64_t kPictures = 2;  // videos shown at each validation

class DatasetValidator : public Validator {
 public:
  DatasetValidator(const config::TrainConfig& config, std::unique_ptr<VideoDataset> dataset,
                   VideoModel model)
      : dataset_(std::move(dataset)), model_(std::move(model)) {
    options_.max_videos = config.validation().max_videos();
    options_.watch = [this](size_t, int64_t video, const SegmentedFrame& frame) {
      if (video < kPictures) Show(dataset_->video_name(video), frame);
    };
    manifest_.set_name(config.name());
    *manifest_.mutable_model() = config.model();
    *manifest_.mutable_preprocessing() = config.data().preprocessing();
  }

  absl::StatusOr<std::map<std::string, double>> Score(
      const std::map<std::string, torch::Tensor>& tensors) override {
    torch::NoGradGuard no_grad;
    for (auto [key, tensor] : NamedTensors(*model_, {kBackbonePrefix})) {
      tensor.copy_(tensors.at(key));
    }
    shown_.clear();
    SM_ASSIGN_OR_RETURN(std::vector<VideoSegmenter> segmenters, Segmenters());
    SM_ASSIGN_OR_RETURN(const auto results, Evaluate(*dataset_, &segmenters, options_));
    std::map<std::string, double> scores;
    for (const MetricRow& row : MetricTable()) {
      const slotmatch::Score& score = ScoreOf(results.front().scores, row.name);
      if (score.items > 0) scores[row.name] = score.value;
    }
    return scores;
  }

  std::map<std::string, std::string> Pictures() const override {
    std::map<std::string, std::string> pictures;
    for (const auto& [video, strip] : shown_) pictures[video] = StripPng(strip.Columns());
    return pictures;
  }

 private:
  absl::StatusOr<std::vector<VideoSegmenter>> Segmenters() const {
    std::vector<VideoSegmenter> segmenters;
    SM_ASSIGN_OR_RETURN(VideoSegmenter segmenter, VideoSegmenter::Of(model_, manifest_));
    segmenters.push_back(std::move(segmenter));
    return segmenters;
  }

  void Show(const std::string& video, const SegmentedFrame& frame) {
    StripCollector& strip = shown_[video];
    if (!strip.Wants(frame.step)) return;
    strip.Add(frame.step, {frame.frame->image, {frame.segmentation.map}, frame.frame->labels});
  }

  std::unique_ptr<VideoDataset> dataset_;
  std::map<std::string, StripCollector> shown_;  // of the model that was scored last
  VideoModel model_;
  config::Manifest manifest_;
  EvaluationOptions options_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Validator>> MakeValidator(const config::TrainConfig& config) {
  const config::ValidationConfig& validation = config.validation();
  if (validation.dataset().path().empty()) return nullptr;
  if (MetricIndex(validation.keep_best()) < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("validation.keep_best '", validation.keep_best(),
                     "' is none of the metrics; docs/training.md lists them"));
  }
  SM_ASSIGN_OR_RETURN(auto dataset, OpenDataset(validation.dataset()));
  if (!dataset->has_labels() || dataset->num_videos() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("validation.dataset ", validation.dataset().path(), ", split '",
                     validation.dataset().split(), "' has no labelled video"));
  }
  SM_RETURN_IF_ERROR(ValidateModelConfig(config.model()));
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(config.backbone(), &parts));
  SM_ASSIGN_OR_RETURN(Backbone backbone,
                      LoadBackbone(files, config.model(), config.data().preprocessing()));
  VideoModel model(config.model());
  torch::NoGradGuard no_grad;
  const auto own = model->backbone()->named_parameters();
  for (const auto& item : backbone.vit->named_parameters()) own[item.key()].copy_(item.value());
  SM_ASSIGN_OR_RETURN(const torch::Device device, FindDevice(config.loop().device()));
  model->to(device);
  return std::make_unique<DatasetValidator>(config, std::move(dataset), std::move(model));
}

}  // namespace slotmatch
