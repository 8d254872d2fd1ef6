#include "core/weights/key_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

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

std::vector<std::string> Keys(const TensorMap& tensors) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : tensors) keys.push_back(key);
  return keys;
}

std::vector<std::string> Unused(const MappedTensors& mapped) {
  std::vector<std::string> keys;
  for (const KeyUse& use : mapped.uses) {
    if (use.to.empty()) keys.push_back(use.from);
  }
  return keys;
}

// Same keys, shapes and bytes.
void ExpectSame(const TensorMap& a, const TensorMap& b) {
  EXPECT_EQ(Keys(a), Keys(b));
  for (const auto& [key, view] : a) {
    if (b.count(key) == 0) continue;
    EXPECT_EQ(view.shape, b.at(key).shape) << key;
    EXPECT_EQ(view.bytes, b.at(key).bytes) << key;
  }
}

TEST(FromTimm, NamesAreOursAndTheClassifierIsLeftOut) {
  Archive archive = TimmArchive();
  archive.Add("mask_token", {1, 2});
  const TensorMap ours = archive.views();
  archive.Add("head.weight", {2});
  const auto result = FromTimm(archive.views());
  ASSERT_THAT(result, IsOk());
  ExpectSame(result->tensors, ours);
  EXPECT_THAT(Unused(*result), ElementsAre("head.weight"));
  EXPECT_EQ(result->uses.size(), ours.size() + 1);
}

TEST(ToTimm, HasNoMaskToken) {
  Archive archive = TimmArchive();
  archive.Add("mask_token", {1, 2});
  const auto result = ToTimm(archive.views());
  ASSERT_THAT(result, IsOk());
  ExpectSame(result->tensors, TimmArchive().views());
  EXPECT_THAT(Unused(*result), ElementsAre("mask_token"));
  ExpectSame(ToTorchHub(archive.views())->tensors, archive.views());
}

TEST(FromHuggingFace, NamesBecomeOurs) {
  Archive archive = HuggingFaceArchive();
  archive.Add("classifier.weight", {2});
  const auto result = FromHuggingFace(archive.views());
  ASSERT_THAT(result, IsOk());
  Archive timm = TimmArchive();
  timm.Add("mask_token", {1});
  EXPECT_EQ(Keys(result->tensors), Keys(timm.views()));
  EXPECT_THAT(Unused(*result), ElementsAre("classifier.weight"));
  const std::pair<const char*, const char*> rows[] = {
      {"cls_token", "embeddings.cls_token"},
      {"mask_token", "embeddings.mask_token"},
      {"pos_embed", "embeddings.position_embeddings"},
      {"norm.bias", "layernorm.bias"},
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

TEST(FromHuggingFace, EveryKeyTellsWhereItWent) {
  const Archive archive = HuggingFaceArchive();
  const auto result = FromHuggingFace(archive.views());
  ASSERT_THAT(result, IsOk());
  std::map<std::string, std::string> uses;
  for (const KeyUse& use : result->uses) uses[use.from] = use.to;
  EXPECT_EQ(uses.size(), archive.views().size());
  EXPECT_EQ(uses["encoder.layer.1.attention.attention.key.bias"], "blocks.1.attn.qkv.bias");
  EXPECT_EQ(uses["layernorm.weight"], "norm.weight");
}

TEST(ToHuggingFace, IsTheWayBack) {
  const Archive archive = HuggingFaceArchive();
  const auto ours = FromHuggingFace(archive.views());
  ASSERT_THAT(ours, IsOk());
  const auto back = ToHuggingFace(ours->tensors);
  ASSERT_THAT(back, IsOk());
  ExpectSame(back->tensors, archive.views());
  EXPECT_THAT(Unused(*back), testing::IsEmpty());
}

TEST(ToHuggingFace, NeedsWhatDinoV2Has) {
  Archive plain;
  plain.Add("cls_token", {2});
  EXPECT_THAT(ToHuggingFace(plain.views()),
              FailsWith(StatusCode::kFailedPrecondition, "layer scale"));
  Archive odd = TimmArchive();
  odd.Add("blocks.0.attn.qkv.bias", {4});
  EXPECT_THAT(ToHuggingFace(odd.views()),
              FailsWith(StatusCode::kDataLoss, "blocks.0.attn.qkv.bias"));
}

TEST(FromHuggingFace, QueryKeyValueAreStackedInThisOrder) {
  const Archive archive = HuggingFaceArchive();
  const auto result = FromHuggingFace(archive.views());
  ASSERT_THAT(result, IsOk());
  const TensorView& weight = result->tensors.at("blocks.1.attn.qkv.weight");
  EXPECT_THAT(weight.shape, ElementsAre(6, 3));
  ASSERT_EQ(weight.bytes.size(), 18u);
  const TensorView& bias = result->tensors.at("blocks.1.attn.qkv.bias");
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

TEST(FromHuggingFace, MissingPartsOfAttentionAreNamed) {
  for (const char* part : {"query", "key", "value"}) {
    Archive archive = HuggingFaceArchive();
    const std::string key = std::string("encoder.layer.1.attention.attention.") + part + ".bias";
    archive.Remove(key);
    EXPECT_THAT(FromHuggingFace(archive.views()), FailsWith(StatusCode::kDataLoss, key));
  }
}

TEST(FromHuggingFace, PartsOfAttentionMustFitEachOther) {
  const std::string stem = "encoder.layer.0.attention.attention.";
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {6}, {2, 4}, {2, 3, 1}, {2, 0}}) {
    for (const char* part : {"query", "key", "value"}) {
      Archive archive = HuggingFaceArchive();
      archive.Add(stem + part + ".weight", shape);
      EXPECT_THAT(FromHuggingFace(archive.views()), FailsWith(StatusCode::kDataLoss, stem)) << part;
    }
  }
}

TEST(BackboneNames, KeysThatFitNoModelAreNamed) {
  for (const char* key : {"blocks.0.attn.qkv.scale", "block.0.norm1.weight", "blocks.x.ls1.gamma",
                          "blocks.", "cls_token.weight"}) {
    Archive timm = TimmArchive();
    timm.Add(key, {1});
    EXPECT_THAT(FromTimm(timm.views()), FailsWith(StatusCode::kDataLoss, key));
  }
  for (const char* key :
       {"encoder.layer.0.attention.attention.query.scale", "encoder.layer.", "encoder.layer.0",
        "encoder.layer.x.norm1.weight", "encoder.layer.0.attention.attention.query",
        "encoder.layer.0.attention.attention.values.bias", "embeddings.cls_tokens"}) {
    Archive hugging_face = HuggingFaceArchive();
    hugging_face.Add(key, {1});
    EXPECT_THAT(FromHuggingFace(hugging_face.views()), FailsWith(StatusCode::kDataLoss, key));
  }
}

TEST(BackboneNames, RegisterTokensAreRefusedByName) {
  Archive hub = TimmArchive(), timm = TimmArchive(), hugging_face = HuggingFaceArchive();
  hub.Add("register_tokens", {1, 4, 2});
  timm.Add("reg_token", {1, 4, 2});
  hugging_face.Add("embeddings.register_tokens", {1, 4, 2});
  const std::string fragment = "register tokens are not supported";
  EXPECT_THAT(FromTimm(hub.views()), FailsWith(StatusCode::kDataLoss, fragment));
  EXPECT_THAT(FromTimm(timm.views()), FailsWith(StatusCode::kDataLoss, fragment));
  EXPECT_THAT(FromHuggingFace(hugging_face.views()), FailsWith(StatusCode::kDataLoss, fragment));
}

// Keys of a whole model; `module` is ".module" in a video model.
Archive WholeModel(const std::string& module) {
  Archive archive;
  for (const std::string& key :
       {std::string("initializer.slots"), "encoder" + module + ".backbone.model.cls_token",
        "encoder" + module + ".output_transform.layers.0.bias",
        "processor" + module + ".corrector.to_k.weight", "decoder" + module + ".pos_emb"}) {
    archive.Add(key, {2});
  }
  return archive;
}

TEST(WholeModelNames, ImageModelsLackTheModule) {
  const Archive image = WholeModel("");
  const auto ours = FromImageModel(image.views());
  ASSERT_THAT(ours, IsOk());
  ExpectSame(ours->tensors, WholeModel(".module").views());
  const auto back = ToImageModel(ours->tensors);
  ASSERT_THAT(back, IsOk());
  ExpectSame(back->tensors, image.views());
}

TEST(WholeModelNames, VideoModelsKeepTheirNamesAndLoseWhatFollowsTheEncoder) {
  Archive archive = WholeModel(".module");
  archive.Add("processor.module.predictor.blocks.0.norm1.bias", {2});
  const TensorMap ours = archive.views();
  archive.Add("encoder.module.backbone.model.norm.weight", {2});
  archive.Add("encoder.module.backbone.model.mask_token", {2});
  for (const auto& map : {FromVideoModel(archive.views()), ToVideoModel(archive.views())}) {
    ASSERT_THAT(map, IsOk());
    ExpectSame(map->tensors, ours);
    EXPECT_THAT(Unused(*map), ElementsAre("encoder.module.backbone.model.mask_token",
                                          "encoder.module.backbone.model.norm.weight"));
  }
}

TEST(WholeModelNames, KeysThatFitNoModelAreNamed) {
  Archive video = WholeModel(".module");
  video.Add("distill.weight", {2});
  EXPECT_THAT(FromVideoModel(video.views()), FailsWith(StatusCode::kDataLoss, "distill.weight"));
  Archive image = WholeModel("");
  const std::string predictor = "processor.module.predictor.blocks.0.norm1.bias";
  image.Add(predictor, {2});
  EXPECT_THAT(FromImageModel(image.views()), FailsWith(StatusCode::kDataLoss, predictor));
  Archive ours = WholeModel(".module");
  ours.Add(predictor, {2});
  EXPECT_THAT(ToImageModel(ours.views()), FailsWith(StatusCode::kDataLoss, predictor));
}

}  // namespace
}  // namespace slotmatch
