#include "core/config/config.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "slotmatch/config/manifest.pb.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/config/train.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr StatusCode kWrong = StatusCode::kFailedPrecondition;

TEST(ParseConfigText, FillsTheMessageOnTopOfWhatItHolds) {
  config::ServeConfig config;
  config.mutable_limits()->set_max_sessions(5);
  ASSERT_THAT(ParseConfigText("limits { max_queued_frames: 2 }  # a comment\n"
                              "models { path: 'a' } models { path: 'b' }",
                              "text", &config),
              IsOk());
  EXPECT_EQ(config.limits().max_sessions(), 5);
  EXPECT_EQ(config.limits().max_queued_frames(), 2);
  EXPECT_EQ(config.models_size(), 2);
}

TEST(ParseConfigText, UnknownKeyIsAnErrorThatNamesFileLineAndKey) {
  config::ServeConfig config;
  EXPECT_THAT(ParseConfigText("limits {\n  max_sesions: 5\n}", "serve.textproto", &config),
              AllOf(FailsWith(kWrong, "serve.textproto:2"), FailsWith(kWrong, "max_sesions")));
}

TEST(ParseConfigText, WrongTypesAndEnumNamesAreErrors) {
  config::ServeConfig config;
  EXPECT_THAT(ParseConfigText("limits { max_sessions: 'many' }", "x", &config),
              FailsWith(kWrong, "x:1"));
  EXPECT_THAT(ParseConfigText("compute { precision: F16 }", "x", &config),
              FailsWith(kWrong, "F16"));
  EXPECT_THAT(ParseConfigText("limits { max_sessions: 99999999999 }", "x", &config),
              FailsWith(kWrong, "x:1"));
  EXPECT_THAT(ParseConfigText("limits {", "x", &config), FailsWith(kWrong, "x:"));
}

TEST(LoadConfigFile, ReadsAFileAndNamesItInErrors) {
  const TempDir dir;
  config::ServeConfig config;
  ASSERT_THAT(LoadConfigFile(dir.Write("good", "log { json: true }"), &config), IsOk());
  EXPECT_TRUE(config.log().json());
  EXPECT_THAT(LoadConfigFile(dir.Write("bad", "\n\nlgo {}"), &config), FailsWith(kWrong, "bad:3"));
  EXPECT_THAT(LoadConfigFile(dir.File("none"), &config), FailsWith(StatusCode::kNotFound, "none"));
}

TEST(ApplyOverride, ReachesNestedFieldsOfEveryType) {
  config::TrainConfig config;
  ASSERT_THAT(ApplyOverrides({"name=run 1", "model.num_slots=9", "optim.learning_rate=1e-3",
                              "model.slot_attention.use_mlp=false", "model.mask_source=ATTENTION",
                              "teacher.path=a=b/\"c\""},
                             &config),
              IsOk());
  EXPECT_EQ(config.name(), "run 1");
  EXPECT_EQ(config.model().num_slots(), 9);
  EXPECT_EQ(config.optim().learning_rate(), 1e-3);
  EXPECT_FALSE(config.model().slot_attention().use_mlp());
  EXPECT_EQ(config.model().mask_source(), config::ATTENTION);
  EXPECT_EQ(config.teacher().path(), "a=b/\"c\"");
}

TEST(ApplyOverride, TheLastOneWins) {
  config::ServeConfig config;
  ASSERT_THAT(ApplyOverrides({"limits.max_sessions=1", "limits.max_sessions=2"}, &config), IsOk());
  EXPECT_EQ(config.limits().max_sessions(), 2);
}

TEST(ApplyOverride, EmptyValueEmptiesAString) {
  config::ServeConfig config;
  ASSERT_THAT(ApplyOverride("listen.metrics_address=", &config), IsOk());
  EXPECT_TRUE(config.listen().has_metrics_address());
  EXPECT_EQ(config.listen().metrics_address(), "");
}

TEST(ApplyOverride, IndexesRepeatedMessages) {
  config::TrainConfig config;
  ASSERT_THAT(
      ApplyOverrides({"losses[0].name=a", "losses[1].name=b", "losses[0].weight=3"}, &config),
      IsOk());
  ASSERT_EQ(config.losses_size(), 2);
  EXPECT_EQ(config.losses(0).name(), "a");
  EXPECT_EQ(config.losses(0).weight(), 3);
  EXPECT_EQ(config.losses(1).name(), "b");
}

TEST(ApplyOverride, ReplacesWholeMessagesAndLists) {
  config::TrainConfig config;
  ASSERT_THAT(ApplyOverrides(
                  {"data.preprocessing.mean=[0.1, 0.2]", "data.preprocessing.mean=[0.5, 0.6, 0.7]",
                   "losses={name: 'a'}", "losses={name: 'b'}"},
                  &config),
              IsOk());
  EXPECT_THAT(config.data().preprocessing().mean(), ElementsAre(0.5f, 0.6f, 0.7f));
  ASSERT_EQ(config.losses_size(), 1);
  EXPECT_EQ(config.losses(0).name(), "b");
}

TEST(ApplyOverride, AppendsOneBehindTheEndOfAList) {
  config::Preprocessing config;
  ASSERT_THAT(ApplyOverrides({"mean[0]=0.5", "mean[1]=0.25"}, &config), IsOk());
  EXPECT_THAT(config.mean(), ElementsAre(0.5f, 0.25f));
  EXPECT_THAT(ApplyOverride("mean[7]=0.5", &config), FailsWith(kWrong, "mean"));
  EXPECT_EQ(config.mean_size(), 2);
}

TEST(ApplyOverride, UnknownKeysAreNamedWithWhatThereIs) {
  config::ServeConfig config;
  EXPECT_THAT(ApplyOverride("limits.max_sesions=5", &config),
              AllOf(FailsWith(kWrong, "'max_sesions'"), FailsWith(kWrong, "max_sessions")));
  EXPECT_THAT(ApplyOverride("limit.max_sessions=5", &config), FailsWith(kWrong, "'limit'"));
}

TEST(ApplyOverride, MalformedAssignmentsAreErrors) {
  config::TrainConfig config;
  for (const char* text :
       {"", "=", "=5", "name", "losses[2].name=x", "losses[-1].name=x", "losses[a].name=x",
        "losses[0.name=x", "losses.name=x", "name.length=5", "model.num_slots=x",
        "model[0].num_slots=3", "model.num_slots[0]=3", "loop.max_steps="}) {
    EXPECT_EQ(ApplyOverride(text, &config).code(), kWrong) << text;
  }
}

TEST(ApplyOverride, ErrorsNameTheAssignment) {
  config::ServeConfig config;
  EXPECT_THAT(ApplyOverride("limits.max_sessions=x", &config),
              FailsWith(kWrong, "--set limits.max_sessions=x"));
}

TEST(ConfigText, RoundTripsWhatIsSet) {
  config::TrainConfig config, again;
  config.set_name("quotes \" and \n lines");
  config.add_losses()->set_weight(0.1);
  config.mutable_data()->mutable_preprocessing()->add_mean(0.25);
  ASSERT_THAT(ParseConfigText(ConfigText(config), "text", &again), IsOk());
  EXPECT_TRUE(MessageDifferencer::Equals(config, again)) << ConfigText(again);
}

TEST(ConfigText, WithAllPrintsDefaultsThatMeanTheSame) {
  config::ServeConfig config, again;
  config.add_models()->set_path("m");
  const std::string text = ConfigText(config, /*all=*/true);
  EXPECT_THAT(text, HasSubstr("max_sessions: 64"));
  EXPECT_THAT(text, HasSubstr("precision: PRECISION_F32"));
  ASSERT_THAT(ParseConfigText(text, "text", &again), IsOk());
  EXPECT_EQ(ConfigText(again, true), text);
  EXPECT_EQ(again.limits().max_frame_pixels(), config.limits().max_frame_pixels());
}

TEST(ConfigText, WithAllWorksForEverySchema) {
  config::TrainConfig train, train_again;
  config::Manifest manifest, manifest_again;
  train.mutable_data()->add_datasets();
  EXPECT_THAT(ParseConfigText(ConfigText(train, true), "train", &train_again), IsOk());
  EXPECT_THAT(ParseConfigText(ConfigText(manifest, true), "manifest", &manifest_again), IsOk());
}

}  // namespace
}  // namespace slotmatch
