#include "trainer/loop/metrics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

using testing::HasSubstr;

TEST(TrainMetricsText, HasEveryNumberOnceWithHelpAndType) {
  const StepReport report{{{"slot_kd", 0.5}, {"grouping", 2}}, 1.5, 0.25, 4e-4};
  const TrainProgress progress{"student", 20, 400, 1.25, 0.125, absl::FromUnixSeconds(1700000000)};
  const std::string text = TrainMetricsText(progress, report);
  EXPECT_THAT(text, HasSubstr("# TYPE slotmatch_train_step gauge\n"
                              "slotmatch_train_step{run=\"student\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_max_steps{run=\"student\"} 400\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_steps_per_second{run=\"student\"} 1.25\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_data_wait_ratio{run=\"student\"} 0.125\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_total_loss{run=\"student\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_gradient_norm{run=\"student\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_learning_rate{run=\"student\"} 0.0004\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_train_loss{run=\"student\",loss=\"slot_kd\"} 0.5\n"
                              "slotmatch_train_loss{run=\"student\",loss=\"grouping\"} 2\n"));
}

TEST(TrainMetricsText, TimesKeepTheirSecondsAndNamesAreEscaped) {
  const TrainProgress progress{"a\"b\\c\nd", 1, 1, 0, 0, absl::FromUnixSeconds(1700000001)};
  const std::string text = TrainMetricsText(progress, {});
  EXPECT_THAT(text, HasSubstr("seconds{run=\"a\\\"b\\\\c\\nd\"} 1700000001\n"));
}

}  // namespace
}  // namespace slotmatch
