#include "trainer/loop/model_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>

#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

class WriteModelTest : public testing::Test {
 protected:
  WriteModelTest() {
    model_.directory = root_ + "/out/models/tiny/3";
    *model_.config.mutable_model() = TinyModelConfig();
    model_.config.set_role("student");
    model_.config.set_backbone(
        WriteTinyBackbone(root_ + "/repository", model_.config.model().encoder(), 90));
    model_.config.mutable_data()->mutable_preprocessing()->set_interpolation(
        config::Preprocessing::AREA);
    model_.provenance.set_seed(42);
    head_ = MakeTinyModel(TinyModelConfig(), 91, WithEncoder::kNo);
    model_.tensors = NamedTensors(*head_, {});
  }
  absl::StatusOr<ModelFiles> Open() { return OpenModelDirectory(model_.directory, &parts_); }

  std::string root_ = FreshDirectory("model_writer");
  PartCache parts_;
  ModelToWrite model_;
  VideoModel head_{nullptr};
};

TEST_F(WriteModelTest, OutputOpensAgainWithItsBackbone) {
  const absl::Status written = WriteModel(model_);
  ASSERT_TRUE(written.ok()) << written;
  const absl::StatusOr<ModelFiles> files = Open();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->manifest.name(), "tiny");
  EXPECT_EQ(files->manifest.version(), "3");
  EXPECT_EQ(files->manifest.role(), "student");
  EXPECT_EQ(files->manifest.provenance().seed(), 42);
  EXPECT_EQ(files->manifest.preprocessing().interpolation(), config::Preprocessing::AREA);
  const absl::StatusOr<VideoModel> loaded = LoadVideoModel(*files);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  for (const auto& [key, tensor] : model_.tensors) {
    EXPECT_TRUE(BitIdentical((*loaded)->named_parameters()[key], tensor)) << key;
  }
}

TEST_F(WriteModelTest, BackboneOfTheSameRepositoryIsNotCopied) {
  model_.directory = root_ + "/repository/tiny/1";
  ASSERT_TRUE(WriteModel(model_).ok());
  EXPECT_TRUE(Open().ok());
  int entries = 0;
  for ([[maybe_unused]] const auto& entry :
       fs::recursive_directory_iterator(root_ + "/repository")) {
    ++entries;
  }
  EXPECT_EQ(entries, 8);  // two models of two folders and two files each
}

TEST_F(WriteModelTest, WritingTwiceReplacesTheHead) {
  ASSERT_TRUE(WriteModel(model_).ok());
  for (auto& [key, tensor] : model_.tensors) tensor = tensor + 1;
  ASSERT_TRUE(WriteModel(model_).ok());
  const VideoModel loaded = LoadVideoModel(Open().value()).value();
  EXPECT_TRUE(BitIdentical(loaded->named_parameters()["initializer.slots"],
                           model_.tensors.at("initializer.slots")));
}

TEST_F(WriteModelTest, MissingBackboneIsNotFound) {
  model_.config.set_backbone(root_ + "/nowhere/1");
  EXPECT_EQ(WriteModel(model_).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace slotmatch
