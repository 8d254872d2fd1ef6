#include "trainer/data/clip_sampler.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "trainer/data/random.h"

namespace slotmatch {
namespace {

bool LongEnough(const FeatureStore& store, int64_t video, int64_t frames) {
  return store.num_frames(video) >= frames || store.num_frames(video) == 1;
}

absl::Status CheckSource(const ClipSource& source, int64_t frames) {
  const FeatureStore& first = *source.views.front();
  for (const FeatureStore* view : source.views) {
    if (view->num_videos() != first.num_videos()) {
      return absl::InvalidArgumentError("student and teacher caches hold different videos");
    }
  }
  for (int64_t video = 0; video < first.num_videos(); ++video) {
    if (LongEnough(first, video, frames)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no video has ", frames, " frames or is a still image"));
}

// Columns of the grid in reverse: what flipping the picture does to its tokens, nearly.
torch::Tensor FlipColumns(const torch::Tensor& tokens, const GridSize& grid) {
  const int64_t frames = tokens.size(0), dim = tokens.size(2);
  return tokens.view({frames, grid.height, grid.width, dim}).flip(2).view({frames, -1, dim});
}

}  // namespace

absl::StatusOr<ClipSampler> ClipSampler::Create(std::vector<ClipSource> sources,
                                                std::vector<GridSize> grids,
                                                const config::DataConfig& config, uint64_t seed) {
  if (sources.empty()) return absl::InvalidArgumentError("there is no dataset to draw from");
  for (const ClipSource& source : sources) {
    SM_RETURN_IF_ERROR(CheckSource(source, config.clip_frames()));
  }
  ClipSampler sampler;
  sampler.sources_ = std::move(sources);
  sampler.grids_ = std::move(grids);
  sampler.config_ = config;
  sampler.seed_ = seed;
  return sampler;
}

DrawnClip ClipSampler::DrawClip(Random* random, double total_weight) const {
  const int64_t frames = config_.clip_frames();
  double pick = random->Uniform() * total_weight;
  size_t s = 0;
  while (s + 1 < sources_.size() && pick >= sources_[s].weight) pick -= sources_[s++].weight;
  const FeatureStore& first = *sources_[s].views.front();
  int64_t video = random->Below(first.num_videos());
  while (!LongEnough(first, video, frames)) video = random->Below(first.num_videos());
  const int64_t length = first.num_frames(video);
  int64_t start = 0;
  if (length >= frames) {
    start = config_.free_clip_start() ? random->Below(length - frames + 1)
                                      : random->Below(length / frames) * frames;
  }
  const bool flip = random->Uniform() < config_.horizontal_flip();
  return {s, {video, start, flip}, {}};
}

torch::Tensor ClipSampler::Tokens(const DrawnClip& clip, size_t view) const {
  const FeatureStore& store = *sources_[clip.source].views[view];
  const int64_t frames = config_.clip_frames();
  torch::Tensor tokens = store.Tokens(clip.place.video, clip.place.start,
                                      std::min(store.num_frames(clip.place.video), frames));
  if (tokens.size(0) == 1) tokens = tokens.expand({frames, -1, -1});  // a still image
  return clip.place.flip ? FlipColumns(tokens, grids_[view]) : tokens;
}

ClipBatch ClipSampler::Batch(int64_t step) const { return Batch(step, {0, config_.batch_clips()}); }

ClipBatch ClipSampler::Batch(int64_t step, const BatchPart& part) const {
  Random random(seed_, static_cast<uint64_t>(step));
  double total = 0;
  for (const ClipSource& source : sources_) total += source.weight;
  ClipBatch batch;
  bool slots_known = true;
  for (int64_t b = 0; b < part.first + part.count; ++b) {
    DrawnClip clip = DrawClip(&random, total);
    if (b < part.first) continue;
    const SlotStore* slots = sources_[clip.source].teacher_slots;
    if (slots != nullptr) clip.teacher_slots = slots->Find(clip.place);
    slots_known = slots_known && clip.teacher_slots.defined();
    batch.clips.push_back(std::move(clip));
  }
  for (size_t view = 0; view < grids_.size(); ++view) {
    std::vector<torch::Tensor> clips;
    const bool wanted = !slots_known || sources_.front().slots_only_view != static_cast<int>(view);
    for (size_t b = 0; wanted && b < batch.clips.size(); ++b) {
      clips.push_back(Tokens(batch.clips[b], view));
    }
    batch.tokens.push_back(wanted ? torch::stack(clips).to(torch::kFloat32) : torch::Tensor());
  }
  return batch;
}

void MoveTo(const torch::Device& device, ClipBatch* batch) {
  const auto move = [&](torch::Tensor* tensor) {
    if (tensor->defined()) *tensor = tensor->to(device);
  };
  for (torch::Tensor& view : batch->tokens) move(&view);
  for (DrawnClip& clip : batch->clips) move(&clip.teacher_slots);
}

}  // namespace slotmatch
