#include "server/rpc/model_convert.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/support/fake_segmenter.h"

namespace slotmatch {
namespace {

TEST(ModelToWire, KeepsEveryField) {
  const ModelInfo info = FakeSegmenter("tiny").info();
  const v1::ModelInfo wire = ToWire(info);
  EXPECT_EQ(wire.name(), "tiny");
  EXPECT_EQ(wire.version(), info.version);
  EXPECT_EQ(wire.digest(), info.digest);
  EXPECT_EQ(wire.role(), "student");
  EXPECT_EQ(wire.num_slots(), 3u);
  EXPECT_EQ(wire.slot_dim(), 4u);
  EXPECT_EQ(wire.grid_height(), 4u);
  EXPECT_EQ(wire.grid_width(), 4u);
  EXPECT_EQ(wire.input_height(), 8u);
  EXPECT_EQ(wire.input_width(), 8u);
}

TEST(ModelToWire, TellsOfTheTraining) {
  ModelInfo info;
  auto provenance = std::make_shared<config::Provenance>();
  provenance->set_recipe("configs/train/x.textproto");
  provenance->set_seed(-3);
  config::Score* score = provenance->add_scores();
  score->set_dataset("DAVIS");
  score->set_metric("video_mbo");
  score->set_value(0.5);
  info.provenance = std::move(provenance);
  const v1::Training training = ToWire(info).training();
  EXPECT_EQ(training.recipe(), "configs/train/x.textproto");
  EXPECT_EQ(training.seed(), -3);
  ASSERT_EQ(training.scores_size(), 1);
  EXPECT_EQ(training.scores(0).dataset(), "DAVIS");
  EXPECT_EQ(training.scores(0).metric(), "video_mbo");
  EXPECT_EQ(training.scores(0).value(), 0.5);
}

}  // namespace
}  // namespace slotmatch
