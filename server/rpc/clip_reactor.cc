#include "server/rpc/clip_reactor.h"

#include <utility>

#include "core/base/status.h"
#include "server/rpc/session_events.h"

namespace slotmatch {

ClipReactor* ClipReactor::Start(const ServiceContext* service, grpc::CallbackServerContext* context,
                                const ClipCall& call) {
  std::shared_ptr<ClipReactor> reactor(new ClipReactor(service, context, call));
  reactor->self_ = reactor;
  const absl::Status status = reactor->Open(call);
  if (!status.ok()) reactor->Stop(status);
  reactor->Feed();
  return reactor.get();
}

ClipReactor::ClipReactor(const ServiceContext* service, grpc::CallbackServerContext* context,
                         const ClipCall& call)
    : service_(service),
      call_(service, context, "unary", call.method),
      response_(call.response),
      state_(call.state) {
  call_.MessageReceived();
}

absl::Status ClipReactor::Open(const ClipCall& call) {
  SM_RETURN_IF_ERROR(call_.Enter(shared_from_this()));
  SM_ASSIGN_OR_RETURN(Clip clip, call.open());
  SM_RETURN_IF_ERROR(call_.Admit(clip.model->info(), &clip.options));
  auto session =
      StreamSession::Create(SegmenterOf(clip.model), clip.options, service_->scheduler,
                            service_->pool, [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Deliver(std::move(outcome));
                            });
  absl::MutexLock lock(&mutex_);
  clip_ = std::move(clip);
  session_ = std::move(session);
  return absl::OkStatus();
}

void ClipReactor::Feed() {
  const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
  mutex_.Lock();
  if (feeding_) {
    mutex_.Unlock();
    return;  // the feeder looks again before it leaves
  }
  feeding_ = true;
  while (status_.ok() && next_ < clip_.frames.size() &&
         inside_ < service_->limits.max_queued_frames()) {
    SourceFrame source = std::move(clip_.frames[next_++]);
    const std::shared_ptr<StreamSession> session = session_;
    ++inside_;
    mutex_.Unlock();
    call_.Received(&source);
    session->Submit(std::move(source));
    mutex_.Lock();
  }
  feeding_ = false;
  mutex_.Unlock();
  FinishIfDone();
}

void ClipReactor::Deliver(FrameOutcome outcome) {
  std::optional<FrameTrace> trace = call_.Done(outcome, clip_.model->info().name);
  SessionPoint point = std::move(outcome.point);
  const absl::Status taken = clip_.take(std::move(outcome));
  {
    absl::MutexLock lock(&mutex_);
    --inside_;
    point_ = std::move(point);
    if (trace.has_value()) traces_.push_back(*std::move(trace));
    if (status_.ok()) status_ = taken;
  }
  Feed();
}

void ClipReactor::Stop(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (status_.ok()) status_ = status;
  if (session_ != nullptr) session_->Cancel();
}

void ClipReactor::FinishIfDone() {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    const bool all = next_ == clip_.frames.size() || !status_.ok();
    if (finished_ || feeding_ || inside_ > 0 || !all) return;
    finished_ = true;
    status = status_;
  }
  if (status.ok()) status = SealState();
  if (status.ok()) {
    call_.MessageSent();
    service_->metrics->ResultSent(response_->ByteSizeLong());
    absl::MutexLock lock(&mutex_);
    answered_ = true;
  }
  Finish(call_.Close(status));
}

absl::Status ClipReactor::SealState() {
  if (state_ == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  SM_ASSIGN_OR_RETURN(SealedState sealed, service_->sealer.Seal(clip_.model->info(), point_));
  *state_ = ToWire(std::move(sealed));
  service_->metrics->SessionStateSent();
  return absl::OkStatus();
}

void ClipReactor::OnCancel() {
  Stop(absl::CancelledError("the client cancelled or went away"));
  FinishIfDone();
}

SessionReport ClipReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = call_.Report();
  if (clip_.model != nullptr) {
    report.AddModel({clip_.model->info().name, clip_.model->info().version});
  }
  report.frames_inside = inside_;
  return report;
}

void ClipReactor::EndWith(EndCause, const absl::Status& status) {
  Stop(status);
  FinishIfDone();
}

void ClipReactor::OnDone() {
  std::vector<FrameTrace> traces;
  {
    absl::MutexLock lock(&mutex_);
    if (answered_) traces.swap(traces_);
  }
  for (FrameTrace& trace : traces) call_.Written(std::move(trace));
  call_.Leave();
  self_.reset();  // the last line: may delete this
}

}  // namespace slotmatch
