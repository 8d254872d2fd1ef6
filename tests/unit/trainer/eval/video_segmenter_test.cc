#include "trainer/eval/video_segmenter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/image/preprocess.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/eval/tiny_model_directory.h"

namespace slotmatch {
namespace {

class VideoSegmenterTest : public testing::Test {
 protected:
  VideoSegmenterTest() {
    config::DatasetConfig dataset;
    dataset.set_path("samples/moving_solids");
    dataset_ = OpenDataset(dataset).value();
  }

  std::string root_ = FreshDirectory("video_segmenter");
  std::string directory_ = WriteTinyModelDirectory(root_);
  std::unique_ptr<VideoDataset> dataset_;
};

// Frame by frame, the model's own forward; the segmenter encodes several frames at once.
TEST_F(VideoSegmenterTest, EqualsTheModelFrameByFrame) {
  PartCache parts;
  VideoModel model = LoadVideoModel(OpenModelDirectory(directory_, &parts).value()).value();
  for (const char* source : {"attention", "decoder"}) {
    torch::NoGradGuard no_grad;
    absl::StatusOr<VideoSegmenter> segmenter = VideoSegmenter::Open(directory_, source);
    ASSERT_TRUE(segmenter.ok()) << segmenter.status();
    SlotState state = model->InitialState(1);
    int64_t frames = 0, differing = 0;
    const absl::Status status =
        segmenter->Segment(*dataset_, 0, true, [&](const SegmentedFrame& result) {
          const Image& image = result.frame->image;
          EXPECT_EQ(result.frame->index, frames++);
          EXPECT_FALSE(result.frame->labels.labels.empty());
          torch::Tensor pixels = torch::empty({1, 3, 56, 56});
          Preprocess(image, {}, 56, 56, absl::MakeSpan(pixels.data_ptr<float>(), pixels.numel()));
          const StepResult step = model->Step(model->Transform(model->Encode(pixels)), state);
          state = step.next;
          EXPECT_LT(MaxDifference(result.slots, step.slots[0]), 1e-3);
          const torch::Tensor masks =
              (source == std::string("decoder") ? model->DecodeMasks(step.slots) : step.attention)
                  .contiguous();
          const Segmentation expected =
              SegmentFromSoftMasks(absl::MakeConstSpan(masks.data_ptr<float>(), masks.numel()), 3,
                                   4, 4, image.height, image.width);
          EXPECT_EQ(result.segmentation.map.width, image.width);
          EXPECT_EQ(result.segmentation.map.height, image.height);
          for (size_t i = 0; i < expected.map.labels.size(); ++i) {
            differing += expected.map.labels[i] != result.segmentation.map.labels[i] ? 1 : 0;
          }
          return absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(frames, 8);
    EXPECT_LE(differing, 80) << source;  // ties decided by the last bit
  }
}

TEST_F(VideoSegmenterTest, ClipsStartAgainAndAllModelsSeeTheSameFrames) {
  std::vector<VideoSegmenter> models = {VideoSegmenter::Open(directory_).value(),
                                        VideoSegmenter::Open(directory_).value()};
  std::vector<std::vector<int64_t>> steps(2), indices(2);
  std::vector<torch::Tensor> clip_slots;
  ASSERT_TRUE(VideoSegmenter::SegmentWithAll(&models, *dataset_, 0, false, /*clip_frames=*/3,
                                             [&](size_t model, const SegmentedFrame& frame) {
                                               steps[model].push_back(frame.step);
                                               indices[model].push_back(frame.frame->index);
                                               if (model == 0) clip_slots.push_back(frame.slots);
                                               return absl::OkStatus();
                                             })
                  .ok());
  for (size_t model = 0; model < 2; ++model) {
    EXPECT_THAT(steps[model], testing::ElementsAre(0, 1, 2, 0, 1, 2, 0, 1));
    EXPECT_THAT(indices[model], testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  }
  size_t frame = 0;
  ASSERT_TRUE(models[0]
                  .Segment(*dataset_, 0, false,
                           [&](const SegmentedFrame& whole) {
                             const double difference =
                                 MaxDifference(whole.slots, clip_slots[frame]);
                             EXPECT_EQ(difference == 0, frame < 3) << frame;
                             ++frame;
                             return absl::OkStatus();
                           })
                  .ok());
}

// Whether tokens are shared or not, a model's slots are those it has alone.
TEST_F(VideoSegmenterTest, ModelsBesideOthersAnswerAsAlone) {
  config::ModelConfig narrow = TinyModelConfig();
  narrow.mutable_encoder()->set_depth(1);
  const std::string other = WriteTinyModelDirectory(FreshDirectory("video_segmenter_2"), narrow);
  const std::string directories[] = {directory_, other, directory_};
  std::vector<VideoSegmenter> models;
  for (const std::string& directory : directories) {
    models.push_back(VideoSegmenter::Open(directory).value());
  }
  std::vector<std::vector<torch::Tensor>> together(3);
  const absl::Status status = VideoSegmenter::SegmentWithAll(
      &models, *dataset_, 0, false, 0, [&](size_t model, const SegmentedFrame& frame) {
        together[model].push_back(frame.slots.clone());
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  for (size_t i = 0; i < models.size(); ++i) {
    size_t frame = 0;
    ASSERT_TRUE(models[i]
                    .Segment(*dataset_, 0, false,
                             [&](const SegmentedFrame& alone) {
                               EXPECT_TRUE(alone.slots.equal(together[i][frame++])) << i;
                               return absl::OkStatus();
                             })
                    .ok());
  }
}

TEST_F(VideoSegmenterTest, VisitorsStatusEndsTheVideo) {
  int seen = 0;
  const absl::Status status =
      VideoSegmenter::Open(directory_)->Segment(*dataset_, 0, false, [&](const SegmentedFrame&) {
        ++seen;
        return absl::CancelledError("enough");
      });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(seen, 1);
}

TEST_F(VideoSegmenterTest, OpenRefusesBackbonesAndUnknownMaskSources) {
  EXPECT_EQ(VideoSegmenter::Open(root_ + "/repository/tiny_vit/1").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(VideoSegmenter::Open(directory_, "both").status().message()),
              testing::HasSubstr("'both' is neither attention nor decoder"));
  EXPECT_EQ(VideoSegmenter::Open(root_ + "/nothing").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace slotmatch
