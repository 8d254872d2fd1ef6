#include "trainer/loop/train_data.h"

#include <torch/torch.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/model/device.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "trainer/data/dataset.h"
#include "trainer/loss/loss.h"
#include "trainer/step/teacher_slots.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kDefaultCache[] = "build/cache/features";
// Statistics need a sub-sample only: every 6th frame of at most 80 videos a dataset, each 7th
// token.
constexpr int64_t kStatisticsVideos = 80, kStatisticsFrameStep = 6, kStatisticsTokenStep = 7;

// Backbone tensors under timm's names, whether the directory is a backbone or a whole model.
std::map<std::string, TensorView> BackboneTensors(const ModelFiles& files) {
  std::map<std::string, TensorView> tensors;
  for (const auto& [key, view] : files.tensors) {
    if (files.manifest.role() == "backbone") {
      tensors.emplace(key, view);
    } else if (absl::StartsWith(key, kBackbonePrefix)) {
      tensors.emplace(std::string(absl::StripPrefix(key, kBackbonePrefix)), view);
    }
  }
  return tensors;
}

std::string BackboneDigest(const ModelFiles& files) {
  for (const config::WeightPart& part : files.manifest.parts()) {
    if (part.role() == "backbone") return part.sha256();
  }
  return files.digest;
}

std::string CacheFolder(const config::DataConfig& settings) {
  return settings.feature_cache_dir().empty() ? kDefaultCache : settings.feature_cache_dir();
}

using Views = std::vector<std::unique_ptr<FeatureStore>>;

// The tokens of one dataset, seen through crop `variant`, in one view per encoder.
absl::StatusOr<Views> OpenViews(const VideoDataset& dataset, const std::string& name,
                                const config::TrainConfig& config,
                                const std::vector<Backbone>& encoders, int variant) {
  const config::DataConfig& settings = config.data();
  Views views;
  for (const Backbone& encoder : encoders) {
    FeatureExtractor extractor = encoder.extractor;
    extractor.crop = settings.crop();
    extractor.crop_variant = variant;
    extractor.crop_seed = static_cast<uint64_t>(config.loop().seed());
    Progress progress(absl::StrCat("features ", extractor.input_width_px, " px of ", name),
                      "frames", 0);
    SM_ASSIGN_OR_RETURN(auto store,
                        FeatureStore::Open(dataset, extractor, CacheFolder(settings), &progress));
    views.push_back(std::move(store));
  }
  return views;
}

// All of them before any is read through, which takes long.
absl::StatusOr<std::vector<std::unique_ptr<VideoDataset>>> OpenAll(
    const config::DataConfig& settings) {
  std::vector<std::unique_ptr<VideoDataset>> datasets;
  for (const config::DatasetConfig& config : settings.datasets()) {
    SM_ASSIGN_OR_RETURN(datasets.emplace_back(), OpenDataset(config));
    if (datasets.back()->num_videos() > 0) continue;
    return absl::DataLossError(absl::StrCat("data.datasets: there is no video in ", config.path(),
                                            ", split '", config.split(), "'"));
  }
  return datasets;
}

}  // namespace

absl::StatusOr<Backbone> LoadBackbone(const ModelFiles& files, const config::ModelConfig& model,
                                      const config::Preprocessing& preprocessing) {
  SM_ASSIGN_OR_RETURN(const VitShape shape, EncoderShape(model.encoder()));
  Backbone backbone;
  backbone.vit = Vit(shape);
  const absl::Status loaded =
      LoadParameters(BackboneTensors(files), /*strict=*/false, backbone.vit.ptr().get());
  if (!loaded.ok()) return Annotate(loaded, "backbone " + files.directory);
  for (torch::Tensor& weight : backbone.vit->parameters()) weight.set_requires_grad(false);
  FeatureExtractor& extractor = backbone.extractor;
  extractor.encode = [vit = backbone.vit](const torch::Tensor& frames) mutable {
    return vit->forward(frames.to(DeviceOf(*vit)));
  };
  extractor.digest = absl::StrCat(BackboneDigest(files), "/", shape.depth);
  extractor.preprocessing = preprocessing;
  extractor.input_height_px = model.encoder().input_height_px();
  extractor.input_width_px = model.encoder().input_width_px();
  extractor.num_tokens =
      (extractor.input_height_px / shape.patch_px) * (extractor.input_width_px / shape.patch_px);
  extractor.token_dim = shape.dim;
  return backbone;
}

Backbone KeysOf(const Backbone& backbone) {
  Backbone keys = backbone;
  keys.extractor.encode = [vit = backbone.vit](const torch::Tensor& frames) mutable {
    return vit->Features(frames.to(DeviceOf(*vit))).keys;
  };
  absl::StrAppend(&keys.extractor.digest, "/keys");
  return keys;
}

absl::StatusOr<std::unique_ptr<TrainData>> TrainData::Open(const config::TrainConfig& config,
                                                           const std::vector<Backbone>& encoders,
                                                           const SlotKind* slots) {
  const config::DataConfig& settings = config.data();
  std::unique_ptr<TrainData> data(new TrainData());
  std::vector<ClipSource> sources;
  SM_ASSIGN_OR_RETURN(const auto datasets, OpenAll(settings));
  for (int i = 0; i < settings.datasets_size(); ++i) {
    const config::DatasetConfig& dataset_config = settings.datasets(i);
    const std::unique_ptr<VideoDataset>& dataset = datasets[i];
    const std::string name = fs::path(dataset_config.path()).filename().string();
    const int variants =
        settings.crop().kind() == config::RandomCrop::NONE ? 1 : settings.crop_variants();
    for (int variant = 0; variant < variants; ++variant) {
      SM_ASSIGN_OR_RETURN(Views views, OpenViews(*dataset, name, config, encoders, variant));
      ClipSource source;
      source.weight = dataset_config.weight() / variants;
      for (const auto& view : views) source.views.push_back(view.get());
      if (slots != nullptr) {
        const size_t view = TeacherView(config, views.size());
        data->slot_stores_.push_back(
            std::make_unique<SlotStore>(views[view].get(), *slots, CacheFolder(settings)));
        source.teacher_slots = data->slot_stores_.back().get();
        const bool slots_only = view != 0 && !AnyLossNeeds(config, kNeedsTeacherFeatures);
        source.slots_only_view = slots_only ? static_cast<int>(view) : -1;
      }
      sources.push_back(std::move(source));
      data->stores_.push_back(std::move(views));
    }
    const FeatureStore& store = *sources.back().views.front();
    int64_t frames = 0;
    for (int64_t v = 0; v < store.num_videos(); ++v) frames += store.num_frames(v);
    absl::StrAppend(&data->description_, data->description_.empty() ? "" : "; ", store.num_videos(),
                    " videos, ", frames, " frames of ", name,
                    variants > 1 ? absl::StrCat(" in ", variants, " crops each") : "");
  }
  std::vector<GridSize> grids;
  for (const Backbone& encoder : encoders) {
    const int64_t patch = encoder.vit->shape().patch_px;
    grids.push_back(
        {encoder.extractor.input_height_px / patch, encoder.extractor.input_width_px / patch});
  }
  SM_ASSIGN_OR_RETURN(ClipSampler sampler,
                      ClipSampler::Create(std::move(sources), std::move(grids), settings,
                                          static_cast<uint64_t>(config.loop().seed())));
  data->sampler_ = std::make_unique<ClipSampler>(std::move(sampler));
  return data;
}

std::pair<torch::Tensor, torch::Tensor> TrainData::TokenStatistics(size_t view) const {
  torch::Tensor sum, sum_sq;
  int64_t count = 0;
  for (const auto& views : stores_) {
    const FeatureStore& store = *views[view];
    for (int64_t v = 0; v < std::min(store.num_videos(), kStatisticsVideos); ++v) {
      for (int64_t f = 0; f < store.num_frames(v); f += kStatisticsFrameStep) {
        const torch::Tensor tokens = store.Tokens(v, f, 1)[0]
                                         .slice(0, 0, torch::indexing::None, kStatisticsTokenStep)
                                         .to(torch::kFloat64);
        sum = sum.defined() ? sum + tokens.sum(0) : tokens.sum(0);
        sum_sq = sum_sq.defined() ? sum_sq + tokens.square().sum(0) : tokens.square().sum(0);
        count += tokens.size(0);
      }
    }
  }
  const torch::Tensor mean = sum / static_cast<double>(count);
  const torch::Tensor variance = (sum_sq / static_cast<double>(count) - mean.square()).clamp_min(0);
  return {mean.to(torch::kFloat32), variance.sqrt().to(torch::kFloat32)};
}

std::vector<const SlotStore*> TrainData::slot_stores() const {
  std::vector<const SlotStore*> stores;
  for (const auto& store : slot_stores_) stores.push_back(store.get());
  return stores;
}

std::string TrainData::Description() const { return description_; }

}  // namespace slotmatch
