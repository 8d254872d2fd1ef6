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

// The one JSON object on a line of stderr.
nlohmann::json OneObject(const std::string& text) {
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

TEST_F(Log, JsonLinesParseWhateverTheMessage) {
  const std::string message = "\"a\\b\" two\nlines\t\x01 \xff";
  const std::string text = Lines([&] {
    ASSERT_TRUE(InitLog("info", true));
    SM_INFO("{}", message);
  });
  const auto line = OneObject(text);
  ASSERT_FALSE(line.is_discarded()) << text;
  EXPECT_EQ(line.at("message"), "\"a\\b\" two\nlines\t\x01 \xEF\xBF\xBD");
  EXPECT_EQ(line.at("level"), "info");
  EXPECT_TRUE(line.contains("time"));
}

TEST_F(Log, JsonLinesHaveTheFieldsAsMembers) {
  const std::string text = Lines([&] {
    ASSERT_TRUE(InitLog("info", true));
    SM_INFO("session closed session_id={} error={}", "1-2", Quoted("no \"room\" trace_id=3\n\\"));
  });
  const auto line = OneObject(text);
  ASSERT_FALSE(line.is_discarded()) << text;
  EXPECT_EQ(line.at("message"), "session closed");
  EXPECT_EQ(line.at("session_id"), "1-2");
  EXPECT_EQ(line.at("error"), "no \"room\" trace_id=3 \\");
  EXPECT_FALSE(line.contains("trace_id"));
}

TEST_F(Log, LevelChangesWhileItRuns) {
  const std::string text = Lines([] {
    ASSERT_TRUE(InitLog("info", false));
    SM_DEBUG("before");
    EXPECT_TRUE(SetLogLevel("debug"));
    EXPECT_EQ(LogLevel(), "debug");
    SM_DEBUG("between");
    EXPECT_FALSE(SetLogLevel("chatty"));
    EXPECT_TRUE(SetLogLevel("error"));
    SM_WARNING("after");
  });
  EXPECT_THAT(text, HasSubstr("between"));
  EXPECT_THAT(text, Not(HasSubstr("before")));
  EXPECT_THAT(text, Not(HasSubstr("after")));
}

}  // namespace
}  // namespace slotmatch
