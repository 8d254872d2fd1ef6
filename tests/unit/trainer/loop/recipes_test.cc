// Every recipe under configs/train, cut down by overrides as a user would: a few steps from frames
// to a model that opens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "trainer/eval/validation.h"
#include "trainer/loop/model_writer.h"
#include "trainer/loop/trainer.h"
#include "trainer/loss/loss.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kClips[] = "{kind: 'davis' path: 'samples/moving_solids' split: '%s'}";

// Files that only serve as bases lie in a folder of that name.
std::vector<std::string> RecipeFiles() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator("configs/train")) {
    const bool base = entry.path().parent_path().filename() == "base";
    if (entry.path().extension() == ".textproto" && !base) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

config::TrainConfig Load(const std::string& file) {
  config::TrainConfig config;
  const absl::Status status = LoadConfigFile(file, &config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

class Recipes : public testing::Test {
 protected:
  // A grid of 4x4 tokens of width `dim`, whatever the patch size.
  static std::vector<std::string> TinyEncoder(const config::EncoderConfig& encoder, int dim) {
    const auto side = 4 * EncoderShape(encoder)->patch_px;
    std::vector<std::string> overrides;
    for (const std::string& set :
         {absl::StrCat("embed_dim=", dim), std::string("num_heads=2"), std::string("depth=1"),
          std::string("pos_grid=4"), absl::StrCat("input_height_px=", side),
          absl::StrCat("input_width_px=", side)}) {
      overrides.push_back("model.encoder." + set);
    }
    return overrides;
  }

  // A teacher of the config's slots with an encoder and a decoder of its own.
  std::string WriteTeacher(config::TrainConfig config) {
    config.mutable_model()->mutable_encoder()->set_embed_dim(16);
    config.set_backbone(
        WriteTinyBackbone(folder_ + "/teacher_backbone", config.model().encoder(), 3));
    ModelToWrite teacher;
    teacher.directory = folder_ + "/models/teacher/1";
    teacher.config = config;
    teacher.tensors = NamedTensors(*MakeTinyModel(config.model(), 4, WithEncoder::kNo), {});
    fs::remove_all(folder_ + "/models");
    EXPECT_TRUE(WriteModel(teacher).ok());
    return teacher.directory;
  }

  config::TrainConfig CutDown(config::TrainConfig config) {
    std::vector<std::string> overrides = TinyEncoder(config.model().encoder(), 24);
    overrides.insert(overrides.end(),
                     {"model.decoder.hidden_dim=8", "model.grouping_head.hidden_dim=8",
                      "data.datasets=" + absl::StrFormat(kClips, "train"), "data.batch_clips=2",
                      "data.crop_variants=1", "data.feature_cache_dir=" + folder_ + "/cache",
                      "optim.warmup_steps=0", "loop.max_steps=2", "loop.threads=1", "init_from=",
                      absl::StrCat("data.clip_frames=", std::min(config.data().clip_frames(), 4))});
    if (config.has_validation()) {
      overrides.push_back("validation.dataset=" + absl::StrFormat(kClips, "val"));
      overrides.push_back("validation.max_videos=1");
    }
    EXPECT_TRUE(ApplyOverrides(overrides, &config).ok());
    config.set_backbone(WriteTinyBackbone(folder_ + "/backbone", config.model().encoder(), 2));
    if (!config.teacher().path().empty()) config.mutable_teacher()->set_path(WriteTeacher(config));
    return config;
  }

  std::string folder_ = FreshDirectory("recipes");
};

TEST_F(Recipes, AreThere) { EXPECT_GE(RecipeFiles().size(), 40u); }

TEST_F(Recipes, TrainFromFramesToAModel) {
  std::set<std::string> names;
  for (const std::string& file : RecipeFiles()) {
    SCOPED_TRACE(file);
    const config::TrainConfig config = CutDown(Load(file));
    EXPECT_TRUE(names.insert(config.name()).second)
        << "two recipes write to runs/" << config.name();
    const auto validator = MakeValidator(config);
    ASSERT_TRUE(validator.ok()) << validator.status();
    TrainOptions options;
    options.out = folder_ + "/" + config.name();
    options.progress = false;
    options.validator = validator->get();
    const absl::Status status = Train(config, options);
    ASSERT_TRUE(status.ok()) << status;
    PartCache parts;
    const auto files = OpenModelDirectory(options.out + "/models/" + config.name() + "/1", &parts);
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_TRUE(LoadVideoModel(*files).ok());
    EXPECT_EQ(!ReadFile(options.out + "/scores.jsonl")->empty(), config.has_validation());
  }
}

// SlotMatch, Table 8: batch, rate, steps; slots, their width and the input.
TEST_F(Recipes, HaveThePapersSettings) {
  struct Row {
    const char* file;
    int batch, slots, slot_dim, input;
    double rate;
    int64_t steps;
  };
  for (const Row& row :
       {Row{"movi_e", 16, 15, 128, 336, 4e-4, 300000}, Row{"ytvis", 64, 7, 64, 518, 8e-4, 100000},
        Row{"davis", 16, 4, 128, 336, 8e-4, 100000}}) {
    for (const char* who : {"slotmatch", "slotcontrast"}) {
      SCOPED_TRACE(absl::StrCat(row.file, " ", who));
      const config::TrainConfig config =
          Load(absl::StrCat("configs/train/", row.file, "/", who, ".textproto"));
      EXPECT_EQ(config.data().batch_clips(), row.batch);
      EXPECT_EQ(config.data().clip_frames(), 4);
      EXPECT_EQ(config.model().num_slots(), row.slots);
      EXPECT_EQ(config.model().slot_dim(), row.slot_dim);
      EXPECT_EQ(config.model().encoder().input_height_px(), row.input);
      EXPECT_EQ(config.model().encoder().input_width_px(), row.input);
      EXPECT_EQ(config.model().encoder().variant(), who == std::string("slotmatch")
                                                        ? "vit_small_patch14_dinov2"
                                                        : "vit_base_patch14_dinov2");
      EXPECT_EQ(config.optim().learning_rate(), row.rate);
      EXPECT_EQ(config.optim().clip_norm(), 0.05);
      EXPECT_EQ(config.loop().max_steps(), row.steps);
      EXPECT_EQ(config.loop().seed(), 42);
    }
  }
}

std::string LossesOf(const config::TrainConfig& config) {
  std::string text;
  for (const config::LossConfig& loss : config.losses()) {
    absl::StrAppend(&text, loss.name(), " ", loss.weight(),
                    loss.slot_distance() == config::LossConfig::MEAN_SQUARE ? " mse" : "",
                    loss.slot_matching() == config::LossConfig::PER_FRAME ? " matched" : "", "; ");
  }
  return text;
}

// The distillation rows of Table 1 and Table 5, and the sweep of Table 4.
TEST_F(Recipes, DifferInTheirLossesAlone) {
  const std::string own = "reconstruction 1; slot_contrast 1; ";
  const std::pair<const char*, std::string> rows[] = {
      {"no_kd", own},
      {"feature_kd", own + "feature_kd 0.2; "},
      {"reconstruction_kd", own + "reconstruction_kd 0.2; "},
      {"slotmatch", own + "slot_kd 0.2; "},
      {"slotmatch_mse", own + "slot_kd 0.2 mse; "},
      {"slotmatch_reconstruction_kd", own + "slot_kd 0.2; reconstruction_kd 0.2; "},
      {"slotmatch_matching", own + "slot_kd 0.2 matched; "},
      {"slotmatch_beta_0_1", own + "slot_kd 0.1; "},
      {"slotmatch_beta_0_3", own + "slot_kd 0.3; "},
      {"slotmatch_beta_0_5", own + "slot_kd 0.5; "},
      {"slotmatch_beta_0_8", own + "slot_kd 0.8; "}};
  config::TrainConfig slotmatch = Load("configs/train/ytvis/slotmatch.textproto");
  for (const auto& [name, losses] : rows) {
    SCOPED_TRACE(name);
    config::TrainConfig config = Load(absl::StrCat("configs/train/ytvis/", name, ".textproto"));
    EXPECT_EQ(LossesOf(config), losses);
    EXPECT_EQ(config.teacher().path().empty(), name == std::string("no_kd"));
    for (config::TrainConfig* c : {&config, &slotmatch}) {
      c->clear_losses();
      c->clear_name();
      c->clear_teacher();
    }
    EXPECT_EQ(config.DebugString(), slotmatch.DebugString());
  }
}

}  // namespace
}  // namespace slotmatch
