#pragma once

#include <atomic>
#include <string>

#include "core/engine/stream_session.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/session_report.h"

namespace slotmatch {

// Counts the frames of one session, for the metrics and for the session's report. Thread-safe
// after Identify().
class FrameTally {
 public:
  explicit FrameTally(ServerMetrics* metrics) : metrics_(metrics) {}

  // Before the first frame; `log_fields` go to the end of log lines.
  void Identify(const std::string& session_id, const std::string& log_fields);

  void Received(const SourceFrame& frame);
  // Counts a frame's outcome, its latency and the time of its stages.
  void Done(const FrameOutcome& outcome);

  void AddTo(SessionReport* report) const;

 private:
  ServerMetrics* const metrics_;
  std::string session_id_, log_fields_;
  std::atomic<uint64_t> received_{0}, answered_{0}, failed_{0}, dropped_{0};
};

}  // namespace slotmatch
