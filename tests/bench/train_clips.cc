#include "tests/bench/train_clips.h"

#include <torch/torch.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

// All slots are there when so many batches in a row found all of theirs.
constexpr int64_t kCalmBatches = 30;
constexpr int64_t kFixedClips = int64_t{1} << 40;  // a step that no training reaches

// The first videos of a dataset.
class FirstVideos : public VideoDataset {
 public:
  FirstVideos(std::unique_ptr<VideoDataset> all, int64_t count)
      : all_(std::move(all)), count_(std::min(count, all_->num_videos())) {}
  int64_t num_videos() const override { return count_; }
  std::string video_name(int64_t video) const override { return all_->video_name(video); }
  bool has_labels() const override { return all_->has_labels(); }
  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    return all_->ForEachFrame(video, with_labels, visit);
  }
  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    return all_->ContentKey(video);
  }

 private:
  std::unique_ptr<VideoDataset> all_;
  int64_t count_;
};

// What the encoder sees in place of what it gives: [B, 3, H, W] -> [B, H * W, 3]. Kept as tokens
// are, pixels are drawn and flipped by the same sampler.
FeatureExtractor PixelsOf(const FeatureExtractor& encoder) {
  FeatureExtractor pixels = encoder;
  pixels.encode = [](const torch::Tensor& frames) {
    return frames.flatten(2).transpose(1, 2).contiguous();
  };
  pixels.digest = "pixels";
  pixels.num_tokens = int64_t{encoder.input_height_px} * encoder.input_width_px;
  pixels.token_dim = 3;
  return pixels;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BenchClips>> BenchClips::Open(const Parts& parts) {
  std::unique_ptr<BenchClips> clips(new BenchClips(parts));
  SM_RETURN_IF_ERROR(clips->OpenStores());
  SM_ASSIGN_OR_RETURN(clips->pixel_sampler_,
                      clips->Sampler(clips->pixels_, {}, clips->side_px(), clips->flip()));
  SM_ASSIGN_OR_RETURN(clips->token_sampler_,
                      clips->Sampler(clips->tokens_, {}, clips->side_tokens(), clips->flip()));
  SM_ASSIGN_OR_RETURN(clips->fixed_sampler_,
                      clips->Sampler(clips->tokens_, {}, clips->side_tokens(), /*flip=*/0));
  for (const Precision precision : {config::LoopConfig::FLOAT32, config::LoopConfig::BFLOAT16}) {
    SM_ASSIGN_OR_RETURN(clips->slots_[precision], clips->OpenSlots(precision));
  }
  return clips;
}

absl::Status BenchClips::OpenStores() {
  const FeatureExtractor& tokens = parts_.encoder.extractor;
  for (const config::DatasetConfig& settings : parts_.config.data().datasets()) {
    SM_ASSIGN_OR_RETURN(auto all, OpenDataset(settings));
    const FirstVideos dataset(std::move(all), parts_.videos);
    SM_ASSIGN_OR_RETURN(pixels_.emplace_back(),
                        FeatureStore::Open(dataset, PixelsOf(tokens), parts_.cache, nullptr));
    const absl::Duration start = parts_.time();
    Progress progress("tokens of " + settings.path(), "frames", 0);
    SM_ASSIGN_OR_RETURN(tokens_.emplace_back(),
                        FeatureStore::Open(dataset, tokens, parts_.cache, &progress));
    token_time_ += parts_.time() - start;
  }
  return absl::OkStatus();
}

absl::StatusOr<BenchClips::Slots> BenchClips::OpenSlots(Precision precision) const {
  const config::TrainConfig config = With(precision);
  const SlotKind kind{absl::StrCat("teacher|", precision), config.data().clip_frames(),
                      config.model().num_slots(), config.model().slot_dim()};
  Slots slots;
  std::vector<const SlotStore*> stores;
  for (const auto& tokens : tokens_) {
    slots.stores.push_back(std::make_unique<SlotStore>(tokens.get(), kind, parts_.cache));
    stores.push_back(slots.stores.back().get());
  }
  SM_ASSIGN_OR_RETURN(slots.sampler, Sampler(tokens_, slots, side_tokens(), flip()));
  slots.teacher = std::make_unique<TeacherSlots>(config, parts_.teacher, std::move(stores));
  return slots;
}

absl::StatusOr<std::unique_ptr<ClipSampler>> BenchClips::Sampler(const Stores& stores,
                                                                 const Slots& slots, int64_t side,
                                                                 double flip) const {
  config::DataConfig data = parts_.config.data();
  data.set_horizontal_flip(flip);
  std::vector<ClipSource> sources;
  for (size_t i = 0; i < stores.size(); ++i) {
    ClipSource source{{stores[i].get()}, 1.0};
    if (!slots.stores.empty()) source.teacher_slots = slots.stores[i].get();
    sources.push_back(std::move(source));
  }
  SM_ASSIGN_OR_RETURN(ClipSampler sampler,
                      ClipSampler::Create(std::move(sources), {{side, side}}, data,
                                          static_cast<uint64_t>(parts_.config.loop().seed())));
  return std::make_unique<ClipSampler>(std::move(sampler));
}

config::TrainConfig BenchClips::With(Precision precision) const {
  config::TrainConfig config = parts_.config;
  config.mutable_loop()->set_precision(precision);
  return config;
}

ClipBatch BenchClips::FromPixels(int64_t step) {
  const torch::NoGradGuard no_grad;
  ClipBatch batch = pixel_sampler_->Batch(step);
  const torch::Tensor pixels = batch.tokens.front();  // [B, T, H * W, 3]
  const int64_t clips = pixels.size(0), frames = pixels.size(1), side = side_px();
  const torch::Tensor tokens = parts_.encoder.vit->forward(  // [B * T, N, D]
      pixels.view({clips * frames, side, side, 3}).permute({0, 3, 1, 2}).contiguous());
  batch.tokens = {tokens.view({clips, frames, tokens.size(1), tokens.size(2)})};
  return batch;
}

ClipBatch BenchClips::FromTokens(int64_t step, Precision precision) {
  ClipBatch batch = token_sampler_->Batch(step);
  TeacherSlots(With(precision), parts_.teacher, {}).Fill(&batch);
  return batch;
}

ClipBatch BenchClips::FromSlots(int64_t step, Precision precision) {
  ClipBatch batch = slots_[precision].sampler->Batch(step);
  slots_[precision].teacher->Fill(&batch);
  return batch;
}

ClipBatch BenchClips::Fixed() {
  ClipBatch batch = fixed_sampler_->Batch(kFixedClips);
  TeacherSlots(With(config::LoopConfig::FLOAT32), parts_.teacher, {}).Fill(&batch);
  return batch;
}

void BenchClips::CacheSlots(Precision precision) {
  for (int64_t step = 0, calm = 0; calm < kCalmBatches; ++step) {
    const int64_t before = slots_[precision].teacher->computed();
    FromSlots(step, precision);
    calm = slots_[precision].teacher->computed() == before ? calm + 1 : 0;
  }
}

std::string BenchClips::Description() const {
  int64_t videos = 0, frames = 0;
  for (const auto& store : tokens_) {
    videos += store->num_videos();
    for (int64_t v = 0; v < store->num_videos(); ++v) frames += store->num_frames(v);
  }
  return absl::StrCat(videos, " videos, ", frames, " frames");
}

}  // namespace slotmatch
