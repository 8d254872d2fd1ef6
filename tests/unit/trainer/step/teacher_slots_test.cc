#include "trainer/step/teacher_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"
#include "trainer/step/train_step.h"

namespace slotmatch {
namespace {

class TeacherSlotsTest : public testing::Test {
 protected:
  TeacherSlotsTest() {
    *config_.mutable_model() = TinyModelConfig();
    config::LossConfig* loss = config_.add_losses();
    loss->set_name("slot_kd");
    teacher_ = MakeTinyModel(config_.model(), 72, WithEncoder::kNo);
    torch::manual_seed(70);
    batch_.tokens = {torch::randn({3, 2, 16, 16})};
    batch_.clips.resize(3);
  }
  TeacherSlots Slots() { return TeacherSlots(config_, teacher_, {}); }

  config::TrainConfig config_;
  VideoModel teacher_{nullptr};
  ClipBatch batch_;
};

TEST_F(TeacherSlotsTest, ClipsDoNotDependOnTheirBatch) {
  ClipBatch alone;
  alone.tokens = {batch_.tokens[0].narrow(0, 2, 1)};
  alone.clips.resize(1);
  Slots().Fill(&alone);
  Slots().Fill(&batch_);
  EXPECT_EQ(batch_.clips[2].teacher_slots.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
  EXPECT_TRUE(BitIdentical(batch_.clips[2].teacher_slots, alone.clips[0].teacher_slots));
}

TEST_F(TeacherSlotsTest, KnownSlotsAreTakenAsTheyAre) {
  batch_.clips[1].teacher_slots = torch::ones({2, 3, 8});
  TeacherSlots slots = Slots();
  slots.Fill(&batch_);
  EXPECT_EQ(slots.found(), 1);
  EXPECT_EQ(slots.computed(), 2);
  const torch::Tensor all = KnownSlots(batch_);
  ASSERT_EQ(all.sizes().vec(), (std::vector<int64_t>{3, 2, 3, 8}));
  EXPECT_TRUE(torch::equal(all[1], torch::ones({2, 3, 8})));
  EXPECT_FALSE(torch::equal(all[0], all[2]));
}

TEST_F(TeacherSlotsTest, StepTakesThemForItsTeachers) {
  const auto total = [this](const ClipBatch& batch) {
    VideoModel model = MakeTinyModel(config_.model(), 71, WithEncoder::kNo);
    Optimizer optimizer({{"slots", model->named_parameters()["initializer.slots"]}},
                        config_.optim(), 10);
    auto step = TrainStep::Create(config_, {model, teacher_, LossHeads(nullptr), &optimizer});
    return step->Run(batch, 0)->total;
  };
  const double computed = total(batch_);
  Slots().Fill(&batch_);
  EXPECT_NEAR(total(batch_), computed, 1e-6);
  // The teacher's own view is not needed any more.
  batch_.tokens.push_back({});
  EXPECT_NEAR(total(batch_), computed, 1e-6);
}

TEST_F(TeacherSlotsTest, Bfloat16ComesCloseAndGivesFloat32) {
  Slots().Fill(&batch_);
  config_.mutable_loop()->set_precision(config::LoopConfig::BFLOAT16);
  ClipBatch narrow;
  narrow.tokens = batch_.tokens;
  narrow.clips.resize(3);
  Slots().Fill(&narrow);
  const torch::Tensor slots = KnownSlots(narrow);
  EXPECT_EQ(slots.scalar_type(), torch::kFloat32);
  EXPECT_FALSE(torch::equal(slots, KnownSlots(batch_)));
  EXPECT_LT(MaxDifference(slots, KnownSlots(batch_)), 0.1);
}

TEST_F(TeacherSlotsTest, SlotsFromNoiseDoNotFollowFromTheClip) {
  EXPECT_TRUE(SlotsFollowFromClip(teacher_));
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  EXPECT_FALSE(SlotsFollowFromClip(MakeTinyModel(config_.model(), 72, WithEncoder::kNo)));
}

}  // namespace
}  // namespace slotmatch
