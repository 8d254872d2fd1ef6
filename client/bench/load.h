#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/bench/load_window.h"
#include "client/bench/schedule.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// Sessions that send at once, and how they are measured.
struct LoadOptions {
  int sessions = 1;
  double fps = 0;     // of each session, sent whatever comes back; 0: closed loop
  int in_flight = 2;  // closed loop: frames of each session unanswered at any time
  SendSchedule::Kind kind = SendSchedule::Kind::kConstant;
  uint64_t seed = 1;
  absl::Duration warm_up = absl::Seconds(2);
  absl::Duration window = absl::Seconds(2);
  int min_windows = 3;  // that must agree; the result is made of the last ones
  int max_windows = 10;
  double quantile = 0.99;   // of the latency, for the agreement
  double tolerance = 0.10;  // see Stable()
  v1::SessionConfig config;
  absl::Duration last_answers = absl::Seconds(30);  // to wait for in the end; later: sessions lost
  const std::atomic<bool>* stop = nullptr;          // borrowed; true: ends after the window
};

struct LoadResult {
  LoadWindow total;  // of the last min_windows
  int windows = 0;   // measured
  bool stable = false;
  int64_t sessions_lost = 0;  // ended by the server, or left with frames unanswered
  std::string first_loss;     // why
};

// Opens the sessions, one after the other on `channels`, warms up, measures windows until they
// agree or max_windows are over, and waits for the answers that are missing. Latencies of an open
// loop count from the time a frame was meant to be sent, so that a server that holds the sender
// back does not hide behind it. Statuses of a session that cannot be opened; kCancelled when
// stopped before a window was over.
absl::StatusOr<LoadResult> RunLoad(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                                   const std::vector<std::string>& pictures,
                                   const LoadOptions& options);

}  // namespace slotmatch
