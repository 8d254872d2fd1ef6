#include "trainer/data/feature_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "core/base/files.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// Videos of plain-coloured frames.
using Greys = std::vector<std::vector<uint8_t>>;  // [video][frame]

class PlainVideos : public VideoDataset {
 public:
  explicit PlainVideos(Greys greys) : greys_(std::move(greys)) {}
  int64_t num_videos() const override { return static_cast<int64_t>(greys_.size()); }
  std::string video_name(int64_t video) const override { return "v" + std::to_string(video); }
  bool has_labels() const override { return false; }
  absl::Status ForEachFrame(int64_t video, bool, const Visitor& visit) const override {
    if (video == broken_video) return broken_status;
    for (size_t i = 0; i < greys_[video].size(); ++i) {
      DatasetFrame frame;
      frame.index = static_cast<int64_t>(i);
      frame.image = {8, 8, std::vector<uint8_t>(8 * 8 * 3, greys_[video][i])};
      for (int p = 0; ramp && p < 64; ++p) frame.image.rgb[p * 3] = static_cast<uint8_t>(p * 4);
      if (absl::Status status = visit(std::move(frame)); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    return Sha256Hex(std::string(greys_[video].begin(), greys_[video].end()));
  }

  bool ramp = false;  // red rises from the first pixel to the last
  int64_t broken_video = -1;
  absl::Status broken_status = absl::DataLossError("frame 3 is torn");

 private:
  Greys greys_;
};

class FeatureStoreTest : public testing::Test {
 protected:
  FeatureStoreTest() {
    extractor_.encode = [this](const torch::Tensor& frames) {
      ++calls_;
      frames_ += frames.size(0);
      return torch::adaptive_avg_pool2d(frames, {2, 2}).flatten(2).transpose(1, 2).contiguous();
    };
    extractor_.digest = "weights/1";
    extractor_.input_height_px = 4;
    extractor_.input_width_px = 4;
    extractor_.num_tokens = 4;
    extractor_.token_dim = 3;
    extractor_.batch_frames = 2;
  }
  absl::StatusOr<std::unique_ptr<FeatureStore>> Open() {
    return FeatureStore::Open(videos_, extractor_, cache_, nullptr);
  }
  std::vector<std::string> CacheFiles() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(cache_)) files.push_back(entry.path());
    return files;
  }

  std::string cache_ = FreshDirectory("features");
  PlainVideos videos_{Greys{{0, 255, 128, 7, 9}, {255}}};
  FeatureExtractor extractor_;
  int calls_ = 0;
  int64_t frames_ = 0;
};

TEST_F(FeatureStoreTest, HoldsTokensOfEveryFrameInFloat16) {
  const auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->num_videos(), 2);
  EXPECT_EQ((*store)->video_name(1), "v1");
  EXPECT_EQ((*store)->num_frames(0), 5);
  EXPECT_EQ((*store)->num_frames(1), 1);
  EXPECT_EQ(calls_, 4);  // 5 frames in batches of 2, and 1
  const torch::Tensor tokens = (*store)->Tokens(0, 1, 2);
  EXPECT_EQ(tokens.scalar_type(), torch::kFloat16);
  ASSERT_EQ(tokens.sizes().vec(), (std::vector<int64_t>{2, 4, 3}));
  // ImageNet statistics are the default for every dataset: 255 is (1 - mean) / std, in RGB order.
  const std::vector<double> white = {(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225};
  EXPECT_LT(MaxDifference(tokens[0][0], torch::tensor(white)), 2e-3);
}

TEST_F(FeatureStoreTest, SecondOpenReadsTheCache) {
  const torch::Tensor first = Open().value()->Tokens(0, 0, 5).clone();
  calls_ = 0;
  const auto again = Open();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(calls_, 0);
  EXPECT_TRUE(BitIdentical((*again)->Tokens(0, 0, 5), first));
}

TEST_F(FeatureStoreTest, DamagedFilesAreComputedAgain) {
  const torch::Tensor first = Open().value()->Tokens(0, 0, 5).clone();
  for (const std::string& file : CacheFiles()) fs::resize_file(file, fs::file_size(file) / 2);
  frames_ = 0;
  const auto again = Open();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(frames_, 6);
  EXPECT_TRUE(BitIdentical((*again)->Tokens(0, 0, 5), first));
}

TEST_F(FeatureStoreTest, OnlyTheMissingVideoIsComputed) {
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(CacheFiles().size(), 2u);
  fs::remove(CacheFiles().front());
  frames_ = 0;
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(frames_ == 5 || frames_ == 1) << frames_;
}

TEST_F(FeatureStoreTest, KeyHoldsWeightsSizeAndPreprocessing) {
  const auto computes = [this] {
    frames_ = 0;
    EXPECT_TRUE(Open().ok());
    return frames_ == 6;
  };
  EXPECT_TRUE(computes());
  extractor_.digest = "weights/2";
  EXPECT_TRUE(computes());
  extractor_.input_width_px = 8;
  EXPECT_TRUE(computes());
  extractor_.preprocessing.set_interpolation(config::Preprocessing::AREA);
  EXPECT_TRUE(computes());
  EXPECT_FALSE(computes());
}

TEST_F(FeatureStoreTest, VideoThatCannotBeReadIsSkippedAndCounted) {
  videos_.broken_video = 0;
  const auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->num_videos(), 1);
  EXPECT_EQ((*store)->video_name(0), "v1");
  EXPECT_EQ((*store)->skipped_videos(), 1);
  EXPECT_EQ(CacheFiles().size(), 1u);
}

TEST_F(FeatureStoreTest, OtherErrorsEndTheOpening) {
  videos_.broken_video = 0;
  videos_.broken_status = absl::AbortedError("disk is gone");
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kAborted);
}

TEST_F(FeatureStoreTest, NoReadableVideoIsAnError) {
  videos_ = PlainVideos(Greys{{1, 2}});
  videos_.broken_video = 0;
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(FeatureStoreTest, CropVariantsAreCachedOnTheirOwn) {
  videos_.ramp = true;
  extractor_.crop.set_kind(config::RandomCrop::RESIZED);
  const torch::Tensor first = Open().value()->Tokens(0, 0, 5).clone();
  extractor_.crop_variant = 1;
  const torch::Tensor second = Open().value()->Tokens(0, 0, 5).clone();
  EXPECT_EQ(CacheFiles().size(), 4u);
  EXPECT_FALSE(torch::equal(first, second));
  // One crop for all frames of a video: red is the same in each.
  for (int64_t frame = 1; frame < 5; ++frame) {
    EXPECT_TRUE(torch::equal(first.select(2, 0)[frame], first.select(2, 0)[0]));
  }
  extractor_.crop_variant = 0;
  calls_ = 0;
  EXPECT_TRUE(BitIdentical(Open().value()->Tokens(0, 0, 5), first));
  EXPECT_EQ(calls_, 0);
  extractor_.crop_seed = 1;
  EXPECT_FALSE(torch::equal(Open().value()->Tokens(0, 0, 5), first));
}

TEST_F(FeatureStoreTest, ProcessesShareTheWorkAndSeeTheSame) {
  videos_ = PlainVideos({{10}, {20}, {30}, {40}});
  const auto alone = Open();
  ASSERT_TRUE(alone.ok());
  fs::remove_all(cache_);
  calls_ = 0;
  extractor_.shares = 2;
  extractor_.share = 1;
  // The other process has done its half by the time this one gets there.
  videos_.broken_video = 0;
  const auto second_half = Open();
  ASSERT_TRUE(second_half.ok());
  EXPECT_EQ((*second_half)->video_name(0), "v1");
  EXPECT_EQ((*second_half)->skipped_videos(), 1);
  videos_.broken_video = -1;
  extractor_.share = 0;
  const auto all = Open();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(calls_, 4);
  for (int64_t video = 0; video < 4; ++video) {
    EXPECT_EQ((*all)->video_name(video), (*alone)->video_name(video));
    EXPECT_TRUE(BitIdentical((*all)->Tokens(video, 0, 1), (*alone)->Tokens(video, 0, 1)));
  }
}

}  // namespace
}  // namespace slotmatch
