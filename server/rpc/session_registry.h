#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/engine/departures.h"
#include "server/rpc/session_report.h"

namespace slotmatch {

// A session as the registry sees it. Methods may be called from any thread.
class LiveSession {
 public:
  virtual ~LiveSession() = default;
  // Called about once a second: ends the session when it is idle, stuck or too old.
  virtual void Tick(absl::Time now) = 0;
  // The client should move to another server; until EndWith() its frames are answered.
  virtual void Leave() = 0;
  // Frames inside that are not being computed are not computed any more.
  virtual void DropWaiting() = 0;
  // Reads no more, answers the frames inside, then ends with `status`.
  virtual void EndWith(EndCause cause, const absl::Status& status) = 0;
  // All but its id.
  virtual SessionReport Report() const = 0;
};

// Admission and the list of open sessions. Thread-safe.
class SessionRegistry {
 public:
  // `max_per_peer` 0: any.
  explicit SessionRegistry(int max_sessions, int max_per_peer = 0)
      : max_sessions_(max_sessions), max_per_peer_(max_per_peer) {}

  // The new session's id, unique for the life of the server. `peer` is gRPC's name of the other
  // end, of which the port is not looked at. RESOURCE_EXHAUSTED when all places are taken, with the
  // time after which one may be free, or all places of that peer; UNAVAILABLE while draining.
  absl::StatusOr<std::string> Admit(const std::shared_ptr<LiveSession>& session,
                                    const std::string& peer = "");
  // Gives the place back. Called before the client can learn that its session has ended, so that
  // it finds the place free. Ids that are not there are ignored, here and in Remove().
  void Release(const std::string& id);
  // Keeps `ticket` until the session's place is given back.
  void Keep(const std::string& id, std::shared_ptr<void> ticket);
  // The session is gone; before that a drain waits for it. Releases its place, too.
  void Remove(const std::string& id);

  // Refuses new sessions from now on.
  void BeginDrain();
  bool draining() const;
  // True when no session was left before the deadline.
  bool WaitUntilEmpty(absl::Time deadline);

  // The calls of LiveSession, on every open session.
  void TickAll(absl::Time now);
  void LeaveAll();
  void DropAllWaiting();
  void EndAll(const absl::Status& status);  // EndCause::kDraining
  // What is open, the oldest first.
  std::vector<SessionReport> Reports() const;
  // Ends a session; false when there is none with this id.
  bool Close(const std::string& id, const absl::Status& status);
  // Ends the sessions of a version of a model as it is unloaded; how many.
  int EndModel(const std::string& name, const std::string& version, const absl::Status& status);
  size_t size() const;  // sessions not removed

 private:
  struct Entry {
    std::string id;
    std::weak_ptr<LiveSession> session;
    std::string address;  // of the peer
    bool has_place = true;
    std::shared_ptr<void> kept = nullptr;
  };
  using Named = std::pair<std::string, std::shared_ptr<LiveSession>>;
  std::vector<Named> Alive() const;
  bool Empty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return sessions_.empty(); }

  int PlacesOf(const std::string* address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_sessions_, max_per_peer_;
  mutable absl::Mutex mutex_;
  std::vector<Entry> sessions_ ABSL_GUARDED_BY(mutex_);
  Departures departures_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace slotmatch
