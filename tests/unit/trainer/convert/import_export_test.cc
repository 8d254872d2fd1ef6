// Published weights in and out: what an import makes gives the outputs of its source, and the way
// out and in again changes no bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "core/base/files.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/convert/views.h"
#include "trainer/convert/export_model.h"
#include "trainer/convert/import_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using Tensors = std::map<std::string, torch::Tensor>;

// The tiny backbone's tensors in timm's names, with what no model here uses.
Tensors VitTensors(const Vit& vit, bool mask_token = true) {
  Tensors tensors = NamedTensors(*vit, {});
  const int64_t dim = vit->shape().dim;
  tensors["norm.weight"] = torch::rand({dim});
  tensors["norm.bias"] = torch::rand({dim});
  if (mask_token) tensors["mask_token"] = torch::rand({1, dim});
  return tensors;
}

class ImportExport : public testing::Test {
 protected:
  ImportExport() {
    request_.name = "tiny";
    request_.hints.num_heads = 2;
    torch::manual_seed(70);
    vit_ = Vit(EncoderShape(config_.encoder()).value());
  }

  std::string WriteSource(const std::string& name, const TensorMap& tensors) const {
    const std::string path = root_ + "/" + name;
    EXPECT_THAT(WriteSafetensors(path, tensors), IsOk());
    return path;
  }
  // Imports into repository/NAME/1; returns the directory.
  absl::StatusOr<std::string> Import(const std::string& from, const std::string& name) {
    request_.from = from;
    request_.directory = root_ + "/repository/" + name + "/1";
    const auto result = ImportModel(request_);
    if (!result.ok()) return result.status();
    return request_.directory;
  }
  static ModelFiles Open(const std::string& directory) {
    PartCache cache;
    auto files = OpenModelDirectory(directory, &cache);
    EXPECT_THAT(files, IsOk());
    return *std::move(files);
  }
  static VideoModel Load(const std::string& directory) {
    auto model = LoadVideoModel(Open(directory));
    EXPECT_THAT(model, IsOk());
    return *std::move(model);
  }
  // Import, export as `format` to FILE, import again: the same weights, bit for bit.
  void ExpectRoundTrip(const std::string& source, const std::string& format,
                       const std::string& file) {
    SCOPED_TRACE(format + " " + file);
    const auto first = Import(source, "first_" + file);
    ASSERT_THAT(first, IsOk());
    const std::string out = root_ + "/" + file;
    ASSERT_THAT(ExportModel(*first, *FindExportFormat(format), out), IsOk());
    const auto second = Import(out, "second_" + file);
    ASSERT_THAT(second, IsOk());
    ExpectSameParts(*first, *second);
  }
  static void ExpectSameParts(const std::string& first, const std::string& second) {
    const config::Manifest a = Open(first).manifest, b = Open(second).manifest;
    ASSERT_EQ(a.parts_size(), b.parts_size());
    for (int i = 0; i < a.parts_size(); ++i) {
      EXPECT_EQ(a.parts(i).sha256(), b.parts(i).sha256()) << a.parts(i).file();
    }
  }

  const std::string root_ = FreshDirectory("import_export");
  const config::ModelConfig config_ = TinyModelConfig();
  ImportRequest request_;
  Vit vit_{nullptr};
};

TEST_F(ImportExport, BackboneKeepsEveryTensorAndItsTokens) {
  torch::NoGradGuard no_grad;
  const Tensors tensors = VitTensors(vit_);
  const auto directory = Import(WriteSource("vit.safetensors", Views(tensors)), "vit");
  ASSERT_THAT(directory, IsOk());
  const ModelFiles files = Open(*directory);
  EXPECT_EQ(files.manifest.role(), "backbone");
  EXPECT_EQ(files.tensors.size(), tensors.size());
  for (const auto& [key, tensor] : tensors) {
    ASSERT_NE(files.Find(key), nullptr) << key;
    EXPECT_TRUE(BitIdentical(ToTorch(*files.Find(key)), tensor)) << key;
  }
  Vit loaded(EncoderShape(files.manifest.model().encoder()).value());
  ASSERT_THAT(LoadParameters(files.tensors, /*strict=*/false, loaded.ptr().get()), IsOk());
  const torch::Tensor frames = torch::randn({1, 3, 56, 56});
  EXPECT_TRUE(torch::equal(loaded->forward(frames), vit_->forward(frames)));
}

TEST_F(ImportExport, BackboneGoesOutAndInUnchangedInEveryFormat) {
  const Tensors all = VitTensors(vit_);
  Tensors timm = all;
  timm.erase("mask_token");
  for (const ExportFormat& format : ExportFormats()) {
    if (format.whole_model) continue;
    const std::string name = format.name;
    const std::string source = WriteSource("s.safetensors", Views(name == "timm" ? timm : all));
    ExpectRoundTrip(source, name, name + ".safetensors");
    ExpectRoundTrip(source, name, name + ".pth");
  }
}

TEST_F(ImportExport, ExportedNamesAreThoseOfTheFormat) {
  const auto directory = Import(WriteSource("vit.safetensors", Views(VitTensors(vit_))), "vit");
  ASSERT_THAT(directory, IsOk());
  const std::pair<const char*, const char*> rows[] = {
      {"torch-hub", "mask_token"},
      {"timm", "blocks.1.attn.qkv.weight"},
      {"hf", "encoder.layer.1.attention.attention.query.weight"}};
  for (const auto& [format, key] : rows) {
    const std::string file = root_ + "/" + format + ".pth";
    ASSERT_THAT(ExportModel(*directory, *FindExportFormat(format), file), IsOk());
    const std::string bytes = ReadFile(file).value();
    const auto dict = torch::pickle_load({bytes.begin(), bytes.end()}).toGenericDict();
    EXPECT_TRUE(dict.contains(key)) << format;
    EXPECT_EQ(dict.contains("mask_token"), std::string(format) == "torch-hub");
  }
}

// A whole model as the reference writes it, safetensors standing for the pickle.
class WholeModel : public ImportExport {
 protected:
  WholeModel() : model_(MakeTinyModel(config_, 71)) {
    model_->eval();
    Set({});
  }
  // What no tensor tells, and `settings`.
  void Set(std::vector<std::string> settings) {
    settings.push_back("model.predictor.num_heads=2");
    request_.settings = std::move(settings);
  }
  std::string Source(const std::string& prefix = "state_dict.") const {
    Tensors tensors = NamedTensors(*model_, {});
    TensorMap views;
    for (const auto& [key, tensor] : tensors) views.emplace(prefix + key, ToView(tensor));
    const torch::Tensor moment = torch::zeros({3});
    views.emplace("optimizer_states.0.state.0.exp_avg", ToView(moment));
    return WriteSource("model.safetensors", views);
  }
  // Slots and reconstruction of two frames.
  static torch::Tensor Outputs(VideoModel model) {
    torch::NoGradGuard no_grad;
    torch::manual_seed(72);
    const torch::Tensor frames = torch::randn({2, 3, 56, 56});
    const torch::Tensor features = model->Transform(model->NormalizeTokens(model->Encode(frames)));
    const ScanResult scan = model->Scan(features.unsqueeze(0), model->InitialState(1));
    const DecodeResult decoded = model->Decode(scan.slots);
    return torch::cat(
        {scan.slots.flatten(), decoded.masks.flatten(), decoded.reconstruction.flatten()});
  }

  VideoModel model_;
};

TEST_F(WholeModel, GivesTheOutputsOfItsSource) {
  const auto directory = Import(Source(), "whole");
  ASSERT_THAT(directory, IsOk());
  EXPECT_TRUE(torch::equal(Outputs(Load(*directory)), Outputs(model_)));
  const config::Manifest manifest = Open(*directory).manifest;
  EXPECT_EQ(manifest.role(), "teacher");
  EXPECT_EQ(manifest.model().mask_source(), config::DECODER);
  EXPECT_EQ(manifest.model().target_normalization(), config::NONE);
  EXPECT_EQ(manifest.preprocessing().geometry(), config::Preprocessing::CENTER_SQUARE);
  EXPECT_EQ(manifest.preprocessing().interpolation(), config::Preprocessing::BICUBIC);
  EXPECT_TRUE(absl::StartsWith(manifest.provenance().data(), "model.safetensors (SHA-256 "));
}

TEST_F(WholeModel, GoesOutAndInUnchanged) {
  ExpectRoundTrip(Source(), "state-dict", "whole.safetensors");
  ExpectRoundTrip(Source(), "state-dict", "whole.pth");
  Set({"provenance.steps=1234"});
  ExpectRoundTrip(Source(), "lightning", "whole.ckpt");
  Set({});
  ASSERT_THAT(Import(root_ + "/whole.ckpt", "steps"), IsOk());
  EXPECT_EQ(Open(request_.directory).manifest.provenance().steps(), 1234);
}

TEST_F(WholeModel, SharesABackboneThatIsTheSame) {
  const auto vit =
      Import(WriteSource("vit.safetensors", Views(VitTensors(model_->backbone()))), "vit");
  ASSERT_THAT(vit, IsOk());
  request_.backbone = *vit;
  const auto directory = Import(Source(), "whole");
  ASSERT_THAT(directory, IsOk());
  EXPECT_EQ(Open(*directory).manifest.parts(0).file(), "../../vit/1/weights.safetensors");
  EXPECT_FALSE(fs::exists(*directory + "/backbone.safetensors"));
  EXPECT_TRUE(torch::equal(Outputs(Load(*directory)), Outputs(model_)));
}

TEST_F(WholeModel, AnotherBackboneIsNotShared) {
  const auto other = Import(WriteSource("vit.safetensors", Views(VitTensors(vit_))), "other");
  ASSERT_THAT(other, IsOk());
  request_.backbone = *other;
  EXPECT_THAT(Import(Source(), "whole"),
              FailsWith(StatusCode::kFailedPrecondition, "is another one"));
  request_.backbone.clear();
  request_.dtype = "f16";
  const auto half =
      Import(WriteSource("half.safetensors", Views(VitTensors(model_->backbone()))), "half");
  ASSERT_THAT(half, IsOk());
  request_.dtype = "keep";
  request_.backbone = *half;
  EXPECT_THAT(Import(Source(), "whole"),
              FailsWith(StatusCode::kFailedPrecondition, "F16, here F32; see --dtype"));
  request_.dtype = "f16";
  EXPECT_THAT(Import(Source(), "whole"), IsOk());
}

TEST_F(WholeModel, TypesAreKeptUnlessAnotherIsAskedFor) {
  for (const auto& [name, dtype] : {std::pair("keep", DType::kF32), std::pair("f16", DType::kF16),
                                    std::pair("bf16", DType::kBF16)}) {
    request_.dtype = name;
    const auto directory = Import(Source(), name);
    ASSERT_THAT(directory, IsOk());
    for (const auto& [key, view] : Open(*directory).tensors) EXPECT_EQ(view.dtype, dtype) << key;
    EXPECT_LT(MaxDifference(Outputs(Load(*directory)), Outputs(model_)), 0.1);
  }
  request_.dtype = "int4";
  EXPECT_THAT(Import(Source(), "odd"), FailsWith(StatusCode::kInvalidArgument, "--dtype 'int4'"));
}

TEST_F(WholeModel, SettingsOverrideWhatIsInferred) {
  request_.settings = {"model.slot_attention.iterations=3", "role=student", "license=MIT",
                       "preprocessing.geometry=STRETCH", "model.predictor.num_heads=1"};
  const auto directory = Import(Source(), "set");
  ASSERT_THAT(directory, IsOk());
  const config::Manifest manifest = Open(*directory).manifest;
  EXPECT_EQ(manifest.model().slot_attention().iterations(), 3);
  EXPECT_EQ(manifest.model().predictor().num_heads(), 1);
  EXPECT_EQ(manifest.role(), "student");
  EXPECT_EQ(manifest.license(), "MIT");
  EXPECT_EQ(manifest.preprocessing().geometry(), config::Preprocessing::STRETCH);
  request_.settings = {"model.predictor.num_heads=3"};
  EXPECT_THAT(Import(Source(), "odd"), FailsWith(StatusCode::kFailedPrecondition, "num_heads 3"));
  request_.settings = {"modell=1"};
  EXPECT_THAT(Import(Source(), "odd"), FailsWith(StatusCode::kFailedPrecondition, "modell"));
}

TEST_F(WholeModel, OurOwnModelsGoOutAndInToo) {
  config::ModelConfig config = config_;
  config.set_target_normalization(config::COSINE);
  config.mutable_feature_transform()->set_learned_position(true);
  config.mutable_grouping_head()->set_enabled(true);
  model_ = MakeTinyModel(config, 73);
  EXPECT_THAT(Import(Source(), "own"),
              FailsWith(StatusCode::kInvalidArgument, "model.target_normalization=COSINE"));
  Set({"model.target_normalization=COSINE"});
  ExpectRoundTrip(Source(), "state-dict", "own.safetensors");
  EXPECT_TRUE(
      torch::equal(Outputs(Load(root_ + "/repository/second_own.safetensors/1")), Outputs(model_)));
}

TEST_F(WholeModel, ImageModelsComeWithoutModuleInTheirKeys) {
  config::ModelConfig config = config_;
  config.mutable_predictor()->set_kind("none");
  model_ = MakeTinyModel(config, 74);
  const Tensors tensors = NamedTensors(*model_, {});
  const auto image = ToImageModel(Views(tensors));
  ASSERT_THAT(image, IsOk());
  ASSERT_EQ(image->tensors.count("processor.corrector.to_q.weight"), 1u);
  const std::string source = WriteSource("image.safetensors", image->tensors);
  ExpectRoundTrip(source, "lightning", "image.ckpt");
  const std::string directory = root_ + "/repository/second_image.ckpt/1";
  EXPECT_EQ(Open(directory).manifest.model().predictor().kind(), "none");
  EXPECT_TRUE(torch::equal(Outputs(Load(directory)), Outputs(model_)));
}

TEST_F(WholeModel, OnlyTheEncoderCanBeTaken) {
  request_.map.kind = "timm";
  const auto directory = Import(Source(), "encoder");
  ASSERT_THAT(directory, IsOk());
  EXPECT_EQ(Open(*directory).manifest.role(), "backbone");
  EXPECT_EQ(Open(*directory).tensors.size(), NamedTensors(*model_->backbone(), {}).size());
}

TEST_F(WholeModel, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  Tensors tensors = NamedTensors(*model_, {});
  tensors.erase("processor.module.corrector.gru.bias_hh");
  tensors["decoder.module.mlp.layers.0.bias"] = torch::zeros({5});
  tensors["decoder.module.extra"] = torch::zeros({5});
  const auto imported = Import(WriteSource("odd.safetensors", Views(tensors)), "odd");
  for (const char* fragment :
       {"odd.safetensors: ", "missing processor.module.corrector.gru.bias_hh",
        "wrong shape decoder.module.mlp.layers.0.bias [5] instead of [12]",
        "unexpected decoder.module.extra"}) {
    EXPECT_THAT(imported, FailsWith(StatusCode::kDataLoss, fragment));
  }
  EXPECT_FALSE(fs::exists(root_ + "/repository"));
}

TEST_F(WholeModel, AModelIsNotOverwritten) {
  ASSERT_THAT(Import(Source(), "whole"), IsOk());
  EXPECT_THAT(Import(Source(), "whole"), FailsWith(StatusCode::kAlreadyExists, "whole/1"));
}

TEST_F(WholeModel, ExportSaysWhatCannotBe) {
  const auto whole = Import(Source(), "whole");
  const auto vit = Import(WriteSource("vit.safetensors", Views(VitTensors(vit_))), "vit");
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(vit, IsOk());
  const ExportFormat& lightning = *FindExportFormat("lightning");
  EXPECT_THAT(ExportModel(*vit, lightning, root_ + "/x.ckpt"),
              FailsWith(StatusCode::kFailedPrecondition, "is a backbone"));
  EXPECT_THAT(ExportModel(*whole, lightning, root_ + "/x.safetensors"),
              FailsWith(StatusCode::kInvalidArgument, "x.safetensors"));
  EXPECT_THAT(ExportModel(*whole, *FindExportFormat("timm"), root_ + "/x.onnx"),
              FailsWith(StatusCode::kInvalidArgument, ".safetensors"));
  EXPECT_THAT(ExportModel(root_ + "/nowhere", lightning, root_ + "/x.ckpt"),
              FailsWith(StatusCode::kNotFound, "nowhere"));
  EXPECT_EQ(FindExportFormat("caffe"), nullptr);
}

}  // namespace
}  // namespace slotmatch
