#include "trainer/convert/checkpoint_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "trainer/convert/key_report.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

TensorMap Keys(const std::vector<std::string>& keys) {
  TensorMap tensors;
  for (const std::string& key : keys) tensors[key] = {DType::kU8, {0}, {}};
  return tensors;
}

constexpr char kVideoAnchor[] = "processor.module.corrector.to_q.weight";
constexpr char kCls[] = "encoder.module.backbone.model.cls_token";

TEST(CheckpointKinds, EveryRowIsFoundByItsAnchorAlone) {
  for (const CheckpointKind& row : CheckpointKinds()) {
    const auto found = MapCheckpoint(Keys({row.anchor}), {});
    ASSERT_THAT(found, IsOk());
    EXPECT_STREQ(found->kind->name, row.name);
    EXPECT_EQ(found->prefix, "");
    EXPECT_EQ(found->mapped.tensors.size(), 1u);
  }
}

TEST(MapCheckpoint, KeysAroundTheModelAreLeftOut) {
  const auto found = MapCheckpoint(
      Keys({"state_dict.processor.module.corrector.to_q.weight", "state_dict.initializer.slots",
            "optimizer_states.0.state.0.exp_avg", "optimizer_states.0.state.0.step"}),
      {});
  ASSERT_THAT(found, IsOk());
  EXPECT_STREQ(found->kind->name, "video");
  EXPECT_EQ(found->prefix, "state_dict.");
  EXPECT_EQ(found->mapped.tensors.count("initializer.slots"), 1u);
  EXPECT_EQ(SummarizeKeys(found->mapped.uses),
            "4 keys: 2 used, 2 of them renamed; 2 left out (optimizer_states 2)");
  EXPECT_EQ(ListKeys(found->mapped.uses),
            "renamed state_dict.initializer.slots -> initializer.slots\n"
            "renamed state_dict.processor.module.corrector.to_q.weight -> "
            "processor.module.corrector.to_q.weight\n"
            "left out optimizer_states.0.state.0.exp_avg\n"
            "left out optimizer_states.0.state.0.step\n");
}

TEST(MapCheckpoint, AKindThatIsNamedIsTaken) {
  const TensorMap whole = Keys({kVideoAnchor, kCls});
  EXPECT_STREQ(MapCheckpoint(whole, {})->kind->name, "video");
  const auto encoder = MapCheckpoint(whole, {.kind = "timm"});
  ASSERT_THAT(encoder, IsOk());
  EXPECT_EQ(encoder->prefix, "encoder.module.backbone.model.");
  EXPECT_EQ(encoder->mapped.tensors.count("cls_token"), 1u);
  EXPECT_THAT(MapCheckpoint(whole, {.kind = "image"}),
              FailsWith(StatusCode::kDataLoss, "no weights of kind image"));
  EXPECT_THAT(MapCheckpoint(whole, {.kind = "caffe"}),
              FailsWith(StatusCode::kInvalidArgument, "auto, video, image"));
}

TEST(MapCheckpoint, TwoModelsInAFileNeedAPrefix) {
  const TensorMap two = Keys({"student.backbone.cls_token", "teacher.backbone.cls_token",
                              "teacher.backbone.pos_embed", "teacher.dino_head.weight"});
  EXPECT_THAT(MapCheckpoint(two, {}),
              FailsWith(StatusCode::kInvalidArgument,
                        "--prefix: 'student.backbone.', 'teacher.backbone.'"));
  const auto teacher = MapCheckpoint(two, {.prefix = "teacher.backbone."});
  ASSERT_THAT(teacher, IsOk());
  EXPECT_EQ(teacher->mapped.tensors.size(), 2u);
  EXPECT_THAT(MapCheckpoint(two, {.prefix = "teacher."}),
              FailsWith(StatusCode::kDataLoss, "below 'teacher.'"));
}

TEST(MapCheckpoint, StrangeKeysAreNamedUnlessIgnored) {
  const TensorMap tensors = Keys({"a.cls_token", "a.distill.weight"});
  EXPECT_THAT(MapCheckpoint(tensors, {}),
              FailsWith(StatusCode::kDataLoss, "'distill.weight' is not one of"));
  const auto found = MapCheckpoint(tensors, {.ignored = {"distill."}});
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->mapped.tensors.size(), 1u);
}

TEST(MapCheckpoint, OtherFilesSayWhatTheyHold) {
  EXPECT_THAT(MapCheckpoint(Keys({"fc.weight", "my_cls_token"}), {}),
              FailsWith(StatusCode::kDataLoss, "it holds fc.weight, my_cls_token"));
  EXPECT_THAT(MapCheckpoint({}, {}), FailsWith(StatusCode::kDataLoss, "it holds no tensors"));
}

}  // namespace
}  // namespace slotmatch
