#include "trainer/data/clip_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "tests/support/tiny_model.h"
#include "trainer/data/random.h"

namespace slotmatch {
namespace {

// Tokens that say where they come from: channel 0 video, 1 frame, 2 row, 3 column.
class LabelledStore : public FeatureStore {
 public:
  LabelledStore(std::vector<int64_t> lengths, GridSize grid)
      : lengths_(std::move(lengths)), grid_(grid) {}
  int64_t num_videos() const override { return static_cast<int64_t>(lengths_.size()); }
  std::string video_name(int64_t video) const override { return std::to_string(video); }
  std::string cache_key(int64_t video) const override { return std::to_string(video); }
  int64_t num_frames(int64_t video) const override { return lengths_[video]; }
  int64_t skipped_videos() const override { return 0; }
  torch::Tensor Tokens(int64_t video, int64_t first, int64_t count) const override {
    torch::Tensor tokens = torch::empty({count, grid_.height, grid_.width, 4});
    tokens.select(3, 0).fill_(video);
    tokens.select(3, 1).copy_(torch::arange(first, first + count).view({count, 1, 1}));
    tokens.select(3, 2).copy_(torch::arange(grid_.height).view({1, -1, 1}));
    tokens.select(3, 3).copy_(torch::arange(grid_.width).view({1, 1, -1}));
    return tokens.view({count, -1, 4}).to(torch::kFloat16);
  }

 private:
  std::vector<int64_t> lengths_;
  GridSize grid_;
};

constexpr GridSize kGrid{2, 3}, kFineGrid{3, 5};

config::DataConfig Config(double flip = 0.0, bool free_start = false) {
  config::DataConfig config;
  config.set_clip_frames(4);
  config.set_batch_clips(16);
  config.set_horizontal_flip(flip);
  config.set_free_clip_start(free_start);
  return config;
}

ClipSampler Make(const FeatureStore& store, const config::DataConfig& config, uint64_t seed = 1) {
  return ClipSampler::Create({{{&store}, 1.0}}, {kGrid}, config, seed).value();
}

bool Flipped(const torch::Tensor& clip) { return clip[0][0][3].item<float>() > 0; }

TEST(ClipSampler, PartsMakeTheBatch) {
  const LabelledStore store({8, 1, 9}, kGrid);
  const ClipSampler sampler = Make(store, Config(0.5, true));
  const torch::Tensor whole = sampler.Batch(3).tokens[0];
  const torch::Tensor parts =
      torch::cat({sampler.Batch(3, {0, 5}).tokens[0], sampler.Batch(3, {5, 11}).tokens[0]});
  EXPECT_TRUE(torch::equal(parts, whole));
}

TEST(ClipSampler, BatchIsAPureFunctionOfSeedAndStep) {
  const LabelledStore store({8, 12, 9}, kGrid);
  const ClipSampler one = Make(store, Config(0.5, true)), two = Make(store, Config(0.5, true));
  const torch::Tensor third = one.Batch(3).tokens[0];
  one.Batch(7);
  EXPECT_TRUE(torch::equal(third, two.Batch(3).tokens[0]));
  EXPECT_TRUE(torch::equal(third, one.Batch(3).tokens[0]));
  EXPECT_FALSE(torch::equal(third, one.Batch(4).tokens[0]));
  EXPECT_FALSE(torch::equal(third, Make(store, Config(0.5, true), 2).Batch(3).tokens[0]));
}

TEST(ClipSampler, ClipsAreConsecutiveFramesOfOneVideo) {
  const LabelledStore store({8, 12, 9}, kGrid);
  const torch::Tensor tokens = Make(store, Config(0.0, true)).Batch(0).tokens[0];
  ASSERT_EQ(tokens.sizes().vec(), (std::vector<int64_t>{16, 4, 6, 4}));
  EXPECT_EQ(tokens.scalar_type(), torch::kFloat32);
  for (int64_t b = 0; b < 16; ++b) {
    EXPECT_EQ(tokens[b].select(2, 0).max().item<float>(),
              tokens[b].select(2, 0).min().item<float>());
    for (int64_t t = 1; t < 4; ++t) {
      EXPECT_EQ(tokens[b][t][0][1].item<float>(), tokens[b][0][0][1].item<float>() + t);
    }
  }
}

std::set<int> Starts(bool free_start) {
  const LabelledStore store({11}, kGrid);
  const ClipSampler sampler = Make(store, Config(0.0, free_start));
  std::set<int> starts;
  for (int64_t step = 0; step < 20; ++step) {
    const torch::Tensor frames =
        sampler.Batch(step).tokens[0].select(1, 0).select(1, 0).select(1, 1);
    for (int64_t b = 0; b < 16; ++b) starts.insert(static_cast<int>(frames[b].item<float>()));
  }
  return starts;
}

TEST(ClipSampler, ReferenceChunksAreAlignedAndDropTheRemainder) {
  EXPECT_THAT(Starts(false), testing::ElementsAre(0, 4));
}

TEST(ClipSampler, FreeStartReachesEveryFrame) {
  EXPECT_THAT(Starts(true), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(ClipSampler, FlipReversesColumnsOnly) {
  const LabelledStore store({8}, kGrid);
  const torch::Tensor plain = Make(store, Config(0.0)).Batch(0).tokens[0][0][0].view({2, 3, 4});
  const torch::Tensor flipped = Make(store, Config(1.0)).Batch(0).tokens[0][0][0].view({2, 3, 4});
  EXPECT_TRUE(torch::equal(flipped.select(2, 3), plain.select(2, 3).flip(1)));
  EXPECT_TRUE(torch::equal(flipped.select(2, 2), plain.select(2, 2)));
}

TEST(ClipSampler, ViewsShareClipsFramesAndFlips) {
  const LabelledStore coarse({8, 12, 9}, kGrid), fine({8, 12, 9}, kFineGrid);
  const ClipSampler sampler =
      ClipSampler::Create({{{&coarse, &fine}, 1.0}}, {kGrid, kFineGrid}, Config(0.5, true), 1)
          .value();
  int flips = 0;
  for (int64_t step = 0; step < 4; ++step) {
    const ClipBatch batch = sampler.Batch(step);
    ASSERT_EQ(batch.tokens.size(), 2u);
    EXPECT_EQ(batch.tokens[1].sizes().vec(), (std::vector<int64_t>{16, 4, 15, 4}));
    for (int64_t b = 0; b < 16; ++b) {
      const torch::Tensor a = batch.tokens[0][b], c = batch.tokens[1][b];
      EXPECT_TRUE(torch::equal(a.select(1, 0).slice(1, 0, 2), c.select(1, 0).slice(1, 0, 2)));
      EXPECT_EQ(Flipped(a), Flipped(c));
      for (int64_t t = 1; t < 4; ++t) EXPECT_EQ(Flipped(a), Flipped(a.slice(0, t)));
      flips += Flipped(a) ? 1 : 0;
    }
  }
  EXPECT_GT(flips, 16);
  EXPECT_LT(flips, 48);
}

// The teacher's own view is read only while slots of a clip are missing.
TEST(ClipSampler, ViewOfSlotsOnlyIsLeftOutOnceAllSlotsAreKnown) {
  const LabelledStore coarse({8, 12, 9}, kGrid), fine({8, 12, 9}, kFineGrid);
  const SlotStore slots(&fine, {"teacher", 4, 2, 3}, FreshDirectory("sampler_slots"));
  const ClipSampler sampler = ClipSampler::Create({{{&coarse, &fine}, 1.0, &slots, 1}},
                                                  {kGrid, kFineGrid}, Config(0.5, true), 1)
                                  .value();
  const ClipBatch before = sampler.Batch(0);
  ASSERT_TRUE(before.tokens[1].defined());
  for (const DrawnClip& clip : before.clips) {
    EXPECT_FALSE(clip.teacher_slots.defined());
    const torch::Tensor value =
        torch::full({4, 2, 3}, static_cast<double>(100 * clip.place.video + clip.place.start));
    ASSERT_TRUE(slots.Keep(clip.place, value).ok());
  }
  const ClipBatch after = sampler.Batch(0);
  EXPECT_TRUE(torch::equal(after.tokens[0], before.tokens[0]));
  EXPECT_FALSE(after.tokens[1].defined());
  ASSERT_EQ(after.clips.size(), 16u);
  for (size_t b = 0; b < 16; ++b) {
    const torch::Tensor first = after.tokens[0][static_cast<int64_t>(b)][0][0];
    EXPECT_EQ(after.clips[b].teacher_slots.max().item<float>(),
              100 * first[0].item<float>() + first[1].item<float>());
    EXPECT_EQ(after.clips[b].place.flip, first[3].item<float>() > 0);
  }
}

TEST(ClipSampler, StillImagesRepeatAndShortVideosAreLeftOut) {
  const LabelledStore store({1, 3, 8}, kGrid);
  const ClipSampler sampler = Make(store, Config(0.5));
  std::set<int> videos;
  for (int64_t step = 0; step < 4; ++step) {
    const torch::Tensor tokens = sampler.Batch(step).tokens[0];
    for (int64_t b = 0; b < 16; ++b) {
      const int video = static_cast<int>(tokens[b][0][0][0].item<float>());
      videos.insert(video);
      EXPECT_TRUE(video != 0 || torch::equal(tokens[b][3], tokens[b][0]));
    }
  }
  EXPECT_THAT(videos, testing::ElementsAre(0, 2));
}

TEST(ClipSampler, SourcesShareByWeight) {
  const LabelledStore first({8}, kGrid), second({1, 8}, kGrid);
  config::DataConfig config = Config();
  config.set_batch_clips(400);
  const ClipSampler sampler =
      ClipSampler::Create({{{&first}, 3.0}, {{&second}, 1.0}}, {kGrid}, config, 5).value();
  // Video 1 exists in the second source only, which gives it half of its quarter.
  const torch::Tensor video = sampler.Batch(0).tokens[0].select(1, 0).select(1, 0).select(1, 0);
  EXPECT_NEAR(video.sum().item<double>() / 400, 0.125, 0.05);
  const ClipSampler only =
      ClipSampler::Create({{{&first}, 1.0}, {{&second}, 0.0}}, {kGrid}, config, 5).value();
  EXPECT_EQ(only.Batch(0).tokens[0].select(3, 0).max().item<float>(), 0.0F);
}

TEST(ClipSampler, CreateRefusesSourcesItCannotDrawFrom) {
  const LabelledStore shorts({2, 3}, kGrid), two({8, 8}, kGrid), three({8, 8, 8}, kGrid);
  const auto problem = [](std::vector<ClipSource> sources) {
    return std::string(
        ClipSampler::Create(std::move(sources), {kGrid, kGrid}, Config(), 1).status().message());
  };
  EXPECT_THAT(problem({}), testing::HasSubstr("no dataset to draw from"));
  EXPECT_THAT(problem({{{&shorts}, 1.0}}), testing::HasSubstr("no video has 4 frames"));
  EXPECT_THAT(problem({{{&two, &three}, 1.0}}), testing::HasSubstr("hold different videos"));
}

TEST(Random, StreamsDifferBySeedAndStepAndRepeat) {
  EXPECT_EQ(Random(1, 2).Next(), Random(1, 2).Next());
  EXPECT_NE(Random(1, 2).Next(), Random(1, 3).Next());
  EXPECT_NE(Random(1, 2).Next(), Random(2, 2).Next());
  EXPECT_NE(Random(1, 2).Next(), Random(2, 1).Next());
  Random random(3, 4);
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    const double value = random.Uniform();
    ASSERT_TRUE(value >= 0 && value < 1);
    sum += value;
    const int64_t index = random.Below(7);
    ASSERT_TRUE(index >= 0 && index < 7);
  }
  EXPECT_NEAR(sum / 1000, 0.5, 0.05);
}

}  // namespace
}  // namespace slotmatch
