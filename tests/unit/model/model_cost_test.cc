#include "core/model/model_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/config/config.h"
#include "core/model/decoder/decoder.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

ModelCost CostOf(const std::string& name) {
  config::ModelConfig config;
  const absl::Status loaded = LoadConfigFile("configs/model/" + name + ".textproto", &config);
  EXPECT_TRUE(loaded.ok()) << loaded;
  const absl::StatusOr<ModelCost> cost = CountModel(config);
  EXPECT_TRUE(cost.ok()) << cost.status();
  return cost.ok() ? *cost : ModelCost();
}

const ModuleCost& Module(const ModelCost& cost, const std::string& name) {
  for (const ModuleCost& module : cost.modules) {
    if (module.name == name) return module;
  }
  static const ModuleCost none;
  return none;
}

// A column of the reference's table of parameters, with its rows.
struct Column {
  const char* config;
  int64_t backbone, transform, slot_attention, predictor, decoder, decoder_position, initial_slots,
      total, trainable;
};

class PaperModels : public testing::TestWithParam<Column> {};

TEST_P(PaperModels, HaveThePublishedParameters) {
  const Column& column = GetParam();
  const ModelCost cost = CostOf(column.config);
  EXPECT_EQ(Module(cost, "backbone").parameters, column.backbone);
  EXPECT_EQ(Module(cost, "output transform").parameters, column.transform);
  EXPECT_EQ(Module(cost, "slot attention").parameters, column.slot_attention);
  EXPECT_EQ(Module(cost, "predictor").parameters, column.predictor);
  EXPECT_EQ(Module(cost, "decoder").parameters, column.decoder);
  EXPECT_EQ(Module(cost, "decoder position").parameters, column.decoder_position);
  EXPECT_EQ(Module(cost, "initial slots").parameters, column.initial_slots);
  EXPECT_EQ(cost.Parameters(), column.total);
  EXPECT_EQ(cost.TrainableParameters(), column.trainable);
}

constexpr int64_t kBase = 86578176, kSmall = 22055424;
INSTANTIATE_TEST_SUITE_P(Reference, PaperModels,
                         testing::Values(Column{"slotcontrast_ytvis", kBase, 1281088, 70720, 49984,
                                                2953985, 87616, 448, 91022017, 4443841},
                                         Column{"slotmatch_ytvis", kSmall, 345664, 70720, 49984,
                                                2560385, 87616, 448, 25170241, 3114817},
                                         Column{"slotcontrast_movi_e", kBase, 1379456, 280704,
                                                198272, 3019521, 73728, 1920, 91531777, 4953601},
                                         Column{"slotmatch_movi_e", kSmall, 394880, 280704, 198272,
                                                2625921, 73728, 1920, 25630849, 3575425},
                                         Column{"slotcontrast_movi_c", kBase, 1281088, 70720, 49984,
                                                2953985, 36864, 704, 90971521, 4393345},
                                         Column{"slotmatch_movi_c", kSmall, 345664, 70720, 49984,
                                                2560385, 36864, 704, 25119745, 3064321},
                                         Column{"slotcontrast_davis", kBase, 1379456, 280704,
                                                198272, 3019521, 73728, 512, 91530369, 4952193},
                                         Column{"slotmatch_davis", kSmall, 394880, 280704, 198272,
                                                2625921, 73728, 512, 25629441, 3574017}),
                         [](const auto& info) { return info.param.config; });

TEST(CountModel, CocoImageModelsHaveThePublishedTotals) {
  EXPECT_EQ(CostOf("dinosaurv2_coco").Parameters(), 99833601);
  EXPECT_EQ(CostOf("slotmatch_coco").Parameters(), 33441153);
  // Without a predictor every frame is a first frame.
  const FrameMacs macs = CostOf("slotmatch_coco").Macs();
  EXPECT_EQ(macs.first, macs.later);
}

// GFLOPs per frame as the reference's budget prints them.
struct Budget {
  const char* config;
  double attention, backbone, transform, slot_attention, first_slot_attention, predictor, decoder,
      total;
};

class PaperBudgets : public testing::TestWithParam<Budget> {};

TEST_P(PaperBudgets, AreThePublishedGFlops) {
  const Budget& budget = GetParam();
  const ModelCost cost = CostOf(budget.config);
  const auto gflops = [](double macs) { return kFlopsPerMac * macs / 1e9; };
  const auto later = [&](const char* module) { return gflops(Module(cost, module).macs.later); };
  EXPECT_NEAR(gflops(cost.Macs().attention), budget.attention, 5e-4);
  EXPECT_NEAR(later("backbone"), budget.backbone, 5e-4);
  EXPECT_NEAR(later("output transform"), budget.transform, 5e-4);
  EXPECT_NEAR(later("slot attention"), budget.slot_attention, 5e-5);
  EXPECT_NEAR(gflops(Module(cost, "slot attention").macs.first), budget.first_slot_attention, 5e-5);
  EXPECT_NEAR(later("predictor"), budget.predictor, 5e-5);
  EXPECT_NEAR(later("decoder"), budget.decoder, 5e-4);
  EXPECT_NEAR(gflops(cost.Macs().later), budget.total, 1e-3);
}

INSTANTIATE_TEST_SUITE_P(
    Reference, PaperBudgets,
    testing::Values(
        Budget{"slotcontrast_ytvis", 69.190, 303.147, 3.499, 0.0291, 0.0324, 0.0007, 56.557,
               363.233},
        Budget{"slotmatch_ytvis", 34.595, 93.393, 0.942, 0.0291, 0.0324, 0.0007, 49.013, 143.379},
        Budget{"slotcontrast_movi_e", 12.273, 110.808, 1.585, 0.0613, 0.0731, 0.0060, 52.124,
               164.585},
        Budget{"slotmatch_movi_e", 6.137, 30.900, 0.453, 0.0613, 0.0731, 0.0060, 45.323, 76.743},
        Budget{"slotcontrast_movi_c", 12.273, 110.808, 1.472, 0.0154, 0.0184, 0.0011, 37.394,
               149.691},
        Budget{"slotmatch_movi_c", 6.137, 30.900, 0.396, 0.0154, 0.0184, 0.0011, 32.406, 63.719},
        Budget{"slotcontrast_davis", 12.273, 110.808, 1.585, 0.0440, 0.0472, 0.0016, 13.900,
               126.339},
        Budget{"slotmatch_davis", 6.137, 30.900, 0.453, 0.0440, 0.0472, 0.0016, 12.086, 43.485}),
    [](const auto& info) { return info.param.config; });

// Table 2 of the paper: 91.0 M and 25.2 M parameters, 3.61x; 8825.7 and 3266.5 GFLOPs, 2.70x, which
// is a clip of 30 frames with the products of the backbone's attention left out.
TEST(CountModel, GivesTheRatiosOfThePaper) {
  const ModelCost teacher = CostOf("slotcontrast_ytvis"), student = CostOf("slotmatch_ytvis");
  const auto millions = [](const ModelCost& cost) {
    return std::round(static_cast<double>(cost.Parameters()) / 1e5) / 10;
  };
  EXPECT_DOUBLE_EQ(millions(teacher), 91.0);
  EXPECT_DOUBLE_EQ(millions(student), 25.2);
  EXPECT_NEAR(millions(teacher) / millions(student), 3.61, 5e-3);
  const auto clip = [](const ModelCost& cost) {
    const FrameMacs macs = cost.Macs();
    return kFlopsPerMac * (macs.first + 29 * macs.later - 30 * macs.attention) / 1e9;
  };
  // What profilers count besides is below 0.1 %.
  EXPECT_NEAR(clip(teacher) / 8825.7, 1, 1e-3);
  EXPECT_NEAR(clip(student) / 3266.5, 1, 1e-3);
  EXPECT_NEAR(clip(teacher) / clip(student), 2.70, 5e-3);
}

// Everything that a built model stores is counted, under a name.
TEST(CountModel, EqualsTheBuiltModel) {
  config::ModelConfig config = TinyModelConfig();
  config.set_target_normalization(config::COSINE);
  config.mutable_grouping_head()->set_enabled(true);
  config.mutable_feature_transform()->set_learned_position(true);
  config.mutable_encoder()->set_depth(3);
  const ModelCost cost = CountModel(config).value();
  std::map<std::string, int64_t> built;
  int64_t values = 0;
  const VideoModel model(config);
  for (const auto& [key, tensor] : NamedTensors(*model, {})) {
    built[ModuleOfKey(key)] += tensor.numel();
    values += tensor.numel();
  }
  EXPECT_EQ(built.count("other"), 0u);
  EXPECT_EQ(built.at("token statistics"), cost.buffers);
  EXPECT_EQ(values, cost.Parameters() + cost.buffers);
  for (const ModuleCost& module : cost.modules) {
    EXPECT_EQ(module.parameters, built.at(module.name)) << module.name;
    EXPECT_EQ(module.trainable, module.name != "backbone");
  }
  EXPECT_EQ(cost.state_values, config.num_slots() * config.slot_dim());
  EXPECT_GT(cost.activation_values, 0);
}

TEST(CountModel, KnowsEveryDecoder) {
  for (const DecoderRow& row : DecoderTable()) {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_decoder()->set_kind(row.name);
    const absl::StatusOr<ModelCost> cost = CountModel(config);
    ASSERT_TRUE(cost.ok()) << cost.status();
    EXPECT_GT(Module(*cost, "decoder").macs.later, 0) << row.name;
  }
}

TEST(CountModel, RefusesConfigurationsThatAreWrong) {
  config::ModelConfig config = TinyModelConfig();
  config.set_num_slots(0);
  const absl::Status status = CountModel(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("num_slots"));
}

TEST(ModuleOfKey, NamesWhatItDoesNotKnowOther) {
  EXPECT_EQ(ModuleOfKey("encoder.module.backbone.model.blocks.0.norm1.weight"), "backbone");
  EXPECT_EQ(ModuleOfKey("decoder.module.pos_emb"), "decoder position");
  EXPECT_EQ(ModuleOfKey("decoder.module.mlp.layers.0.weight"), "decoder");
  EXPECT_EQ(ModuleOfKey("mystery.weight"), "other");
}

}  // namespace
}  // namespace slotmatch
