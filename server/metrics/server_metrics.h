#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/stream_types.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/model_metrics.h"
#include "server/metrics/schedule_metrics.h"

namespace slotmatch {

// Stages of a frame, one histogram series each.
enum class Stage {
  kReceive,    // waiting for a worker
  kDecode,     // and preprocessing
  kQueue,      // waiting for the stream's frame before it
  kBatch,      // waiting for a batch
  kCompute,    // the model, for the whole batch
  kMask,       // labels and statistics, waiting for a worker included
  kEncode,     // of the mask
  kWriteWait,  // waiting for the client to read
};

// What became of the frames so far.
struct FrameTotals {
  uint64_t received = 0, processed = 0, failed = 0, dropped = 0;
};

class RpcMetrics;
class SlotMetrics;

// Every metric of the server, made once and pre-set to 0, so that rates work from the first scrape.
// Names and meanings: docs/operations.md. Thread-safe.
class ServerMetrics {
 public:
  ServerMetrics();
  ~ServerMetrics();

  // Serves /metrics at HOST:PORT (port 0: any) to whom `allow` allows it (MetricsEndpoint), and
  // returns the port. UNAVAILABLE when it is taken.
  absl::StatusOr<int> Expose(const std::string& address,
                             std::function<absl::Status(const std::string&)> allow = {});
  // Serves no more; no gauge is read by a scrape after it.
  void StopExposing();

  // Values asked for at scrape time; all are called from the scraping thread.
  void SetModels(std::function<std::vector<ModelSample>()> models);
  void SetGauges(std::function<double()> queued_frames, std::function<double()> queued_jobs,
                 std::function<double()> credits);
  void SetLoadGauges(const std::function<Load()>& load, std::function<double()> reserved_bytes);
  ScheduleMetrics& schedule();

  void SessionOpened();
  void SessionClosed(const std::string& reason,
                     absl::Duration age);                      // a row of SessionEndReasons()
  void FrameReceived(const std::string& codec, size_t bytes);  // jpeg, png or raw
  void FrameProcessed(absl::Duration latency);
  void ResultSent(size_t bytes);                 // a message with results
  void FrameFailed(const std::string& reason);   // decode_error, deadline, cancelled or internal
  void FrameDropped(const std::string& reason);  // queue_full, superseded, deadline or draining
  void SessionResumed(const absl::Status& status);
  void SessionStateSent();
  void StateReset();
  void OverCredit();
  void StageDone(Stage stage, absl::Duration duration);
  void FrameStages(const FrameTimings& timings);  // all but kWriteWait
  void SlotsSeen(const SlotHealth& health);
  void BatchDone(int size, absl::Duration compute);
  void SetSessionCapacity(int sessions);
  void SetDraining(bool draining);
  int sessions_active() const;
  FrameTotals frame_totals() const;
  double busy_seconds() const;  // the model was computing

  // The go-grpc-middleware family.
  void RpcStarted(const std::string& type, const std::string& method);
  void RpcMessage(const std::string& type, const std::string& method, bool received);
  void RpcHandled(const std::string& type, const std::string& method, int code,
                  absl::Duration duration);

  // The exposition text, as a scrape would see it.
  std::string Text() const;

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
  std::unique_ptr<RpcMetrics> rpcs_;
  std::unique_ptr<SlotMetrics> slots_;
  std::unique_ptr<MetricsEndpoint> endpoint_;  // last: its threads read the handles
};

const std::vector<std::string>& SessionEndReasons();

}  // namespace slotmatch
