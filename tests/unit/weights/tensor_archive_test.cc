#include "core/weights/tensor_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/base/files.h"
#include "core/weights/key_mapping.h"
#include "core/weights/safetensors.h"
#include "tests/support/shared_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::AllOf;

// The values of a float tensor of any width; other dtypes as their bytes.
std::vector<uint8_t> Comparable(const TensorView& view) {
  return ConvertDType(view, DType::kF32).bytes;
}

TEST(TensorArchiveTest, NamesFileAndFormatsWhenNothingMatches) {
  const TempDir dir;
  for (const std::string& bytes : {std::string(), std::string("x"), std::string(100, 'a'),
                                   std::string("GGUF\3\0\0\0\0\0\0\0", 12)}) {
    EXPECT_THAT(
        OpenTensorArchive(dir.Write("model.pth", bytes)),
        AllOf(FailsWith(StatusCode::kDataLoss, "model.pth"),
              FailsWith(StatusCode::kDataLoss, "torch-zip, torch-legacy, safetensors, onnx")));
  }
  EXPECT_THAT(OpenTensorArchive(dir.File("none")), FailsWith(StatusCode::kNotFound, "none"));
  EXPECT_THAT(OpenTensorArchive(dir.path()), FailsWith(StatusCode::kDataLoss, "regular file"));
}

TEST(TensorArchiveTest, TellsSafetensorsByContent) {
  const TempDir dir;
  const std::vector<uint8_t> bytes = {1, 2};
  ASSERT_THAT(WriteSafetensors(dir.File("model.pth"), {{"a", {DType::kU8, {2}, bytes}}},
                               {{"key", "value"}}),
              IsOk());
  const auto archive = OpenTensorArchive(dir.File("model.pth"));
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ((*archive)->format(), "safetensors");
  ASSERT_NE((*archive)->Find("a"), nullptr);
  EXPECT_EQ((*archive)->Find("a")->bytes, absl::MakeConstSpan(bytes));
  EXPECT_EQ((*archive)->Find("b"), nullptr);
  EXPECT_EQ((*archive)->metadata().at("key"), "value");
}

// Files written by torch.save, timm and Hugging Face.
class ReferenceCheckpoints : public testing::Test {
 protected:
  static std::string Path(const std::string& name) {
    return SharedFile("fixtures/checkpoints/" + name);
  }
  void SetUp() override {
    if (Path("expected.safetensors").empty()) GTEST_SKIP() << "no shared checkpoints";
  }
  static std::shared_ptr<const TensorArchive> Open(const std::string& name) {
    absl::StatusOr<std::shared_ptr<const TensorArchive>> archive = OpenTensorArchive(Path(name));
    EXPECT_THAT(archive, IsOk());
    return archive.ok() ? *archive : nullptr;
  }
};

TEST_F(ReferenceCheckpoints, OddTensorsHoldWhatTheReferenceReads) {
  const auto expected = Open("expected.safetensors");
  ASSERT_NE(expected, nullptr);
  for (const char* name : {"odd_tensors.pth", "odd_tensors_legacy.pth"}) {
    const auto archive = Open(name);
    ASSERT_NE(archive, nullptr);
    size_t found = 0;
    for (const auto& [key, view] : expected->tensors()) {
      if (key.rfind("odd.", 0) != 0) continue;
      const TensorView* actual = archive->Find(key.substr(4));
      ASSERT_NE(actual, nullptr) << name << " " << key;
      EXPECT_EQ(actual->shape, view.shape) << name << " " << key;
      EXPECT_EQ(Comparable(*actual), Comparable(view)) << name << " " << key;
      ++found;
    }
    EXPECT_EQ(archive->tensors().size(), found) << name;
    EXPECT_EQ(archive->metadata(),
              (std::map<std::string, std::string>{{"nested.lr", "0.1"},
                                                  {"nested.name", "x"},
                                                  {"nested.none", "null"},
                                                  {"nested.steps", "[1,2,3]"}}));
  }
}

TEST_F(ReferenceCheckpoints, OneBackboneInEveryFormat) {
  const std::pair<const char*, const char*> files[] = {
      {"dinov2_tiny_timm.safetensors", "safetensors"},
      {"dinov2_tiny_hub.pth", "torch-zip"},
      {"dinov2_tiny_hub_legacy.pth", "torch-legacy"},
      {"dinov2_tiny_hf.safetensors", "safetensors"},
      {"dinov2_tiny_hf_pytorch_model.bin", "torch-zip"},
  };
  MappedTensors first;
  std::shared_ptr<const TensorArchive> first_archive;  // the first's views borrow from it
  for (const auto& [name, format] : files) {
    const auto archive = Open(name);
    ASSERT_NE(archive, nullptr);
    EXPECT_EQ(archive->format(), format) << name;
    auto mapped = archive->Find("cls_token") == nullptr ? FromHuggingFace(archive->tensors())
                                                        : FromTimm(archive->tensors());
    ASSERT_THAT(mapped, IsOk()) << name;
    mapped->tensors.erase("mask_token");  // timm has none
    if (first_archive == nullptr) {
      first = *mapped;
      first_archive = archive;
    }
    ASSERT_EQ(mapped->tensors.size(), first.tensors.size()) << name;
    for (const auto& [key, view] : mapped->tensors) {
      EXPECT_EQ(view.shape, first.tensors.at(key).shape) << name << " " << key;
      EXPECT_EQ(view.bytes, first.tensors.at(key).bytes) << name << " " << key;
    }
  }
}

TEST_F(ReferenceCheckpoints, LightningCheckpointKeepsItsNesting) {
  const auto archive = Open("slotcontrast_tiny.ckpt");
  ASSERT_NE(archive, nullptr);
  const TensorView* slots = archive->Find("state_dict.initializer.slots");
  ASSERT_NE(slots, nullptr);
  EXPECT_EQ(slots->shape, (std::vector<int64_t>{1, 5, 16}));
  const auto expected = Open("expected.safetensors");
  int64_t step = 0;
  std::memcpy(&step, expected->Find("ckpt.global_step")->bytes.data(), sizeof(step));
  EXPECT_EQ(archive->metadata().at("global_step"), std::to_string(step));
  EXPECT_NE(archive->Find("optimizer_states.0.state.0.exp_avg"), nullptr);
}

}  // namespace
}  // namespace slotmatch
