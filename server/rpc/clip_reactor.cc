#include "server/rpc/clip_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/frame_metrics.h"
#include "server/rpc/session_events.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {

ClipReactor* ClipReactor::Start(const ServiceContext* service, grpc::CallbackServerContext* context,
                                ClipCall call) {
  std::shared_ptr<ClipReactor> reactor(new ClipReactor(service, context, std::move(call)));
  reactor->self_ = reactor;
  const absl::Status status = reactor->Open();
  if (!status.ok()) reactor->Stop(status);
  reactor->Feed();
  return reactor.get();
}

ClipReactor::ClipReactor(const ServiceContext* service, grpc::CallbackServerContext* context,
                         ClipCall call)
    : service_(service),
      context_(context),
      scope_(service->metrics, "unary", call.method, CallerOf(*context)),
      deadline_(absl::FromChrono(context->deadline())),
      tally_(service->metrics),
      call_(std::move(call)) {
  scope_.MessageReceived();
}

absl::Status ClipReactor::Open() {
  SM_ASSIGN_OR_RETURN(Caller caller, AdmitCall(*service_, *context_, shared_from_this()));
  {
    absl::MutexLock lock(&mutex_);  // whoever lists sessions may look already
    caller_ = caller;
  }
  tally_.Identify(caller_.session_id, scope_.log_fields());
  SM_ASSIGN_OR_RETURN(options_,
                      FromWire(call_.config, service_->limits, service_->scheduler->policy()));
  SM_ASSIGN_OR_RETURN(ServiceContext::Beginning begin, service_->Begin(call_.config));
  SM_RETURN_IF_ERROR(CheckFrames(begin.point.last_frame_id));
  SM_RETURN_IF_ERROR(AdmitSession(*service_, caller, begin.model->info(), &options_.stream));
  options_.stream.resume = begin.point;
  if (!options_.slot_ids) options_.stream.tracker = begin.model->tracker;
  auto session =
      StreamSession::Create(SegmenterOf(begin.model), options_.stream, service_->scheduler,
                            service_->pool, [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Deliver(std::move(outcome));
                            });
  absl::MutexLock lock(&mutex_);
  model_ = begin.model->info();
  session_ = std::move(session);
  return absl::OkStatus();
}

absl::Status ClipReactor::CheckFrames(std::optional<uint64_t> last_frame_id) const {
  const auto most = static_cast<size_t>(service_->limits.max_clip_frames());
  if (call_.frames.empty() || call_.frames.size() > most) {
    return absl::InvalidArgumentError(absl::StrCat("a clip of ", call_.frames.size(),
                                                   " frames; this server takes 1 to ", most,
                                                   ", a Segment stream any number"));
  }
  for (const v1::Frame& frame : call_.frames) {
    if (last_frame_id.has_value() && frame.frame_id() <= *last_frame_id) {
      return absl::OutOfRangeError(absl::StrCat("frame_id ", frame.frame_id(), " after ",
                                                *last_frame_id, "; ids must strictly increase"));
    }
    last_frame_id = frame.frame_id();
  }
  return absl::OkStatus();
}

SourceFrame ClipReactor::NextFrame() {
  SourceFrame source = TakeFrame(&call_.frames[next_++]);
  source.arrived = absl::Now();
  source.deadline = deadline_;
  tally_.Received(source);
  return source;
}

void ClipReactor::Feed() {
  const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
  mutex_.Lock();
  if (feeding_) {
    mutex_.Unlock();
    return;  // the feeder looks again before it leaves
  }
  feeding_ = true;
  while (status_.ok() && next_ < call_.frames.size() &&
         inside_ < service_->limits.max_queued_frames()) {
    SourceFrame source = NextFrame();
    ++inside_;
    mutex_.Unlock();
    session_->Submit(std::move(source));
    mutex_.Lock();
  }
  feeding_ = false;
  mutex_.Unlock();
  FinishIfDone();
}

void ClipReactor::Deliver(FrameOutcome outcome) {
  tally_.Done(outcome);
  const absl::Status status = outcome.result.status();
  const absl::Duration latency = status.ok() ? outcome.result->timings.total : absl::Duration();
  SessionPoint point = std::move(outcome.point);
  v1::SegmentResponse answer = ToWire(std::move(outcome), options_.slot_encoding);
  if (status.ok()) service_->metrics->FrameProcessed(latency, answer.ByteSizeLong());
  const absl::Status taken = call_.take(std::move(answer), status);
  {
    absl::MutexLock lock(&mutex_);
    --inside_;
    point_ = std::move(point);
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
    const bool all = next_ == call_.frames.size() || !status_.ok();
    if (finished_ || feeding_ || inside_ > 0 || !all) return;
    finished_ = true;
    status = status_;
  }
  if (status.ok()) status = SealState();
  if (status.ok()) scope_.MessageSent();
  scope_.End(status);
  service_->sessions->Release(caller_.session_id);
  Finish(ToGrpcStatus(status));
}

absl::Status ClipReactor::SealState() {
  if (call_.state == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  SM_ASSIGN_OR_RETURN(SealedState sealed, service_->sealer.Seal(model_, point_));
  *call_.state = ToWire(std::move(sealed));
  service_->metrics->SessionStateSent();
  return absl::OkStatus();
}

void ClipReactor::OnCancel() {
  Stop(absl::CancelledError("the client cancelled or went away"));
  FinishIfDone();
}

SessionReport ClipReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = ReportOf(scope_, caller_, tally_);
  report.model = model_.name;
  report.version = model_.version;
  report.frames_inside = inside_;
  return report;
}

void ClipReactor::EndWith(EndCause, const absl::Status& status) {
  Stop(status);
  FinishIfDone();
}

void ClipReactor::OnDone() {
  service_->sessions->Remove(caller_.session_id);
  self_.reset();  // the last line: may delete this
}

}  // namespace slotmatch
