#include "server/rpc/kserve_stream_reactor.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/read_mark.h"

namespace slotmatch {

SessionReport::Model KServeStreamReactor::NameOf(const ModelRef& model) {
  return {model->info().name, model->info().version};
}

KServeStreamReactor* KServeStreamReactor::Start(const ServiceContext* service,
                                                grpc::CallbackServerContext* context) {
  std::shared_ptr<KServeStreamReactor> reactor(new KServeStreamReactor(service, context));
  reactor->self_ = reactor;
  const absl::Status status = reactor->call_.Enter(reactor);
  if (!status.ok()) reactor->End(status);
  reactor->Advance();
  return reactor.get();
}

KServeStreamReactor::KServeStreamReactor(const ServiceContext* service,
                                         grpc::CallbackServerContext* context)
    : service_(service),
      context_(context),
      call_(service, context, "bidi_stream", "ModelStreamInfer"),
      clock_(absl::Seconds(service->limits.session_idle_timeout_s()), absl::ZeroDuration(),
             absl::Now()),
      rate_(service->limits.max_frames_per_s()) {}

KServeStreamReactor::Action KServeStreamReactor::NextAction() {
  if (finished_) return Action::kNone;
  if (try_cancel_) {
    try_cancel_ = false;
    return Action::kTryCancel;
  }
  const bool ready = !exchanges_.empty() && exchanges_.front().sequence.session == nullptr;
  if (ready && !write_in_flight_ && !cancelled_) {
    write_in_flight_ = true;
    write_began_ = absl::Now();
    return Action::kWrite;
  }
  if (end_.has_value()) {  // does not wait for a read that may never come
    const bool answered = cancelled_ ? Busy().empty() : exchanges_.empty();
    if (!answered || write_in_flight_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }
  const bool full = exchanges_.size() >= static_cast<size_t>(service_->limits.max_queued_frames());
  if (full || read_in_flight_ || waiting_for_rate_) return Action::kNone;
  if (absl::Now() < rate_.NextAt()) {
    waiting_for_rate_ = true;
    return Action::kWaitForRate;
  }
  read_in_flight_ = true;
  return Action::kRead;
}

void KServeStreamReactor::Advance() {
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

void KServeStreamReactor::WaitForRate() {
  absl::Time until;
  {
    absl::MutexLock lock(&mutex_);
    until = rate_.NextAt();
  }
  WakeAt(until, weak_from_this(), &KServeStreamReactor::RateCame, &alarm_);
}

void KServeStreamReactor::RateCame() {
  {
    absl::MutexLock lock(&mutex_);
    waiting_for_rate_ = false;
  }
  Advance();
}

void KServeStreamReactor::Perform(Action action) {
  if (action == Action::kTryCancel) return context_->TryCancel();
  if (action == Action::kWaitForRate) return WaitForRate();
  if (action == Action::kRead) {
    MarkUnread(&request_);
    return StartRead(&request_);
  }
  absl::Status status;
  const inference::ModelStreamInferResponse* response = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (action == Action::kFinish) status = *end_;
    // A deque keeps it in place until OnWriteDone.
    if (action == Action::kWrite) response = &exchanges_.front().response;
  }
  if (response != nullptr) return StartWrite(response);
  Finish(call_.Close(status));
}

void KServeStreamReactor::OnReadDone(bool ok) {
  bool ending;
  {
    absl::MutexLock lock(&mutex_);
    ending = end_.has_value();  // what still comes in then is not looked at
    clock_.Moved(absl::Now());
  }
  if (ok && !ending) {
    call_.MessageReceived();
    HandleRequest();
  } else if (!ok && context_->IsCancelled()) {
    EndCancelled();
  } else if (!ok && IsUnread(request_)) {
    End(absl::OkStatus());  // half-closed
  } else if (!ok) {
    End(absl::InvalidArgumentError("a message cannot be parsed as a ModelInferRequest"));
  }
  {
    absl::MutexLock lock(&mutex_);
    read_in_flight_ = false;
  }
  Advance();
}

void KServeStreamReactor::OnWriteDone(bool ok) {
  std::optional<FrameTrace> trace;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    service_->metrics->StageDone(Stage::kWriteWait, now - exchanges_.front().ready);
    write_in_flight_ = false;
    clock_.Moved(now);
    trace = std::move(exchanges_.front().trace);
    exchanges_.pop_front();
  }
  call_.Written(std::move(trace));
  if (ok) call_.MessageSent();
  if (!ok) OnCancel();
  Advance();
}

void KServeStreamReactor::EndCancelled() {
  absl::MutexLock lock(&mutex_);
  // The read that a cancel breaks off looks like a half-close, and may be heard of first.
  if (finished_ || (end_.has_value() && !end_->ok())) return;
  end_ = absl::CancelledError("the client cancelled or went away");
}

void KServeStreamReactor::OnCancel() {
  EndCancelled();
  std::vector<SessionPtr> sessions;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    sessions = Busy();
  }
  for (const SessionPtr& session : sessions) session->Cancel();
  Advance();
}

void KServeStreamReactor::OnDone() {
  call_.Leave();
  self_.reset();  // the last line: may delete this
}

std::vector<KServeStreamReactor::SessionPtr> KServeStreamReactor::Busy() const {
  std::vector<SessionPtr> sessions;
  for (const Exchange& exchange : exchanges_) {
    if (exchange.sequence.session != nullptr) sessions.push_back(exchange.sequence.session);
  }
  return sessions;
}

void KServeStreamReactor::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!end_.has_value()) end_ = status;
}

void KServeStreamReactor::Tick(absl::Time now) {
  bool idle;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    idle = clock_.Tick(now, !exchanges_.empty()) == SessionClock::Event::kIdle;
    if (write_in_flight_ && now - write_began_ > clock_.idle_timeout()) {
      try_cancel_ = true;  // a status would not reach a client that does not read
      if (!end_.has_value())
        end_ = absl::DeadlineExceededError("the client did not read for too long");
    }
  }
  if (idle) End(absl::DeadlineExceededError("the stream was idle for too long"));
  Advance();
}

void KServeStreamReactor::DropWaiting() {
  std::vector<SessionPtr> sessions;
  {
    absl::MutexLock lock(&mutex_);
    sessions = Busy();
  }
  for (const SessionPtr& session : sessions) session->DropWaiting(DropReason::kDraining);
}

void KServeStreamReactor::EndWith(EndCause, const absl::Status& status) {
  End(status);
  Advance();
}

SessionReport KServeStreamReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = call_.Report();
  if (!last_model_.name.empty()) report.AddModel(last_model_);
  for (const auto& [key, sequence] : sequences_) report.AddModel(NameOf(sequence.model));
  for (const Exchange& exchange : exchanges_) {
    if (exchange.sequence.session != nullptr) report.AddModel(NameOf(exchange.sequence.model));
  }
  report.frames_inside = static_cast<int64_t>(Busy().size());
  report.unread = static_cast<int64_t>(exchanges_.size()) - report.frames_inside;
  return report;
}

}  // namespace slotmatch
