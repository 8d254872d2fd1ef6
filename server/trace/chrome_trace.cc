#include "server/trace/chrome_trace.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

using nlohmann::json;

constexpr int kProcess = 1;
constexpr int kExecutor = 1;           // its track; the sessions' have the numbers after it
constexpr char kCategory[] = "frame";  // spans nest by category and id

class EventWriter {
 public:
  explicit EventWriter(absl::Time began) : began_(began) {}

  void Add(json event) {
    event["pid"] = kProcess;
    absl::StrAppend(&text_, text_.empty() ? "" : ",\n",
                    event.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  double Microseconds(absl::Time time) const { return absl::ToDoubleMicroseconds(time - began_); }
  const std::string& text() const { return text_; }

 private:
  const absl::Time began_;
  std::string text_;
};

json TrackName(int track, const std::string& name) {
  return {{"ph", "M"}, {"name", "thread_name"}, {"tid", track}, {"args", {{"name", name}}}};
}

json ArgsOf(const FrameTrace& frame) {
  json args = {{"session_id", frame.session_id},
               {"frame_id", frame.frame_id},
               {"model", frame.model},
               {"batch_size", frame.batch_size}};
  if (frame.call.trace_id.empty()) return args;
  args["trace_id"] = frame.call.trace_id;
  args["span_id"] = frame.call.span_id;
  args["parent_span_id"] = frame.call.parent_id;
  return args;
}

void AddFrame(const FrameTrace& frame, int track, EventWriter* writer) {
  const FrameTimes& times = frame.times;
  const std::pair<const char*, absl::Time> stages[] = {
      {"receive", times.decode_began}, {"decode", times.decoded},    {"queue", times.submitted},
      {"batch", times.compute_began},  {"compute", times.computed},  {"mask", times.encode_began},
      {"encode", times.finished},      {"write_wait", frame.written}};
  json event = {{"cat", kCategory},
                {"id", absl::StrCat(frame.session_id, "/", frame.frame_id)},
                {"tid", track}};
  const auto add = [&](const char* phase, const char* name, absl::Time time) {
    event["ph"] = phase;
    event["name"] = name;
    event["ts"] = writer->Microseconds(time);
    writer->Add(event);
  };
  const absl::Time end = std::max(times.arrived, frame.written);
  event["args"] = ArgsOf(frame);
  add("b", "frame", times.arrived);
  event.erase("args");
  absl::Time at = times.arrived;
  for (const auto& [name, until] : stages) {
    add("b", name, at);
    at = std::clamp(until, at, end);  // the wall clock may step back
    add("e", name, at);
  }
  add("e", "frame", end);
}

}  // namespace

std::string ChromeTraceJson(const TraceRecording& recording) {
  EventWriter writer(recording.began);
  writer.Add({{"ph", "M"}, {"name", "process_name"}, {"args", {{"name", "slotmatch_server"}}}});
  writer.Add(TrackName(kExecutor, "executor"));
  for (const BatchTrace& batch : recording.batches) {
    writer.Add({{"ph", "X"},
                {"cat", "batch"},
                {"name", absl::StrCat("batch of ", batch.size)},
                {"tid", kExecutor},
                {"ts", writer.Microseconds(batch.began)},
                {"dur", absl::ToDoubleMicroseconds(batch.compute)},
                {"args", {{"model", batch.model}, {"batch_size", batch.size}}}});
  }
  std::map<std::string, int> tracks;
  for (const FrameTrace& frame : recording.frames) {
    const auto [track, fresh] = tracks.try_emplace(frame.session_id, kExecutor + 1 + tracks.size());
    if (fresh) writer.Add(TrackName(track->second, "session " + frame.session_id));
    AddFrame(frame, track->second, &writer);
  }
  return absl::StrCat("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"not_recorded\":",
                      recording.not_recorded, "},\"traceEvents\":[\n", writer.text(), "\n]}\n");
}

}  // namespace slotmatch
