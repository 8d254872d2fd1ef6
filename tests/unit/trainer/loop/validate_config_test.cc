#include "trainer/loop/validate_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/cpu.h"
#include "core/config/config.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

// Valid but for the paths, which nobody has.
config::TrainConfig Config() {
  config::TrainConfig config;
  EXPECT_TRUE(ParseConfigText("name: 'x' backbone: '.' data { datasets { path: '.' } } "
                              "losses { name: 'reconstruction' }",
                              "text", &config)
                  .ok());
  return config;
}

std::string ProblemOf(const std::vector<std::string>& overrides, int processes = 1) {
  config::TrainConfig config = Config();
  EXPECT_TRUE(ApplyOverrides(overrides, &config).ok());
  return std::string(ValidateTrainConfig(config, processes).message());
}

TEST(ValidateTrainConfig, AcceptsWhatCanBe) {
  EXPECT_EQ(ProblemOf({}), "");
  EXPECT_EQ(ProblemOf({"data.batch_clips=12", "loop.accumulate=3"}, 4), "");
}

TEST(ValidateTrainConfig, NamesEveryNumberThatCannotBe) {
  const std::pair<const char*, const char*> rows[] = {
      {"data.clip_frames=0", "data.clip_frames is 0; it has to be at least 1"},
      {"data.batch_clips=-1", "data.batch_clips is -1"},
      {"data.horizontal_flip=1.5",
       "data.horizontal_flip is 1.5; it has to be at least 0 and at most 1"},
      {"data.horizontal_flip=nan", "data.horizontal_flip is nan"},
      {"data.crop_variants=0", "data.crop_variants is 0"},
      {"data.crop.max_area=2", "data.crop: areas"},
      {"data.datasets[0].weight=0",
       "data.datasets[0].weight is 0; it has to be above 0 and finite"},
      {"data.datasets[0].max_fps=-1", "data.datasets[0].max_fps is -1"},
      {"optim.learning_rate=inf", "optim.learning_rate is inf"},
      {"optim.warmup_steps=-1", "optim.warmup_steps is -1"},
      {"optim.decay_rate=0", "optim.decay_rate is 0"},
      {"optim.clip_norm=-0.1", "optim.clip_norm is -0.1"},
      {"losses[0].weight=nan", "losses[reconstruction].weight is nan; it has to be finite"},
      {"losses[0].temperature=0", "losses[reconstruction].temperature is 0"},
      {"loop.max_steps=0", "loop.max_steps is 0"},
      {"loop.keep_checkpoints=0", "loop.keep_checkpoints is 0"},
      {"loop.threads=-2", "loop.threads is -2"},
      {"loop.decoder_tokens=-2", "loop.decoder_tokens is -2"},
      {"loop.max_minutes=-2", "loop.max_minutes is -2"},
      {"loop.accumulate=0", "loop.accumulate is 0"},
      {"loop.process_timeout_s=0", "loop.process_timeout_s is 0"},
      {"loop.device=tpu", "loop.device is 'tpu'"},
      {"validation.max_videos=-1", "validation.max_videos is -1"},
      {"validation.dataset.path=nowhere/4", "validation.dataset.path 'nowhere/4' does not exist"},
      {"base=x", "base has a meaning in files only"},
      {"model.base=x", "base has a meaning in files only"},
      {"model.decoder.hidden_dim=1000000000", "decoder.hidden_dim 1000000000 is not in 1..65536"},
  };
  for (const auto& [override, problem] : rows)
    EXPECT_THAT(ProblemOf({override}), HasSubstr(problem));
}

TEST(ValidateTrainConfig, SizesBeyondTheMachineAreOneLine) {
  EXPECT_THAT(ProblemOf({"data.batch_clips=2000000000"}), HasSubstr("lower data.batch_clips"));
  EXPECT_THAT(ProblemOf({"model.encoder.input_height_px=1400000", "data.clip_frames=1000000"}),
              HasSubstr("the tokens of one batch take"));
}

TEST(ValidateTrainConfig, BatchesAreSharedEvenly) {
  EXPECT_THAT(ProblemOf({"data.batch_clips=7"}, 2),
              HasSubstr("data.batch_clips 7 cannot be shared by 2 processes"));
  EXPECT_THAT(ProblemOf({"data.batch_clips=7", "loop.accumulate=2"}),
              HasSubstr("by 1 process with loop.accumulate 2"));
}

TEST(ValidateTrainConfig, Bfloat16NeedsACpuThatHasIt) {
  EXPECT_EQ(ProblemOf({"loop.precision=BFLOAT16"}).empty(), CpuHasBfloat16());
}

}  // namespace
}  // namespace slotmatch
