#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/model/video_model.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/loop/train_data.h"
#include "trainer/step/teacher_slots.h"

namespace slotmatch {

// The same clips in every form a step may begin from. For one thread.
class BenchClips {
 public:
  struct Parts {
    config::TrainConfig config;
    Backbone encoder;
    VideoModel teacher{nullptr};           // sees the encoder's tokens
    int64_t videos = 0;                    // at most so many of each dataset
    std::string cache;                     // an empty folder
    std::function<absl::Duration()> time;  // from some moment on
  };
  using Precision = config::LoopConfig::Precision;

  // Reads the pixels and caches the tokens.
  static absl::StatusOr<std::unique_ptr<BenchClips>> Open(const Parts& parts);

  // Tokens that the encoder computes now, in float32, from pixels that lie ready.
  ClipBatch FromPixels(int64_t step);
  // Cached tokens; slots that the teacher computes now.
  ClipBatch FromTokens(int64_t step, Precision precision);
  // Cached tokens and slots.
  ClipBatch FromSlots(int64_t step, Precision precision);
  // Cached tokens of clips that are never in reverse, slots that the teacher computes now: to
  // measure losses on.
  ClipBatch Fixed();
  // Caches the slots of all clips that are ever drawn.
  void CacheSlots(Precision precision);

  absl::Duration token_time() const { return token_time_; }  // that it took to cache the tokens
  std::string Description() const;                           // "14 videos, 312 frames"

 private:
  using Stores = std::vector<std::unique_ptr<FeatureStore>>;  // one per dataset
  struct Slots {
    std::vector<std::unique_ptr<SlotStore>> stores;
    std::unique_ptr<ClipSampler> sampler;
    std::unique_ptr<TeacherSlots> teacher;
  };

  explicit BenchClips(const Parts& parts) : parts_(parts) {}
  absl::Status OpenStores();
  absl::StatusOr<Slots> OpenSlots(Precision precision) const;
  absl::StatusOr<std::unique_ptr<ClipSampler>> Sampler(const Stores& stores, const Slots& slots,
                                                       int64_t side, double flip) const;
  config::TrainConfig With(Precision precision) const;
  int64_t side_px() const { return parts_.config.model().encoder().input_height_px(); }
  double flip() const { return parts_.config.data().horizontal_flip(); }
  int64_t side_tokens() const { return side_px() / parts_.encoder.vit->shape().patch_px; }

  Parts parts_;
  Stores pixels_, tokens_;
  std::unique_ptr<ClipSampler> pixel_sampler_, token_sampler_, fixed_sampler_;
  Slots slots_[2];  // by precision
  absl::Duration token_time_;
};

}  // namespace slotmatch
