#include "server/trace/trace_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";

TEST(TraceContextTest, ReadsTheHeaderAndBeginsASpan) {
  const TraceContext a = ParseTraceParent(std::string("00-") + kTrace + "-" + kParent + "-01");
  const TraceContext b = ParseTraceParent(std::string("00-") + kTrace + "-" + kParent + "-00");
  EXPECT_EQ(a.trace_id, kTrace);
  EXPECT_EQ(a.parent_id, kParent);
  EXPECT_THAT(a.span_id, testing::MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(a.span_id, kParent);
  EXPECT_NE(a.span_id, b.span_id);
  EXPECT_EQ(a.LogFields(), std::string(" trace_id=") + kTrace + " span_id=" + a.span_id);
}

TEST(TraceContextTest, LaterVersionsMayGoOn) {
  EXPECT_EQ(ParseTraceParent(std::string("01-") + kTrace + "-" + kParent + "-01-more").trace_id,
            kTrace);
}

TEST(TraceContextTest, WhatIsNotValidCountsAsNone) {
  const std::string good = std::string("00-") + kTrace + "-" + kParent + "-01";
  std::vector<std::string> wrong = {"", "00", good + "-more", good + "x", good.substr(1)};
  for (const auto& [at, text] :
       std::vector<std::pair<size_t, std::string>>{{0, "ff"},
                                                   {0, "0g"},
                                                   {2, "_"},
                                                   {35, "_"},
                                                   {52, "_"},
                                                   {53, "zz"},
                                                   {10, "A"},
                                                   {40, "\n"},
                                                   {3, std::string(32, '0')},
                                                   {36, std::string(16, '0')}}) {
    wrong.push_back(good);
    wrong.back().replace(at, text.size(), text);
  }
  for (const std::string& header : wrong) {
    EXPECT_EQ(ParseTraceParent(header).trace_id, "") << header;
    EXPECT_EQ(ParseTraceParent(header).LogFields(), "") << header;
  }
}

}  // namespace
}  // namespace slotmatch
