#include "server/trace/chrome_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace slotmatch {
namespace {

using nlohmann::json;

const absl::Time kBegan = absl::FromUnixSeconds(1000);

absl::Time At(int ms) { return kBegan + absl::Milliseconds(ms); }

FrameTrace Frame(const std::string& session, uint64_t id, int ms) {
  FrameTrace frame;
  frame.session_id = session;
  frame.model = "quo\"ted";
  frame.frame_id = id;
  frame.times = {At(ms),     At(ms + 1), At(ms + 3),  At(ms + 4),
                 At(ms + 6), At(ms + 9), At(ms + 11), At(ms + 12)};
  frame.written = At(ms + 14);
  return frame;
}

// Events of `recording`, which must be a JSON object with a list of them.
std::vector<json> EventsOf(const TraceRecording& recording) {
  const json trace = json::parse(ChromeTraceJson(recording), nullptr, false);
  EXPECT_FALSE(trace.is_discarded());
  return trace.at("traceEvents").get<std::vector<json>>();
}

TEST(ChromeTraceTest, StagesNestInTheirFrameWithoutGaps) {
  TraceRecording recording{kBegan, {Frame("s1", 7, 5), Frame("s1", 8, 10)}, {}, 0};
  std::map<std::string, std::vector<json>> open, closed;
  std::map<std::string, std::vector<std::string>> names;
  for (const json& event : EventsOf(recording)) {
    if (event.at("ph") != "b" && event.at("ph") != "e") continue;
    const std::string id = event.at("id");
    if (event.at("ph") == "b") {
      if (!open[id].empty()) {
        EXPECT_GE(event.at("ts"), open[id].back().at("ts"));
        names[id].push_back(event.at("name"));
      }
      open[id].push_back(event);
      continue;
    }
    ASSERT_FALSE(open[id].empty());
    EXPECT_EQ(open[id].back().at("name"), event.at("name"));
    EXPECT_GE(event.at("ts"), open[id].back().at("ts"));
    open[id].pop_back();
    closed[id].push_back(event);
  }
  ASSERT_EQ(names.size(), 2u);
  for (const auto& [id, stages] : names) {
    EXPECT_TRUE(open[id].empty());
    EXPECT_THAT(stages, testing::ElementsAre("receive", "decode", "queue", "batch", "compute",
                                             "mask", "encode", "write_wait"));
    EXPECT_EQ(closed[id].back().at("name"), "frame");
  }
  EXPECT_EQ(closed.at("s1/7")[1].at("ts"), 8000);  // decoded 3 ms after it came, at 5 ms
  EXPECT_EQ(closed.at("s1/7").back().at("ts"), 19000);
}

TEST(ChromeTraceTest, FramesCarryTheirCallsTrace) {
  FrameTrace frame = Frame("s1", 1, 0);
  frame.call = {std::string(32, 'a'), std::string(16, 'b'), std::string(16, 'c')};
  json args;
  for (const json& event : EventsOf({kBegan, {frame}, {}, 0})) {
    if (event.at("name") == "frame" && event.at("ph") == "b") args = event.at("args");
  }
  EXPECT_EQ(args.at("trace_id"), std::string(32, 'a'));
  EXPECT_EQ(args.at("parent_span_id"), std::string(16, 'b'));
  EXPECT_EQ(args.at("span_id"), std::string(16, 'c'));
  EXPECT_EQ(args.at("model"), "quo\"ted");
}

TEST(ChromeTraceTest, BatchesAreCompleteEventsOfTheExecutor) {
  json batch;
  for (const json& event : EventsOf({kBegan, {}, {{"m", At(3), absl::Milliseconds(2), 4}}, 0})) {
    if (event.at("ph") == "X") batch = event;
  }
  EXPECT_EQ(batch.at("ts"), 3000);
  EXPECT_EQ(batch.at("dur"), 2000);
  EXPECT_EQ(batch.at("args").at("batch_size"), 4);
}

TEST(ChromeTraceTest, ClockThatStepsBackMakesNoNegativeSpan) {
  FrameTrace frame = Frame("s1", 1, 0);
  frame.times.computed = At(-50);
  frame.written = At(5);
  double last = 0;
  for (const json& event : EventsOf({kBegan, {frame}, {}, 0})) {
    if (!event.contains("ts")) continue;
    EXPECT_GE(event.at("ts"), last);
    last = event.at("ts");
  }
}

TEST(ChromeTraceTest, EmptyRecordingIsATrace) {
  EXPECT_FALSE(EventsOf({kBegan, {}, {}, 0}).empty());  // the names of process and executor
}

}  // namespace
}  // namespace slotmatch
