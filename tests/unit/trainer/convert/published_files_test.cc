// Files that the reference implementation and the programs around it wrote, with the outputs they
// must give. Skipped where that material is not beside the repository.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "tests/support/shared_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"
#include "trainer/convert/export_model.h"
#include "trainer/convert/import_model.h"

namespace slotmatch {
namespace {

constexpr double kTolerance = 1e-5;  // of the largest value of a tensor, as float32 allows

void ExpectClose(const torch::Tensor& ours, const torch::Tensor& theirs, const char* what) {
  EXPECT_LE(MaxDifference(ours, theirs), kTolerance * theirs.abs().max().item<double>()) << what;
}

class PublishedFiles : public testing::Test {
 protected:
  // False: skip, the file is not there.
  bool Find(const std::string& name) {
    source_ = SharedFile("fixtures/" + name);
    return !source_.empty();
  }
  std::shared_ptr<const SafetensorsFile> Expected(const std::string& name) {
    auto file = SafetensorsFile::Open(SharedFile("fixtures/" + name));
    EXPECT_THAT(file, IsOk());
    return *file;
  }
  static int64_t Setting(const SafetensorsFile& file, const std::string& key) {
    return nlohmann::json::parse(file.metadata().at(key)).get<int64_t>();
  }
  absl::StatusOr<ModelFiles> Import(const std::string& from, const std::string& name) {
    request_.from = from;
    request_.name = name;
    request_.directory = root_ + "/" + name + "/1";
    const auto result = ImportModel(request_);
    if (!result.ok()) return result.status();
    PartCache cache;
    return OpenModelDirectory(request_.directory, &cache);
  }
  // Out in every format that holds it, and in again: no bit changes.
  void ExpectRoundTrips(const ModelFiles& files) {
    for (const ExportFormat& format : ExportFormats()) {
      const bool whole_model = files.manifest.role() != "backbone";
      if (format.whole_model != whole_model) continue;
      SCOPED_TRACE(format.name);
      const std::string file = root_ + "/" + format.name + ".ckpt";
      ASSERT_THAT(ExportModel(files.directory, format, file), IsOk());
      const auto again = Import(file, files.manifest.name() + "_again_" + format.name);
      ASSERT_THAT(again, IsOk());
      for (const auto& [key, view] : again->tensors) {
        ASSERT_NE(files.Find(key), nullptr) << key;
        EXPECT_TRUE(BitIdentical(ToTorch(view), ToTorch(*files.Find(key)))) << key;
      }
      const size_t dropped = std::string(format.name) == "timm" && files.Find("mask_token") ? 1 : 0;
      EXPECT_EQ(again->tensors.size() + dropped, files.tensors.size());
    }
  }

  std::string root_ = FreshDirectory("published_files");
  std::string source_;
  ImportRequest request_;
};

class PublishedBackbone : public PublishedFiles, public testing::WithParamInterface<const char*> {};

TEST_P(PublishedBackbone, GivesTheReferencesTokens) {
  const std::string name = std::string("checkpoints/") + GetParam();
  if (!Find(name)) GTEST_SKIP() << name << " is not here";
  const auto expected = Expected("checkpoints/expected.safetensors");
  request_.hints.num_heads = Setting(*expected, "vit_heads");
  const auto files = Import(source_, "vit");
  ASSERT_THAT(files, IsOk());
  Vit vit(EncoderShape(files->manifest.model().encoder()).value());
  ASSERT_THAT(LoadParameters(files->tensors, /*strict=*/false, vit.ptr().get()), IsOk());
  torch::NoGradGuard no_grad;
  const VitFeatures features = vit->Features(ToTorch(*expected->Find("vit.in.images")));
  ExpectClose(features.tokens, ToTorch(*expected->Find("vit.out.tokens")), "tokens");
  ExpectClose(features.keys, ToTorch(*expected->Find("vit.out.keys")), "keys");
  ExpectRoundTrips(*files);
}

INSTANTIATE_TEST_SUITE_P(All, PublishedBackbone,
                         testing::Values("dinov2_tiny_hub.pth", "dinov2_tiny_hub_legacy.pth",
                                         "dinov2_tiny_timm.safetensors",
                                         "dinov2_tiny_hf.safetensors",
                                         "dinov2_tiny_hf_pytorch_model.bin"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = std::isalnum(c) ? c : '_';
                           return name;
                         });

// Slots, masks and reconstruction of a clip [B, T, 3, H, W].
struct ClipOutputs {
  torch::Tensor features, slots, attention, masks;
  torch::Tensor decoded;  // [B, T, N, channels]: tokens, similarities, or both
};
ClipOutputs RunClip(VideoModel model, const torch::Tensor& video, const torch::Tensor& noise) {
  torch::NoGradGuard no_grad;
  const int64_t batch = video.size(0), frames = video.size(1);
  const torch::Tensor tokens = model->Encode(video.flatten(0, 1));  // [B * T, N, D]
  const torch::Tensor features = model->Transform(tokens.unflatten(0, {batch, frames}));
  const ScanResult scan = model->Scan(features, model->InitialState(batch, noise));
  const DecodeResult decoded = model->Decode(scan.slots);
  std::vector<torch::Tensor> channels;
  for (const torch::Tensor& part : {decoded.reconstruction, decoded.similarity}) {
    if (part.defined()) channels.push_back(part);
  }
  return {features, scan.slots, scan.attention, decoded.masks, torch::cat(channels, -1)};
}

TEST_F(PublishedFiles, VideoModelsGiveTheReferencesOutputs) {
  for (const char* name : {"video_tiny", "video_saur_tiny", "video_saur_movi_tiny"}) {
    SCOPED_TRACE(name);
    const std::string file = std::string(name) + ".safetensors";
    if (!Find(file)) GTEST_SKIP() << file << " is not here";
    const auto expected = Expected(file);
    request_.hints.num_heads = Setting(*expected, "vit_heads");
    const TensorView* noise = expected->Find("in.noise");
    request_.hints.num_slots = noise == nullptr ? 0 : noise->shape[1];
    request_.map.prefix = "param.";
    const auto files = Import(source_, name);
    request_.map.prefix.clear();
    ASSERT_THAT(files, IsOk());
    const auto model = LoadVideoModel(*files);
    ASSERT_THAT(model, IsOk());
    const ClipOutputs ours = RunClip(*model, ToTorch(*expected->Find("in.video")),
                                     noise == nullptr ? torch::Tensor() : ToTorch(*noise));
    const std::pair<const char*, torch::Tensor> rows[] = {
        {"out.encoder.features", ours.features},
        {"out.processor.state", ours.slots},
        {"out.processor.corrector.masks", ours.attention},
        {"out.decoder.masks", ours.masks},
        {"out.decoder.reconstruction", ours.decoded}};
    for (const auto& [key, tensor] : rows) {
      ExpectClose(tensor, ToTorch(*expected->Find(key)), key);
    }
    ExpectRoundTrips(*files);
  }
}

TEST_F(PublishedFiles, LightningCheckpointGivesTheReferencesOutputs) {
  const std::string file = "checkpoints/slotcontrast_tiny.ckpt";
  if (!Find(file)) GTEST_SKIP() << file << " is not here";
  const auto expected = Expected("checkpoints/expected.safetensors");
  request_.hints.num_heads = Setting(*expected, "vit_heads");
  const auto files = Import(source_, "ckpt");
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(files->manifest.provenance().steps(),
            ToTorch(*expected->Find("ckpt.global_step")).item<int64_t>());
  const auto model = LoadVideoModel(*files);
  ASSERT_THAT(model, IsOk());
  const ClipOutputs ours = RunClip(*model, ToTorch(*expected->Find("ckpt.in.video")), {});
  ExpectClose(ours.slots, ToTorch(*expected->Find("ckpt.out.state")), "state");
  ExpectClose(ours.masks, ToTorch(*expected->Find("ckpt.out.masks")), "masks");
  ExpectClose(ours.decoded, ToTorch(*expected->Find("ckpt.out.reconstruction")), "reconstruction");
  ExpectRoundTrips(*files);
}

}  // namespace
}  // namespace slotmatch
