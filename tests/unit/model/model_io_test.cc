#include "core/model/model_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::map<std::string, TensorView> Views(const std::map<std::string, torch::Tensor>& tensors) {
  std::map<std::string, TensorView> views;
  for (const auto& [key, tensor] : tensors) views.emplace(key, ToView(tensor));
  return views;
}

class DTypes : public testing::TestWithParam<torch::ScalarType> {};

TEST_P(DTypes, TensorSurvivesViewAndCopy) {
  torch::manual_seed(30);
  const torch::Tensor tensor = (torch::randn({2, 3, 4}) * 4).to(GetParam());
  const TensorView view = ToView(tensor);
  EXPECT_EQ(view.shape, (std::vector<int64_t>{2, 3, 4}));
  EXPECT_TRUE(BitIdentical(ToTorch(view), tensor));
}

INSTANTIATE_TEST_SUITE_P(All, DTypes,
                         testing::Values(torch::kFloat64, torch::kFloat32, torch::kFloat16,
                                         torch::kBFloat16, torch::kInt64, torch::kInt32,
                                         torch::kUInt8, torch::kBool));

TEST(ToTorch, TakesScalarsAndEmptyTensors) {
  EXPECT_TRUE(BitIdentical(ToTorch(ToView(torch::tensor(3.5F))), torch::tensor(3.5F)));
  EXPECT_EQ(ToTorch(ToView(torch::zeros({0, 4}))).sizes().vec(), (std::vector<int64_t>{0, 4}));
}

TEST(ToView, RefusesTensorsThatAreNotContiguous) {
  EXPECT_THROW(ToView(torch::zeros({2, 3}).t()), c10::Error);
}

TEST(LoadParameters, NamesMissingMisshapenAndUnexpectedKeys) {
  VideoModel model = MakeTinyModel(TinyModelConfig(), 31, WithEncoder::kNo);
  std::map<std::string, torch::Tensor> tensors = NamedTensors(*model, {});
  const torch::Tensor before = tensors["decoder.module.pos_emb"].clone();
  tensors.erase("initializer.slots");
  tensors["decoder.module.mlp.layers.0.bias"] = torch::zeros({7});
  tensors["decoder.module.pos_emb"] = torch::zeros_like(before);
  tensors["backbone.extra"] = torch::zeros({1});
  const absl::Status status = LoadParameters(Views(tensors), /*strict=*/true, model.ptr().get());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("missing initializer.slots"),
                    HasSubstr("wrong shape decoder.module.mlp.layers.0.bias [7] instead of [12]"),
                    HasSubstr("unexpected backbone.extra")));
  // Nothing is half loaded.
  EXPECT_TRUE(torch::equal(model->named_parameters()["decoder.module.pos_emb"], before));
}

TEST(LoadParameters, AllowsLeftOverKeysWhenNotStrict) {
  VideoModel model = MakeTinyModel(TinyModelConfig(), 31, WithEncoder::kNo);
  std::map<std::string, torch::Tensor> tensors = NamedTensors(*model, {});
  tensors["backbone.extra"] = torch::zeros({1});
  EXPECT_TRUE(LoadParameters(Views(tensors), /*strict=*/false, model.ptr().get()).ok());
}

TEST(LoadParameters, LongListsAreCut) {
  VideoModel model = MakeTinyModel(TinyModelConfig(), 31, WithEncoder::kNo);
  const size_t keys = model->named_parameters().size();
  EXPECT_THAT(std::string(LoadParameters({}, true, model.ptr().get()).message()),
              HasSubstr("and " + std::to_string(keys - 5) + " more"));
}

TEST(NamedTensors, SkipsPrefixesAndIncludesBuffers) {
  config::ModelConfig config = TinyModelConfig();
  config.set_target_normalization(config::PER_CHANNEL);
  const VideoModel model = MakeTinyModel(config, 32);
  const auto head = NamedTensors(*model, {kBackbonePrefix});
  EXPECT_EQ(head.count("target_norm.mean"), 1u);
  EXPECT_EQ(head.size(), NamedTensors(*MakeTinyModel(config, 32, WithEncoder::kNo), {}).size());
  for (const auto& [key, tensor] : head) {
    EXPECT_THAT(key, testing::Not(testing::StartsWith(kBackbonePrefix)));
    EXPECT_FALSE(tensor.requires_grad());
  }
}

class ModelDirectory : public testing::TestWithParam<torch::ScalarType> {
 protected:
  ModelDirectory() {
    config_.set_target_normalization(config::COSINE);
    manifest_.set_schema_version(1);
    manifest_.set_name("tiny");
    manifest_.set_version("1");
    manifest_.set_role("student");
    *manifest_.mutable_model() = config_;
  }
  std::string Save(const VideoModel& model, torch::ScalarType dtype) {
    const std::string directory = FreshDirectory("model_io") + "/tiny/1";
    EXPECT_TRUE(SaveModelDirectory(directory, manifest_, NamedTensors(*model, {}), dtype).ok());
    return directory;
  }
  absl::StatusOr<VideoModel> Load(const std::string& directory,
                                  WithEncoder with_encoder = WithEncoder::kYes) {
    PartCache parts;
    absl::StatusOr<ModelFiles> files = OpenModelDirectory(directory, &parts);
    if (!files.ok()) return files.status();
    return LoadVideoModel(*files, with_encoder);
  }
  config::ModelConfig config_ = TinyModelConfig();
  config::Manifest manifest_;
};

TEST_P(ModelDirectory, SaveAndLoadChangesNothingButThePrecision) {
  const VideoModel model = MakeTinyModel(config_, 33);
  const absl::StatusOr<VideoModel> loaded = Load(Save(model, GetParam()));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE((*loaded)->is_training());
  const auto after = NamedTensors(**loaded, {});
  for (const auto& [key, tensor] : NamedTensors(*model, {})) {
    EXPECT_TRUE(BitIdentical(after.at(key), tensor.to(GetParam()).to(torch::kFloat32))) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, ModelDirectory,
                         testing::Values(torch::kFloat32, torch::kFloat16, torch::kBFloat16));

TEST_F(ModelDirectory, HeadLoadsWithoutTheEncoderAndGivesTheSameSlots) {
  torch::NoGradGuard no_grad;
  VideoModel model = MakeTinyModel(config_, 34);
  absl::StatusOr<VideoModel> head = Load(Save(model, torch::kFloat32), WithEncoder::kNo);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_TRUE((*head)->backbone().is_empty());
  const torch::Tensor tokens = model->NormalizeTokens(model->Encode(torch::randn({1, 3, 56, 56})));
  EXPECT_TRUE(
      torch::equal(model->Step(model->Transform(tokens), model->InitialState(1)).slots,
                   (*head)->Step((*head)->Transform(tokens), (*head)->InitialState(1)).slots));
}

TEST_F(ModelDirectory, ShallowerEncoderLeavesTheLastBlocksOver) {
  const std::string directory = Save(MakeTinyModel(config_, 35), torch::kFloat32);
  PartCache parts;
  ModelFiles files = OpenModelDirectory(directory, &parts).value();
  files.manifest.mutable_model()->mutable_encoder()->set_depth(1);
  EXPECT_TRUE(LoadVideoModel(files).ok());
}

TEST_F(ModelDirectory, AnotherArchitectureIsDataLossNamingTheDirectory) {
  const std::string directory = Save(MakeTinyModel(config_, 36), torch::kFloat32);
  PartCache parts;
  ModelFiles files = OpenModelDirectory(directory, &parts).value();
  files.manifest.mutable_model()->set_num_slots(4);
  const absl::Status status = LoadVideoModel(files).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr(directory), HasSubstr("initializer.slots [1, 3, 8] instead of [1, 4, 8]")));
  files.manifest.mutable_model()->set_num_slots(0);
  EXPECT_EQ(LoadVideoModel(files).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ModelDirectory, ChangedWeightsAreFoundByTheirDigest) {
  const std::string directory = Save(MakeTinyModel(config_, 37), torch::kFloat32);
  {
    std::fstream file(directory + "/weights.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7f');
  }
  const absl::Status status = Load(directory).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("weights.safetensors"), HasSubstr("damaged or was replaced")));
}

TEST_F(ModelDirectory, SavingAgainReplacesItsOwnPart) {
  const std::string directory = Save(MakeTinyModel(config_, 38), torch::kFloat32);
  PartCache parts;
  const config::Manifest manifest = OpenModelDirectory(directory, &parts)->manifest;
  const VideoModel other = MakeTinyModel(config_, 39);
  ASSERT_TRUE(
      SaveModelDirectory(directory, manifest, NamedTensors(*other, {}), torch::kFloat32).ok());
  const absl::StatusOr<VideoModel> loaded = Load(directory);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(torch::equal((*loaded)->named_parameters()["initializer.slots"],
                           other->named_parameters()["initializer.slots"]));
}

}  // namespace
}  // namespace slotmatch
