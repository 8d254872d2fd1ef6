#include "client/bench/load.h"

#include <queue>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/bench/load_session.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

using Sessions = std::vector<std::unique_ptr<LoadSession>>;

constexpr absl::Duration kLook = absl::Milliseconds(50);  // for a wish to stop, or a lost session

// Offers every session its frames when they are due, until it goes away.
class Pacer {
 public:
  Pacer(const LoadOptions& options, const Sessions& sessions) : sessions_(sessions) {
    for (size_t i = 0; i < sessions.size(); ++i) {
      schedules_.emplace_back(options.kind, options.fps, options.seed + i);
      due_.emplace(schedules_.back().Next(), i);
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~Pacer() {
    stop_.Notify();
    thread_.join();
  }

 private:
  using Due = std::pair<absl::Duration, size_t>;

  void Run() {
    const absl::Time began = absl::Now();
    for (;;) {
      const auto [at, session] = due_.top();
      if (stop_.WaitForNotificationWithDeadline(began + at)) return;
      due_.pop();
      sessions_[session]->Offer(began + at);
      due_.emplace(schedules_[session].Next(), session);
    }
  }

  const Sessions& sessions_;
  std::vector<SendSchedule> schedules_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  absl::Notification stop_;
  std::thread thread_;  // last: it uses everything above
};

// Lets the sessions answer what they have and end. A server gives a place back before it says that
// a session ended, so the next load finds it free; after a cancel it may not be yet.
std::vector<absl::Status> EndAll(const Sessions& sessions, absl::Duration patience) {
  for (const auto& session : sessions) session->Stop();
  const absl::Time end = absl::Now() + patience;
  std::vector<absl::Status> statuses;
  for (const auto& session : sessions) {
    statuses.push_back(session->Wait(std::max(end - absl::Now(), absl::ZeroDuration())));
  }
  return statuses;
}

absl::StatusOr<Sessions> OpenSessions(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                                      const std::vector<std::string>& pictures,
                                      const LoadOptions& options, LoadRecorder* recorder) {
  Sessions sessions;
  for (int i = 0; i < options.sessions; ++i) {
    LoadSession::Options session;
    session.config = options.config;
    session.pictures = &pictures;
    session.first_picture = static_cast<size_t>(i) * 7;  // not all the same picture at once
    session.in_flight = options.fps > 0 ? 0 : options.in_flight;
    sessions.push_back(
        std::make_unique<LoadSession>(channels[i % channels.size()], session, recorder));
  }
  absl::Status status;
  for (int i = 0; status.ok() && i < options.sessions; ++i) {
    status = Annotate(sessions[i]->WaitUntilOpen(),
                      absl::StrCat("session ", i + 1, " of ", options.sessions));
  }
  if (status.ok()) return sessions;
  EndAll(sessions, options.last_answers);
  return status;
}

bool AnyEnded(const Sessions& sessions) {
  for (const auto& session : sessions) {
    if (session->ended()) return true;
  }
  return false;
}

// False when the load should end early.
bool Pass(absl::Duration time, const LoadOptions& options, const Sessions& sessions) {
  const absl::Time end = absl::Now() + time;
  for (absl::Time now = absl::Now(); now < end; now = absl::Now()) {
    if (AnyEnded(sessions) || (options.stop != nullptr && options.stop->load())) return false;
    absl::SleepFor(std::min(kLook, end - now));
  }
  return true;
}

std::vector<LoadWindow> MeasureWindows(const LoadOptions& options, const Sessions& sessions,
                                       LoadRecorder* recorder) {
  std::vector<LoadWindow> windows;
  if (!Pass(options.warm_up, options, sessions)) return windows;
  recorder->Take();
  for (bool more = true; more && static_cast<int>(windows.size()) < options.max_windows;) {
    more = Pass(options.window, options, sessions);
    windows.push_back(recorder->Take());
    if (Stable(windows, options.min_windows, options.quantile, options.tolerance)) break;
  }
  return windows;
}

}  // namespace

absl::StatusOr<LoadResult> RunLoad(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                                   const std::vector<std::string>& pictures,
                                   const LoadOptions& options) {
  LoadRecorder recorder;
  SM_ASSIGN_OR_RETURN(const Sessions sessions,
                      OpenSessions(channels, pictures, options, &recorder));
  std::vector<LoadWindow> windows;
  {
    std::unique_ptr<Pacer> pacer;
    if (options.fps > 0) pacer = std::make_unique<Pacer>(options, sessions);
    windows = MeasureWindows(options, sessions, &recorder);
  }
  LoadResult result;
  result.windows = static_cast<int>(windows.size());
  result.stable = Stable(windows, options.min_windows, options.quantile, options.tolerance);
  const size_t skipped = std::max(result.windows - options.min_windows, 0);
  for (size_t i = skipped; i < windows.size(); ++i) result.total.Merge(windows[i]);
  for (const absl::Status& status : EndAll(sessions, options.last_answers)) {
    if (status.ok()) continue;
    if (result.sessions_lost++ == 0) result.first_loss = std::string(status.message());
  }
  if (windows.empty() && result.sessions_lost == 0) return absl::CancelledError("interrupted");
  return result;
}

}  // namespace slotmatch
