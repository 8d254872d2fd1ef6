#include "core/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

class Log : public testing::Test {
 protected:
  // What `write` puts on stderr.
  template <typename F>
  std::string Lines(F write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
  void TearDown() override { InitLog("info", false); }
};

TEST_F(Log, LevelDecidesWhatIsWritten) {
  const std::string text = Lines([] {
    ASSERT_TRUE(InitLog("warning", false));
    SM_INFO("quiet stream_id={}", 1);
    SM_WARNING("loud stream_id={}", 2);
  });
  EXPECT_THAT(text, HasSubstr("loud stream_id=2"));
  EXPECT_THAT(text, Not(HasSubstr("quiet")));
}

TEST_F(Log, UnknownLevelChangesNothing) {
  const std::string text = Lines([] {
    ASSERT_TRUE(InitLog("debug", false));
    EXPECT_FALSE(InitLog("chatty", true));
    SM_DEBUG("still here");
  });
  EXPECT_THAT(text, HasSubstr("still here"));
}

TEST_F(Log, JsonLinesParseWhateverTheMessage) {
  const std::string message = "model=\"a\\b\" text=\"two\nlines\t\x01\"";
  const std::string text = Lines([&] {
    ASSERT_TRUE(InitLog("info", true));
    SM_INFO("{}", message);
  });
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  const auto line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(line.is_discarded()) << text;
  EXPECT_EQ(line.at("message"), message);
  EXPECT_EQ(line.at("level"), "info");
  EXPECT_TRUE(line.contains("time"));
}

}  // namespace
}  // namespace slotmatch
