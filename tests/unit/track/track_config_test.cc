#include "core/track/track_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace slotmatch {
namespace {

using testing::HasSubstr;

TEST(TrackConfig, DefaultsAreValid) { EXPECT_TRUE(ValidateTrackConfig({}, "track").ok()); }

TEST(TrackConfig, NamesTheSettingAndItsRange) {
  config::TrackConfig config;
  config.set_vector_rate(1.5);
  const absl::Status status = ValidateTrackConfig(config, "track");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("track.vector_rate is 1.5; it must be between 0 and 1"));
}

TEST(TrackConfig, NotANumberIsOutOfRange) {
  config::TrackConfig config;
  config.set_birth_cost(NAN);
  EXPECT_FALSE(ValidateTrackConfig(config, "track").ok());
}

}  // namespace
}  // namespace slotmatch
