#include "core/config/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/config.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/config/train.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

config::TrainConfig Train(const std::string& text) {
  config::TrainConfig config;
  EXPECT_THAT(ParseConfigText(text, "text", &config), IsOk());
  return config;
}

TEST(OverlayConfig, ReplacesValuesAndMergesMessages) {
  config::TrainConfig config =
      Train("name: 'a' role: 'teacher' model { num_slots: 7 slot_init { kind: 'random' } }");
  OverlayConfig(Train("name: 'b' model { slot_dim: 8 slot_init { kind: 'fixed_learned' } }"),
                &config);
  EXPECT_EQ(config.DebugString(),
            Train("name: 'b' role: 'teacher' "
                  "model { num_slots: 7 slot_dim: 8 slot_init { kind: 'fixed_learned' } }")
                .DebugString());
}

TEST(OverlayConfig, DefaultsThatAreWrittenDownCount) {
  config::TrainConfig config =
      Train("loop { seed: 7 } model { slot_attention { use_mlp: false } }");
  OverlayConfig(Train("loop { seed: 42 } model { slot_attention { use_mlp: true } }"), &config);
  EXPECT_EQ(config.loop().seed(), 42);
  EXPECT_TRUE(config.model().slot_attention().use_mlp());
}

TEST(OverlayConfig, NamedEntriesAreChangedOrAdded) {
  config::TrainConfig config =
      Train("losses { name: 'a' weight: 1 temperature: 3 } losses { name: 'b' weight: 2 }");
  OverlayConfig(Train("losses { name: 'c' } losses { name: 'a' weight: 5 }"), &config);
  EXPECT_EQ(config.DebugString(),
            Train("losses { name: 'a' weight: 5 temperature: 3 } losses { name: 'b' weight: 2 } "
                  "losses { name: 'c' }")
                .DebugString());
}

TEST(OverlayConfig, OtherListsAreReplaced) {
  config::TrainConfig config = Train(
      "data { datasets { path: 'a' } datasets { path: 'b' } preprocessing { mean: [1, 2, 3] } }");
  OverlayConfig(Train("data { datasets { path: 'c' } preprocessing { mean: [4, 5, 6] } }"),
                &config);
  EXPECT_EQ(
      config.DebugString(),
      Train("data { datasets { path: 'c' } preprocessing { mean: [4, 5, 6] } }").DebugString());
}

// Names of one file may be missing, or repeat: those are entries of their own.
TEST(OverlayConfig, EntriesOfOneFileAreNotMerged) {
  config::ServeConfig config;
  config::ServeConfig file;
  ASSERT_THAT(ParseConfigText("models { path: 'a' } models { path: 'b' } "
                              "models { path: 'c' name: 'x' } models { path: 'd' name: 'x' }",
                              "text", &file),
              IsOk());
  OverlayConfig(file, &config);
  EXPECT_EQ(config.DebugString(), file.DebugString());
}

TEST(LoadConfigFile, BasesComeFirstInTheirOrder) {
  const TempDir dir;
  dir.Write("slots", "num_slots: 9 slot_dim: 16");
  dir.Write("one", "role: 'teacher' loop { seed: 1 max_steps: 1 } losses { name: 'a' weight: 1 }");
  dir.Write("two", "base: 'one' loop { seed: 2 } model { base: 'slots' slot_dim: 32 }");
  dir.Write("three", "loop { log_every: 3 seed: 3 } losses { name: 'a' weight: 4 }");
  config::TrainConfig config;
  ASSERT_THAT(
      LoadConfigFile(
          dir.Write("run", "name: 'run' base: 'two' base: 'three' loop { max_steps: 9 }"), &config),
      IsOk());
  EXPECT_EQ(config.DebugString(),
            Train("name: 'run' role: 'teacher' model { num_slots: 9 slot_dim: 32 } "
                  "losses { name: 'a' weight: 4 } loop { max_steps: 9 log_every: 3 seed: 3 }")
                .DebugString());
}

TEST(LoadConfigFile, BasesThatCannotBeReadAreNamed) {
  const TempDir dir;
  config::TrainConfig config;
  EXPECT_THAT(LoadConfigFile(dir.Write("lost", "base: 'nowhere.textproto'"), &config),
              FailsWith(StatusCode::kNotFound, "nowhere.textproto"));
  dir.Write("bad", "\nnmae: 'x'");
  EXPECT_THAT(LoadConfigFile(dir.Write("on_bad", "base: 'bad'"), &config),
              FailsWith(StatusCode::kFailedPrecondition, "bad:2"));
  EXPECT_THAT(LoadConfigFile(dir.Write("circle", "base: 'circle'"), &config),
              FailsWith(StatusCode::kFailedPrecondition, "circle comes after more than 8"));
}

TEST(ApplyOverride, ReachesEntriesByName) {
  config::TrainConfig config = Train("losses { name: 'a' } losses { name: 'b' }");
  ASSERT_THAT(ApplyOverride("losses[b].weight=0.5", &config), IsOk());
  EXPECT_EQ(config.losses(1).weight(), 0.5);
  EXPECT_THAT(ApplyOverride("losses[c].weight=0.5", &config),
              FailsWith(StatusCode::kFailedPrecondition, "no entry of the name 'c'"));
  EXPECT_THAT(ApplyOverride("data.datasets[c].path=x", &config),
              FailsWith(StatusCode::kFailedPrecondition, "no entry of the name 'c'"));
  for (const char* bad :
       {"losses[].weight=1", "losses[=1", "losses[b=1", "model[b].num_slots=1", "losses[b]=1"}) {
    EXPECT_EQ(ApplyOverride(bad, &config).code(), StatusCode::kFailedPrecondition) << bad;
  }
}

}  // namespace
}  // namespace slotmatch
