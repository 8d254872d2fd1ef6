#include "core/base/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(LogLineTest, TakesTextAndFieldsApart) {
  const LogLine line = ParseLogLine("session opened id=1-2 model=a/1 error=\"no \\\"room\\\"\"");
  EXPECT_EQ(line.text, "session opened");
  EXPECT_THAT(line.fields,
              ElementsAre(Pair("id", "1-2"), Pair("model", "a/1"), Pair("error", "no \"room\"")));
  EXPECT_THAT(ParseLogLine("a=1").fields, ElementsAre(Pair("a", "1")));
  EXPECT_THAT(ParseLogLine("empty a= b=\"\"").fields, ElementsAre(Pair("a", ""), Pair("b", "")));
}

TEST(LogLineTest, WhatIsNotMadeOfFieldsStaysText) {
  for (const char* line :
       {"", "=", "plain words", "a=1 and more", "a=1  b=2", "a=\"open", "a=\"b\"c", "a=\"x\\",
        "a=b\"c", "twice a=1 a=2", "taken message=1", "taken time=1"}) {
    const LogLine parsed = ParseLogLine(line);
    EXPECT_EQ(parsed.text, line);
    EXPECT_THAT(parsed.fields, IsEmpty()) << line;
  }
}

TEST(LogLineTest, MembersParseWhateverTheBytes) {
  std::string bytes = "text \xE2\x82\xAC ";
  for (int c = 1; c < 256; ++c) bytes.push_back(static_cast<char>(c));
  const auto json = nlohmann::json::parse("{" + JsonMembers({bytes, {{"a", "\"\\\n"}}}) + "}",
                                          nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json.at("a"), "\"\\\n");
  EXPECT_THAT(json.at("message").get<std::string>(), testing::HasSubstr("text \xE2\x82\xAC \x01"));
}

}  // namespace
}  // namespace slotmatch
