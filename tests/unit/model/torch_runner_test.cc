#include "core/engine/torch_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/config/config.h"
#include "core/engine/session_state.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kBackbone[] = "models/dinov2_vits14/1";  // tests run in the source folder

// A repository of its own with a link to the shipped backbone, and a random head of one block.
class TorchSegmenter : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kBackbone)) GTEST_SKIP() << kBackbone << " is absent";
    at::set_num_threads(1);
    repository_ = FreshDirectory("torch_runner");
    std::filesystem::create_directories(repository_ + "/dinov2_vits14");
    std::filesystem::copy(
        std::filesystem::absolute(kBackbone), repository_ + "/dinov2_vits14/1",
        std::filesystem::copy_options::create_hard_links | std::filesystem::copy_options::recursive,
        copy_error_);
    if (copy_error_) {
      std::filesystem::remove_all(repository_ + "/dinov2_vits14/1");
      std::filesystem::copy(kBackbone, repository_ + "/dinov2_vits14/1",
                            std::filesystem::copy_options::recursive);
    }
    ASSERT_TRUE(
        LoadConfigFile(repository_ + "/dinov2_vits14/1/manifest.textproto", &backbone_).ok());
    model_config_.set_num_slots(3);
    model_config_.set_slot_dim(8);
    model_config_.mutable_predictor()->set_num_heads(2);
    model_config_.mutable_decoder()->set_hidden_dim(12);
    model_config_.mutable_encoder()->set_depth(1);
    model_config_.mutable_encoder()->set_input_height_px(56);
    model_config_.mutable_encoder()->set_input_width_px(42);
    model_config_.set_target_normalization(config::COSINE);
  }

  config::Manifest HeadManifest() const {
    config::Manifest manifest;
    manifest.set_schema_version(1);
    manifest.set_name("head");
    manifest.set_version("7");
    manifest.set_role("student");
    config::WeightPart* part = manifest.add_parts();
    part->set_role("backbone");
    part->set_file("../../dinov2_vits14/1/weights.safetensors");
    part->set_sha256(backbone_.parts(0).sha256());
    part->set_key_prefix(kBackbonePrefix);
    *manifest.mutable_model() = model_config_;
    return manifest;
  }

  void WriteHead(const config::Manifest& manifest, uint64_t seed = 40) {
    served_.set_path(repository_ + "/head/7");
    const VideoModel head = MakeTinyModel(model_config_, seed, WithEncoder::kNo);
    ASSERT_TRUE(
        SaveModelDirectory(served_.path(), manifest, NamedTensors(*head, {}), torch::kFloat32)
            .ok());
  }

  absl::StatusOr<std::shared_ptr<Segmenter>> Load() {
    return LoadSegmenter(served_, compute_, backbones_);
  }

  static std::vector<float> Frame(uint64_t seed) {
    torch::manual_seed(seed);
    const torch::Tensor pixels = torch::randn({3, 56, 42});
    return {pixels.data_ptr<float>(), pixels.data_ptr<float>() + pixels.numel()};
  }

  static torch::Tensor AsTensor(const std::vector<float>& values, std::vector<int64_t> shape) {
    return torch::tensor(values).view(shape);
  }

  std::error_code copy_error_;
  std::string repository_;
  config::Manifest backbone_;
  config::ModelConfig model_config_;
  config::ServedModel served_;
  config::ComputeConfig compute_;
  PartCache parts_;
  std::shared_ptr<BackboneCache> backbones_ = NewBackboneCache();
};

TEST_F(TorchSegmenter, InfoComesFromTheManifest) {
  WriteHead(HeadManifest());
  absl::StatusOr<std::shared_ptr<Segmenter>> segmenter = Load();
  ASSERT_TRUE(segmenter.ok()) << segmenter.status();
  const ModelInfo& info = (*segmenter)->info();
  EXPECT_EQ(info.name, "head");
  EXPECT_EQ(info.version, "7");
  EXPECT_EQ(info.role, "student");
  EXPECT_EQ(info.num_slots, 3);
  EXPECT_EQ(info.slot_dim, 8);
  EXPECT_EQ(info.grid_height, 4);
  EXPECT_EQ(info.grid_width, 3);
  EXPECT_EQ(info.input_height_px, 56);
  EXPECT_EQ(info.input_width_px, 42);
  EXPECT_EQ(info.digest.size(), 64u);
  served_.set_name("other");
  EXPECT_EQ((*Load())->info().name, "other");
}

TEST_F(TorchSegmenter, StepEqualsTheVideoModelForBothMaskSources) {
  for (const config::MaskSource source : {config::DECODER, config::ATTENTION}) {
    model_config_.set_mask_source(source);
    WriteHead(HeadManifest());
    absl::StatusOr<std::shared_ptr<Segmenter>> segmenter = Load();
    ASSERT_TRUE(segmenter.ok()) << segmenter.status();
    const ModelFiles files = OpenModelDirectory(served_.path(), &parts_).value();
    VideoModel model = LoadVideoModel(files).value();
    torch::NoGradGuard no_grad;
    SlotState state = model->InitialState(1);
    StreamState stream;
    for (uint64_t t = 0; t < 3; ++t) {
      const std::vector<float> pixels = Frame(50 + t);
      const auto outputs = (*segmenter)->Step({{pixels, &stream}});
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      const StepOutput& output = outputs->front();
      const torch::Tensor tokens = model->Encode(AsTensor(pixels, {1, 3, 56, 42}));
      const StepResult step = model->Step(model->Transform(model->NormalizeTokens(tokens)), state);
      const torch::Tensor masks =
          source == config::DECODER ? model->Decode(step.slots).masks : step.attention;
      EXPECT_LT(MaxDifference(AsTensor(output.slots, {1, 3, 8}), step.slots), 1e-5);
      EXPECT_LT(MaxDifference(AsTensor(output.masks, {1, 3, 12}), masks), 1e-5);
      EXPECT_LT(MaxDifference(AsTensor(output.next_state.slots, {1, 3, 8}), step.next.slots), 1e-5);
      EXPECT_EQ(output.next_state.step, static_cast<int64_t>(t) + 1);
      state = step.next;
      stream = output.next_state;
    }
  }
}

TEST_F(TorchSegmenter, BatchOfThreeEqualsOneByOne) {
  WriteHead(HeadManifest());
  auto segmenter = Load().value();
  const std::vector<std::vector<float>> frames = {Frame(60), Frame(61), Frame(62)};
  std::vector<StreamState> together(3), alone(3);
  for (int t = 0; t < 2; ++t) {
    std::vector<StepInput> batch;
    for (int b = 0; b < 3; ++b) batch.push_back({frames[(b + t) % 3], &together[b]});
    const auto outputs = segmenter->Step(batch);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ(outputs->size(), 3u);
    for (int b = 0; b < 3; ++b) {
      const auto one = segmenter->Step({{frames[(b + t) % 3], &alone[b]}});
      ASSERT_TRUE(one.ok()) << one.status();
      const auto difference = [](const std::vector<float>& x, const std::vector<float>& y) {
        return MaxDifference(torch::tensor(x), torch::tensor(y));
      };
      EXPECT_LT(difference((*outputs)[b].slots, one->front().slots), 1e-4);
      EXPECT_LT(difference((*outputs)[b].masks, one->front().masks), 1e-4);
      alone[b] = one->front().next_state;
      together[b] = (*outputs)[b].next_state;
    }
  }
}

// Slots that start from noise start from the same noise, whenever and in whatever company.
TEST_F(TorchSegmenter, RandomInitialSlotsGiveTheSameAnswerAgain) {
  model_config_.mutable_slot_init()->set_kind("random");
  WriteHead(HeadManifest());
  auto segmenter = Load().value(), again = Load().value();
  const std::vector<float> pixels = Frame(65), other = Frame(66);
  const StreamState first;
  const auto alone = segmenter->Step({{pixels, &first}});
  torch::manual_seed(1);
  EXPECT_EQ(segmenter->Step({{pixels, &first}})->front().slots, alone->front().slots);
  EXPECT_EQ(again->Step({{pixels, &first}})->front().slots, alone->front().slots);
  const auto batch = segmenter->Step({{other, &first}, {pixels, &first}});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_LT(MaxDifference(torch::tensor((*batch)[1].slots), torch::tensor(alone->front().slots)),
            1e-4);
}

TEST_F(TorchSegmenter, ImageModelStartsEveryFrameAnew) {
  model_config_.mutable_slot_init()->set_kind("random");
  model_config_.mutable_predictor()->set_kind("none");
  WriteHead(HeadManifest());
  auto segmenter = Load().value();
  const std::vector<float> pixels = Frame(67), other = Frame(68);
  StreamState stream;
  const std::vector<float> alone = segmenter->Step({{pixels, &stream}})->front().slots;
  stream = segmenter->Step({{other, &stream}})->front().next_state;
  EXPECT_TRUE(stream.first_frame());
  EXPECT_EQ(stream.step, 0);
  const auto later = segmenter->Step({{pixels, &stream}});
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->front().slots, alone);
}

TEST_F(TorchSegmenter, WrongStateSizeIsAnInternalErrorNotACrash) {
  WriteHead(HeadManifest());
  auto segmenter = Load().value();
  const std::vector<float> pixels = Frame(70), short_pixels(10);
  StreamState first, wrong{std::vector<float>(5), 1};
  EXPECT_EQ(segmenter->Step({{pixels, &wrong}}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(segmenter->Step({{short_pixels, &first}}).status().code(), absl::StatusCode::kInternal);
  const StreamState later = segmenter->Step({{pixels, &first}})->front().next_state;
  EXPECT_EQ(segmenter->Step({{pixels, &later}, {pixels, &first}}).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_TRUE(segmenter->Step({{pixels, &later}, {pixels, &later}}).ok());
}

TEST_F(TorchSegmenter, MissingFramesAreThePredictorAloneForEachStreamItsOwn) {
  WriteHead(HeadManifest());
  auto segmenter = Load().value();
  VideoModel model = LoadVideoModel(OpenModelDirectory(served_.path(), &parts_).value()).value();
  torch::NoGradGuard no_grad;
  const std::vector<float> pixels = Frame(70);
  const StreamState first;
  const StreamState before = segmenter->Step({{pixels, &first}})->front().next_state;
  const auto mixed =
      segmenter->Step({{pixels, &before, 2}, {pixels, &before}, {pixels, &before, 5}});
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  const int skipped[] = {2, 0, 5};
  for (size_t b = 0; b < 3; ++b) {
    SlotState state{AsTensor(before.slots, {1, 3, 8}), 1};
    for (int i = 0; i < skipped[b]; ++i) state = model->SkipFrame(state);
    const StreamState bridged{
        {state.slots.data_ptr<float>(), state.slots.data_ptr<float>() + state.slots.numel()}, 1};
    const auto alone = segmenter->Step({{pixels, &bridged}});
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_LT(MaxDifference(torch::tensor((*mixed)[b].slots), torch::tensor(alone->front().slots)),
              1e-5);
    EXPECT_EQ((*mixed)[b].next_state.step, before.step + skipped[b] + 1);
  }
  EXPECT_EQ(segmenter->Step({{pixels, &first, 1}}).status().code(), absl::StatusCode::kInternal);
}

TEST_F(TorchSegmenter, NumbersThatAreNotFiniteStayInTheirStream) {
  WriteHead(HeadManifest());
  auto segmenter = Load().value();
  const std::vector<float> pixels = Frame(70), poison(pixels.size(), std::nanf(""));
  const StreamState first;
  const auto outputs = segmenter->Step({{poison, &first}, {pixels, &first}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(std::isnan((*outputs)[0].next_state.slots[0]));
  const auto alone = segmenter->Step({{pixels, &first}});
  EXPECT_LT(MaxDifference(torch::tensor((*outputs)[1].slots), torch::tensor(alone->front().slots)),
            1e-4);
}

TEST_F(TorchSegmenter, SessionGoesOnFromItsSealedStateBitForBit) {
  WriteHead(HeadManifest());
  const auto segmenter = Load().value(), second = Load().value();
  const StateSealer sealer;
  const std::vector<ModelInfo> models = {segmenter->info()};
  StreamState state;
  std::vector<StepOutput> whole;
  for (uint64_t t = 0; t < 4; ++t) {
    whole.push_back(std::move(segmenter->Step({{Frame(80 + t), &state}})->front()));
    state = whole.back().next_state;
  }
  for (uint64_t cut = 0; cut < 3; ++cut) {
    SessionPoint point;
    point.state = whole[cut].next_state;
    point.last_frame_id = point.state_frame_id = cut;
    const SealedState sealed = sealer.Seal(models[0], point).value();
    StreamState resumed = sealer.Open(sealed, models, 0)->point.state;
    for (uint64_t t = cut + 1; t < 4; ++t) {
      const StepOutput output = second->Step({{Frame(80 + t), &resumed}})->front();
      EXPECT_EQ(output.masks, whole[t].masks) << cut << " " << t;
      EXPECT_EQ(output.slots, whole[t].slots) << cut << " " << t;
      resumed = output.next_state;
    }
  }
}

TEST_F(TorchSegmenter, BFloat16StaysClose) {
  WriteHead(HeadManifest());
  auto wide = Load().value();
  compute_.set_precision(config::PRECISION_BF16);
  auto narrow = Load().value();
  const std::vector<float> pixels = Frame(71);
  const StreamState first;
  const auto a = wide->Step({{pixels, &first}}), b = narrow->Step({{pixels, &first}});
  ASSERT_TRUE(a.ok() && b.ok());
  const double difference =
      MaxDifference(torch::tensor(a->front().masks), torch::tensor(b->front().masks));
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.1);
}

TEST_F(TorchSegmenter, DigestMismatchNamesTheFile) {
  config::Manifest manifest = HeadManifest();
  manifest.mutable_parts(0)->set_sha256(std::string(64, '0'));
  WriteHead(manifest);
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("dinov2_vits14/1/weights.safetensors"),
                    HasSubstr("the manifest says " + std::string(64, '0'))));
}

TEST_F(TorchSegmenter, BackboneAloneIsRefused) {
  served_.set_path(repository_ + "/dinov2_vits14/1");
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("is a backbone; serve a model that uses it"));
}

TEST_F(TorchSegmenter, GeometryThatCutsTheFrameIsRefused) {
  config::Manifest manifest = HeadManifest();
  manifest.mutable_preprocessing()->set_geometry(config::Preprocessing::CENTER_SQUARE);
  WriteHead(manifest);
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("CENTER_SQUARE"));
}

TEST_F(TorchSegmenter, MissingDirectoryIsNotFound) {
  served_.set_path(repository_ + "/nothing/1");
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TorchSegmenter, HeadWithoutItsWeightsNamesWhatIsMissing) {
  config::Manifest manifest = HeadManifest();
  manifest.mutable_model()->mutable_feature_transform()->set_learned_position(true);
  WriteHead(manifest);
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing encoder.module.position"));
}

}  // namespace
}  // namespace slotmatch
