#include "server/rpc/segment_stream_reactor.h"

#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "server/rpc/read_mark.h"
#include "server/rpc/session_events.h"

namespace slotmatch {
namespace {

// Up to a tenth less: sessions that were opened together do not move together.
absl::Duration Spread(absl::Duration max_age) {
  absl::BitGen random;
  return max_age * absl::Uniform(random, 0.9, 1.0);
}

struct CauseRow {
  EndCause cause;
  const char* reason;  // of SessionEndReasons()
  v1::GoAway::Reason go_away;
};
constexpr CauseRow kCauses[] = {
    {EndCause::kDraining, "draining", v1::GoAway::DRAINING},
    {EndCause::kModelUnloaded, "model_unloaded", v1::GoAway::MODEL_UNLOADED},
    {EndCause::kClosed, "closed_by_admin", v1::GoAway::REASON_UNSPECIFIED},  // it should not go on
};

// Bounds what a client that sends without reading can pile up here: reports of dropped frames and
// answers to pings, which are small. Reading pauses beyond it.
constexpr int kMaxUnread = 1024;

}  // namespace

SegmentStreamReactor* SegmentStreamReactor::Start(const ServiceContext* service,
                                                  grpc::CallbackServerContext* context) {
  std::shared_ptr<SegmentStreamReactor> reactor(new SegmentStreamReactor(service, context));
  reactor->self_ = reactor;
  // Before its first message: a stream that never sends one counts and expires like any other.
  const absl::Status status = reactor->call_.Enter(reactor);
  if (!status.ok()) reactor->End({status, "client_error"});
  reactor->Advance();
  return reactor.get();
}

SegmentStreamReactor::SegmentStreamReactor(const ServiceContext* service,
                                           grpc::CallbackServerContext* context)
    : service_(service),
      context_(context),
      call_(service, context, "bidi_stream", "Segment"),
      credits_(service->limits.max_queued_frames()),
      clock_(absl::Seconds(service->limits.session_idle_timeout_s()),
             Spread(absl::Seconds(service->limits.session_max_age_s())), absl::Now()),
      rate_(service->limits.max_frames_per_s()) {}

bool SegmentStreamReactor::MayRead() const {
  if (read_in_flight_ || outbox_.size() >= kMaxUnread) return false;
  const bool pauses =
      options_.stream.frame_policy == FramePolicy::kBlock && !options_.enforce_credits;
  return frames_inside_ < (pauses ? service_->limits.max_queued_frames() : kMaxUnread);
}

absl::Time SegmentStreamReactor::ReadAt() const {
  const bool paced = options_.stream.frame_policy == FramePolicy::kBlock;
  return paced ? rate_.NextAt() : absl::InfinitePast();
}

void SegmentStreamReactor::WaitForRate() {
  absl::Time until;
  {
    absl::MutexLock lock(&mutex_);
    until = ReadAt();
  }
  WakeAt(until, weak_from_this(), &SegmentStreamReactor::RateCame, &alarm_);
}

void SegmentStreamReactor::RateCame() {
  {
    absl::MutexLock lock(&mutex_);
    waiting_for_rate_ = false;
  }
  Advance();
}

SegmentStreamReactor::Action SegmentStreamReactor::NextAction() {
  if (finished_) return Action::kNone;
  if (try_cancel_) {
    try_cancel_ = false;
    return Action::kTryCancel;
  }
  const bool answered = end_.has_value() && frames_inside_ == 0 && outbox_.empty();
  if (answered && !cancelled_ && !farewell_said_) PushFarewell();
  if (!write_in_flight_ && !cancelled_ && !outbox_.empty()) {
    write_in_flight_ = true;
    return Action::kWrite;
  }
  if (end_.has_value()) {
    if (!(answered || cancelled_) || write_in_flight_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }
  if (!MayRead() || waiting_for_rate_) return Action::kNone;
  if (absl::Now() < ReadAt()) {
    waiting_for_rate_ = true;
    return Action::kWaitForRate;
  }
  read_in_flight_ = true;
  return Action::kRead;
}

void SegmentStreamReactor::Advance() {
  const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
  pump_.Run([this] {
    Action action;
    {
      absl::MutexLock lock(&mutex_);
      action = NextAction();
    }
    if (action != Action::kNone) Perform(action);
    return action != Action::kNone;
  });
}

void SegmentStreamReactor::Perform(Action action) {
  if (action == Action::kTryCancel) return context_->TryCancel();
  if (action == Action::kRead) {
    MarkUnread(&request_);
    return StartRead(&request_);
  }
  if (action == Action::kWrite) return StartFrontWrite();
  if (action == Action::kWaitForRate) return WaitForRate();
  Close();
}

void SegmentStreamReactor::Close() {
  absl::Status status;
  const char* reason;
  {
    absl::MutexLock lock(&mutex_);
    status = end_->status;
    reason = end_->reason;
  }
  const grpc::Status sent = call_.Close(status);
  if (session_ != nullptr) {
    service_->metrics->SessionClosed(reason, absl::Now() - opened_at_);
    SM_INFO("session closed session_id={} reason={}{}", call_.session_id(), reason,
            call_.log_fields());
  }
  Finish(sent);
}

void SegmentStreamReactor::StartFrontWrite() {
  Outgoing* front;
  {
    absl::MutexLock lock(&mutex_);
    front = &outbox_.front();  // a deque keeps it in place until OnWriteDone
    write_began_ = absl::Now();
    if (front->answer) ++credits_;
  }
  if (front->point.has_value() &&
      SealInto(service_->sealer, model_, *front->point, &front->response)) {
    service_->metrics->SessionStateSent();
  }
  StartWrite(&front->response);
}

void SegmentStreamReactor::OnReadDone(bool ok) {
  bool ending;
  {
    absl::MutexLock lock(&mutex_);
    ending = end_.has_value();  // what still comes in then is not looked at
    clock_.Moved(absl::Now());
  }
  if (!ok && context_->IsCancelled()) {
    EndCancelled();
  } else if (!ok && IsUnread(request_)) {
    End({absl::OkStatus(), "client_done"});  // half-closed; if it ended before, that reason stays
  } else if (!ok) {
    End({absl::InvalidArgumentError("a message cannot be parsed as a SegmentRequest"),
         "client_error"});
  } else if (!ending) {
    call_.MessageReceived();
    const absl::Status status = HandleRequest();
    if (!status.ok()) End({status, "client_error"});
  }
  {
    absl::MutexLock lock(&mutex_);
    read_in_flight_ = false;
  }
  Advance();
}

void SegmentStreamReactor::OnWriteDone(bool ok) {
  bool result;
  std::optional<FrameTrace> trace;
  {
    absl::MutexLock lock(&mutex_);
    write_in_flight_ = false;
    Outgoing& written = outbox_.front();
    const absl::Time now = absl::Now();
    service_->metrics->StageDone(Stage::kWriteWait, now - written.ready);
    trace = std::move(written.trace);
    if (written.answer) {
      --frames_inside_;
      clock_.Moved(absl::Now());  // other messages do not keep a session alive
    }
    result = written.response.has_result();
    outbox_.pop_front();
  }
  call_.Written(std::move(trace));
  if (result) session_->Sent();
  if (ok) call_.MessageSent();
  if (!ok) OnCancel();
  Advance();
}

void SegmentStreamReactor::EndCancelled() {
  absl::MutexLock lock(&mutex_);
  // The read that a cancel breaks off looks like a half-close, and may be heard of first.
  if (finished_ || (end_.has_value() && !end_->status.ok())) return;
  end_ = {absl::CancelledError("the client cancelled or went away"), "client_cancelled"};
}

void SegmentStreamReactor::OnCancel() {
  EndCancelled();
  std::shared_ptr<StreamSession> session;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    session = session_;
  }
  if (session != nullptr) session->Cancel();
  Advance();
}

void SegmentStreamReactor::OnDone() {
  call_.Leave();
  self_.reset();  // the last line: may delete this
}

void SegmentStreamReactor::End(Ending ending) {
  absl::MutexLock lock(&mutex_);
  EndLocked(std::move(ending));
}

void SegmentStreamReactor::EndLocked(Ending ending) {
  if (!end_.has_value()) end_ = std::move(ending);
}

void SegmentStreamReactor::Tick(absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    if (write_in_flight_ && now - write_began_ > clock_.idle_timeout()) {
      try_cancel_ = true;  // a status would not reach a client that does not read
      EndLocked(
          {absl::DeadlineExceededError("the client did not read for too long"), "not_reading"});
    }
    PushLoad();
    switch (clock_.Tick(now, frames_inside_ > 0)) {
      case SessionClock::Event::kNone:
        break;
      case SessionClock::Event::kIdleSoon:
        if (session_ == nullptr || end_.has_value()) break;
        Push(NoticeOf(v1::Notice::IDLE_SOON, "the session ends unless something is sent",
                      clock_.IdleLeft(now)));
        break;
      case SessionClock::Event::kIdle:
        EndLocked({absl::DeadlineExceededError("the session was idle for too long"), "idle",
                   v1::GoAway::IDLE});
        break;
      case SessionClock::Event::kMaxAge:
        EndLocked({absl::AbortedError("the session has its maximum age; go on with its state"),
                   "max_age", v1::GoAway::MAX_AGE});
        break;
    }
  }
  Advance();
}

void SegmentStreamReactor::EndWith(EndCause cause, const absl::Status& status) {
  for (const CauseRow& row : kCauses) {
    if (row.cause == cause) End({status, row.reason, row.go_away});
  }
  Advance();
}

SessionReport SegmentStreamReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = call_.Report();
  if (session_ != nullptr) report.AddModel({model_.name, model_.version});
  report.credits = credits_;
  report.frames_inside = frames_inside_;
  report.unread = static_cast<int64_t>(outbox_.size());
  report.leaving = leaving_;
  return report;
}

}  // namespace slotmatch
