#include "core/weights/key_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/float16.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr int kBlocks = 2;

// Tensors with their own bytes; every tensor is filled with a number of its own.
class Archive {
 public:
  void Add(const std::string& key, const std::vector<int64_t>& shape) {
    OwnedTensor& tensor = storage_[key];
    tensor = {DType::kU8, shape, {}};
    tensor.bytes.assign(tensor.view().num_elements(), static_cast<uint8_t>(storage_.size()));
  }
  void Remove(const std::string& key) { storage_.erase(key); }
  std::map<std::string, TensorView> views() const {  // borrow from this archive
    std::map<std::string, TensorView> views;
    for (const auto& [key, tensor] : storage_) views[key] = tensor.view();
    return views;
  }
  uint8_t Fill(const std::string& key) const { return storage_.at(key).bytes.at(0); }

 private:
  std::map<std::string, OwnedTensor> storage_;
};

const char* const kTimmBlockKeys[] = {
    "norm1.weight",   "norm1.bias",     "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight",
    "attn.proj.bias", "ls1.gamma",      "norm2.weight",    "norm2.bias",    "mlp.fc1.weight",
    "mlp.fc1.bias",   "mlp.fc2.weight", "mlp.fc2.bias",    "ls2.gamma"};

Archive TimmArchive() {
  Archive archive;
  for (const char* key : {"cls_token", "pos_embed", "patch_embed.proj.weight",
                          "patch_embed.proj.bias", "norm.weight", "norm.bias"}) {
    archive.Add(key, {2});
  }
  for (int i = 0; i < kBlocks; ++i) {
    for (const char* key : kTimmBlockKeys) {
      archive.Add("blocks." + std::to_string(i) + "." + key, {2, 2});
    }
  }
  return archive;
}

Archive HuggingFaceArchive() {
  Archive archive;
  for (const char* key :
       {"embeddings.cls_token", "embeddings.position_embeddings", "embeddings.mask_token",
        "embeddings.patch_embeddings.projection.weight",
        "embeddings.patch_embeddings.projection.bias", "layernorm.weight", "layernorm.bias"}) {
    archive.Add(key, {2});
  }
  for (int i = 0; i < kBlocks; ++i) {
    const std::string stem = "encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"}) {
      archive.Add(stem + "attention.attention." + part + ".weight", {2, 3});
      archive.Add(stem + "attention.attention." + part + ".bias", {2});
    }
    for (const char* key : {"norm1.weight", "norm1.bias", "attention.output.dense.weight",
                            "attention.output.dense.bias", "layer_scale1.lambda1", "norm2.weight",
                            "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight",
                            "mlp.fc2.bias", "layer_scale2.lambda1"}) {
      archive.Add(stem + key, {2});
    }
  }
  return archive;
}

std::vector<std::string> Keys(const std::map<std::string, OwnedTensor>& tensors) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : tensors) keys.push_back(key);
  return keys;
}

std::vector<std::string> ModelKeys() {
  std::vector<std::string> keys;
  const Archive archive = TimmArchive();
  for (const auto& [key, view] : archive.views()) {
    if (key.rfind("norm.", 0) != 0) keys.push_back(key);
  }
  return keys;
}

TEST(MapBackboneKeys, TimmNamesStayWithoutTheFinalNorm) {
  const Archive archive = TimmArchive();
  const auto result = MapBackboneKeys(archive.views());
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->convention, "timm");
  EXPECT_EQ(Keys(result->tensors), ModelKeys());
  EXPECT_THAT(result->ignored, UnorderedElementsAre("norm.weight", "norm.bias"));
  EXPECT_EQ(result->tensors.at("blocks.1.ls2.gamma").bytes[0], archive.Fill("blocks.1.ls2.gamma"));
}

TEST(MapBackboneKeys, HubNamesAreTimmsWithAMaskToken) {
  Archive archive = TimmArchive();
  archive.Add("mask_token", {1, 2});
  const auto result = MapBackboneKeys(archive.views());
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->convention, "torch-hub");
  EXPECT_EQ(Keys(result->tensors), ModelKeys());
  EXPECT_THAT(result->ignored, UnorderedElementsAre("mask_token", "norm.weight", "norm.bias"));
}

TEST(MapBackboneKeys, HuggingFaceNamesBecomeTimms) {
  const Archive archive = HuggingFaceArchive();
  const auto result = MapBackboneKeys(archive.views());
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->convention, "huggingface");
  EXPECT_EQ(Keys(result->tensors), ModelKeys());
  EXPECT_THAT(result->ignored,
              UnorderedElementsAre("embeddings.mask_token", "layernorm.weight", "layernorm.bias"));
  const std::pair<const char*, const char*> rows[] = {
      {"cls_token", "embeddings.cls_token"},
      {"pos_embed", "embeddings.position_embeddings"},
      {"patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias"},
      {"blocks.1.norm2.weight", "encoder.layer.1.norm2.weight"},
      {"blocks.0.attn.proj.weight", "encoder.layer.0.attention.output.dense.weight"},
      {"blocks.1.ls1.gamma", "encoder.layer.1.layer_scale1.lambda1"},
      {"blocks.0.ls2.gamma", "encoder.layer.0.layer_scale2.lambda1"},
      {"blocks.1.mlp.fc2.bias", "encoder.layer.1.mlp.fc2.bias"},
  };
  for (const auto& [to, from] : rows) {
    EXPECT_EQ(result->tensors.at(to).bytes[0], archive.Fill(from)) << to;
  }
}

TEST(MapBackboneKeys, HuggingFaceQueryKeyValueAreStackedInThisOrder) {
  const Archive archive = HuggingFaceArchive();
  const auto result = MapBackboneKeys(archive.views());
  ASSERT_THAT(result, IsOk());
  const OwnedTensor& weight = result->tensors.at("blocks.1.attn.qkv.weight");
  EXPECT_THAT(weight.shape, ElementsAre(6, 3));
  ASSERT_EQ(weight.bytes.size(), 18u);
  const OwnedTensor& bias = result->tensors.at("blocks.1.attn.qkv.bias");
  EXPECT_THAT(bias.shape, ElementsAre(6));
  int row = 0;
  for (const char* part : {"query", "key", "value"}) {
    const std::string key = std::string("encoder.layer.1.attention.attention.") + part;
    EXPECT_EQ(weight.bytes[6 * row], archive.Fill(key + ".weight"));
    EXPECT_EQ(weight.bytes[6 * row + 5], archive.Fill(key + ".weight"));
    EXPECT_EQ(bias.bytes[2 * row], archive.Fill(key + ".bias"));
    ++row;
  }
}

TEST(MapBackboneKeys, MissingPartsOfAttentionAreNamed) {
  for (const char* part : {"query", "key", "value"}) {
    Archive archive = HuggingFaceArchive();
    const std::string key = std::string("encoder.layer.1.attention.attention.") + part + ".bias";
    archive.Remove(key);
    EXPECT_THAT(MapBackboneKeys(archive.views()), FailsWith(StatusCode::kDataLoss, key));
  }
}

TEST(MapBackboneKeys, PartsOfAttentionMustFitEachOther) {
  const std::string stem = "encoder.layer.0.attention.attention.";
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {6}, {2, 4}, {2, 3, 1}, {2, 0}}) {
    for (const char* part : {"query", "key", "value"}) {
      Archive archive = HuggingFaceArchive();
      archive.Add(stem + part + ".weight", shape);
      EXPECT_THAT(MapBackboneKeys(archive.views()), FailsWith(StatusCode::kDataLoss, stem)) << part;
    }
  }
}

TEST(MapBackboneKeys, KeysThatFitNoModelAreNamed) {
  for (Archive archive : {TimmArchive(), HuggingFaceArchive()}) {
    archive.Add("register_tokens_x", {1});
    EXPECT_THAT(MapBackboneKeys(archive.views()),
                FailsWith(StatusCode::kDataLoss, "register_tokens_x"));
  }
  Archive timm = TimmArchive();
  timm.Add("blocks.0.attn.qkv.scale", {1});
  EXPECT_THAT(MapBackboneKeys(timm.views()),
              FailsWith(StatusCode::kDataLoss, "blocks.0.attn.qkv.scale"));
}

TEST(MapBackboneKeys, OtherArchivesAreNotBackbones) {
  Archive archive;
  archive.Add("fc.weight", {1});
  EXPECT_THAT(MapBackboneKeys(archive.views()), FailsWith(StatusCode::kDataLoss, "cls_token"));
  EXPECT_THAT(MapBackboneKeys({}), FailsWith(StatusCode::kDataLoss, "cls_token"));
}

template <typename T>
OwnedTensor Tensor(DType dtype, const std::vector<T>& values) {
  OwnedTensor tensor{dtype, {static_cast<int64_t>(values.size())}, {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

template <typename T>
std::vector<T> Values(const OwnedTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

const std::vector<float> kNumbers = {0.0f, -0.0f, 1.0f, -2.5f, 0.333333f, 65504.0f, 1e-7f, 3e38f};

TEST(ConvertDType, HalvesAreThoseOfTheConversion) {
  const auto halves =
      Values<uint16_t>(ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kF16));
  ASSERT_EQ(halves.size(), kNumbers.size());
  for (size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(halves[i], FloatToHalf(kNumbers[i])) << i;
}

TEST(ConvertDType, HalvesAndBFloatsSurviveBinary32) {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bool half_nan = (bits & 0x7fff) > 0x7c00, bfloat_nan = (bits & 0x7fff) > 0x7f80;
    if (!half_nan && !bfloat_nan) all.push_back(static_cast<uint16_t>(bits));
  }
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const OwnedTensor wide = ConvertDType(Tensor(dtype, all).view(), DType::kF32);
    EXPECT_EQ(Values<uint16_t>(ConvertDType(wide.view(), dtype)), all) << DTypeName(dtype);
  }
}

TEST(ConvertDType, BFloatRoundsToNearestEven) {
  const std::vector<uint32_t> bits = {0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff};
  const OwnedTensor narrow = ConvertDType(Tensor(DType::kF32, bits).view(), DType::kBF16);
  EXPECT_THAT(Values<uint16_t>(narrow), ElementsAre(0x3f80, 0x3f82, 0x3f80, 0x3f81, 0x7f80));
}

TEST(ConvertDType, NanStaysNan) {
  const std::vector<uint32_t> nan = {0x7f800001, 0xffc00000};
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64}) {
    const OwnedTensor there = ConvertDType(Tensor(DType::kF32, nan).view(), dtype);
    for (const float value : Values<float>(ConvertDType(there.view(), DType::kF32))) {
      EXPECT_TRUE(std::isnan(value)) << DTypeName(dtype);
    }
  }
}

TEST(ConvertDType, DoublesKeepEveryFloat) {
  const OwnedTensor wide = ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kF64);
  EXPECT_EQ(Values<double>(wide), std::vector<double>(kNumbers.begin(), kNumbers.end()));
  EXPECT_EQ(Values<float>(ConvertDType(wide.view(), DType::kF32)), kNumbers);
}

TEST(ConvertDType, OtherTypesStayAsTheyAre) {
  const OwnedTensor integers = Tensor<int32_t>(DType::kI32, {1, -2});
  const OwnedTensor same = ConvertDType(integers.view(), DType::kF16);
  EXPECT_EQ(same.dtype, DType::kI32);
  EXPECT_EQ(same.bytes, integers.bytes);
  EXPECT_EQ(ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kI32).dtype, DType::kF32);
}

}  // namespace
}  // namespace slotmatch
