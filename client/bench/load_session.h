#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/bench/load_window.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// Where the sessions of a load report. Thread-safe.
class LoadRecorder {
 public:
  LoadRecorder();
  // `waited`: from the time the frame was meant to be sent.
  void Answered(const v1::SegmentResponse& response, absl::Duration waited);
  void GaveUp();
  // What was reported since the last call.
  LoadWindow Take();

 private:
  absl::Mutex mutex_;
  absl::Time began_ ABSL_GUARDED_BY(mutex_);
  LoadWindow window_ ABSL_GUARDED_BY(mutex_);
};

// One Segment stream that sends pictures and counts what comes back, without a thread of its own.
// A frame whose turn comes while the server holds the stream back waits here, and its latency
// counts from the time it was meant to be sent. Thread-safe.
class LoadSession : public grpc::ClientBidiReactor<v1::SegmentRequest, v1::SegmentResponse> {
 public:
  struct Options {
    v1::SessionConfig config;
    const std::vector<std::string>* pictures = nullptr;  // JPEG or PNG, sent in turn; outlive this
    size_t first_picture = 0;
    int in_flight = 0;  // closed loop: frames unanswered at any time; 0: Offer() says when to send
  };
  // Opens the stream on `channel`; `recorder` outlives this.
  LoadSession(const std::shared_ptr<grpc::Channel>& channel, const Options& options,
              LoadRecorder* recorder);
  ~LoadSession() override;  // cancels what has not ended

  // Waits for SessionOpened; else the status the server ended the stream with.
  absl::Status WaitUntilOpen();
  // A frame that is meant to be sent at `meant`, now or a moment ago.
  void Offer(absl::Time meant);
  // Sends no more.
  void Stop();
  // Waits for the answers that are missing, then cancels. Not OK: the server ended the stream, or
  // did not answer in time.
  absl::Status Wait(absl::Duration patience);
  bool ended() const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  // Starts the write that is due, if none is in flight.
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);
  void FillRequest(absl::Time meant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAnswer(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Opened() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return opened_ || end_.has_value(); }
  bool Ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return end_.has_value(); }

  const Options options_;
  LoadRecorder* const recorder_;
  std::unique_ptr<v1::SlotMatchService::Stub> stub_;
  grpc::ClientContext context_;
  v1::SegmentRequest request_;    // being written, if in flight
  v1::SegmentResponse response_;  // being read

  mutable absl::Mutex mutex_;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;  // the config
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<absl::Time> backlog_ ABSL_GUARDED_BY(mutex_);             // at most kMaxBacklog
  std::map<uint64_t, absl::Time> unanswered_ ABSL_GUARDED_BY(mutex_);  // by frame id
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
