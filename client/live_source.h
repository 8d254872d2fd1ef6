#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/frame_source.h"

namespace slotmatch {

// A camera or stream that is read as fast as its frames come, on a thread of its own, whatever
// becomes of them: Next() gives the newest one and says how many it has replaced. When the source
// breaks it is opened again. Next() is called by one thread.
class LiveSource : public FrameSource {
 public:
  using Opener = std::function<absl::StatusOr<std::unique_ptr<FrameSource>>()>;

  // `name` for messages; `open` is called again after a break, for up to `patience`; zero: the
  // first break is the end. `stop` is borrowed, may be null, and ends the source when true.
  LiveSource(std::string name, std::unique_ptr<FrameSource> source, Opener open,
             absl::Duration patience, const std::atomic<bool>* stop);
  ~LiveSource() override;  // waits for the read that is under way

  // UNAVAILABLE when the source broke and did not come back.
  absl::StatusOr<std::optional<ClientFrame>> Next() override;
  double frames_per_second() const override { return frames_per_second_; }
  bool live() const override { return true; }

 private:
  void Run(std::unique_ptr<FrameSource> source);
  // The source after a break; null when it did not come back.
  std::unique_ptr<FrameSource> Reopen();
  void Put(ClientFrame frame) ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Something() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return newest_.has_value() || end_.has_value();
  }
  bool Closing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closing_; }

  const std::string name_;
  const Opener open_;
  const absl::Duration patience_;
  const std::atomic<bool>* const stop_;
  const double frames_per_second_;

  absl::Mutex mutex_;
  std::optional<ClientFrame> newest_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread reader_;  // last: it uses everything above
};

}  // namespace slotmatch
