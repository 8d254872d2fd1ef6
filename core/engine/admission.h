#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/departures.h"
#include "slotmatch/config/schedule.pb.h"

namespace slotmatch {

enum class RefusalReason { kTenant, kMemory, kQueue, kOverload };

struct Refusal {
  RefusalReason reason;
  std::string message;
  absl::Duration retry_after;  // when the same request may find what it lacked
};

// What a session asks for.
struct AdmissionRequest {
  std::string tenant;
  size_t schedule_class = 0;
  std::string model;  // its name
  int64_t bytes = 0;  // most that its frames and its state take: SessionBytes()
};

// Bytes that a session may take inside: `max_frames` frames of `encoded_bytes` each and as pixels
// of the model's input, and its state.
int64_t SessionBytes(const ModelInfo& model, int max_frames, int64_t encoded_bytes);

// Lets sessions in while there is memory, the queue is short enough and the server is not
// overloaded. Sessions that are in stay in. Thread-safe.
class Admission {
 public:
  // An admitted session; its end gives back what it holds.
  class Ticket {
   public:
    ~Ticket() { admission_->Leave(*this); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    // How many were admitted before it.
    uint64_t ordinal() const { return ordinal_; }

   private:
    friend class Admission;
    Ticket(Admission* admission, AdmissionRequest request, uint64_t ordinal)
        : admission_(admission), request_(std::move(request)), ordinal_(ordinal) {}
    Admission* const admission_;
    const AdmissionRequest request_;
    const uint64_t ordinal_;
  };
  struct Verdict {
    std::shared_ptr<Ticket> ticket;  // null: refused
    Refusal refusal;
  };

  // `scheduler` and `clock` are borrowed and outlive the admission, which outlives its tickets. For
  // `fresh_for` a session counts as a waiting frame: until then the ladder has not seen its load,
  // so that a rush does not get in before the server can know that it is too much.
  Admission(const config::AdmissionConfig& config, const BatchScheduler* scheduler,
            absl::Duration fresh_for, const Clock* clock = &Clock::Real());

  Verdict Admit(const AdmissionRequest& request);

  int64_t reserved_bytes() const;

 private:
  struct Tenant {
    int sessions = 0;
    Departures departures;
  };

  std::optional<Refusal> WhyNoRoom(const AdmissionRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Refusal> WhyTooBusy(const AdmissionRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(const Ticket& ticket);

  const config::AdmissionConfig config_;
  const BatchScheduler* const scheduler_;
  const absl::Duration fresh_for_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  int64_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Departures departures_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Tenant> tenants_ ABSL_GUARDED_BY(mutex_);  // those with a session
  std::deque<absl::Time> fresh_ ABSL_GUARDED_BY(mutex_);  // when the youngest sessions came
  uint64_t admitted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace slotmatch
