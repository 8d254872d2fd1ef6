#include "server/rpc/one_frame_reactor.h"

#include <utility>

#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/frame_metrics.h"
#include "server/rpc/status_convert.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {

OneFrameReactor* OneFrameReactor::Start(const ServiceContext* service,
                                        grpc::CallbackServerContext* context, const char* method,
                                        const Take& take, Fill fill) {
  std::shared_ptr<OneFrameReactor> reactor(
      new OneFrameReactor(service, context, method, std::move(fill)));
  reactor->self_ = reactor;
  const absl::Status status = reactor->Run(take);
  if (!status.ok()) reactor->FinishWith(status);
  return reactor.get();
}

OneFrameReactor::OneFrameReactor(const ServiceContext* service,
                                 grpc::CallbackServerContext* context, const char* method,
                                 Fill fill)
    : service_(service),
      context_(context),
      scope_(service->metrics, "unary", method, CallerOf(*context)),
      fill_(std::move(fill)),
      tally_(service->metrics) {
  scope_.MessageReceived();
}

absl::Status OneFrameReactor::Run(const Take& take) {
  SM_ASSIGN_OR_RETURN(Caller caller, AdmitCall(*service_, *context_, shared_from_this()));
  {
    absl::MutexLock lock(&mutex_);  // whoever lists sessions may look already
    caller_ = caller;
  }
  tally_.Identify(caller_.session_id, scope_.log_fields());
  SM_ASSIGN_OR_RETURN(OneFrame one, take());
  SM_RETURN_IF_ERROR(AdmitSession(*service_, caller, one.model->info(), &one.options));
  one.frame.arrived = absl::Now();
  one.frame.deadline = absl::FromChrono(context_->deadline());
  tally_.Received(one.frame);
  const auto session = StreamSession::Create(
      SegmenterOf(one.model), one.options, service_->scheduler, service_->pool,
      [self = shared_from_this()](FrameOutcome outcome) { self->Answer(std::move(outcome)); });
  {
    absl::MutexLock lock(&mutex_);
    session_ = session;
    model_ = one.model->info().name;
    version_ = one.model->info().version;
  }
  session->Submit(std::move(one.frame));
  return absl::OkStatus();
}

void OneFrameReactor::Answer(FrameOutcome outcome) {
  tally_.Done(outcome);
  const absl::Status status = outcome.result.status();
  if (status.ok()) {
    fill_(*std::move(outcome.result));
    scope_.MessageSent();
  }
  FinishWith(status);
}

void OneFrameReactor::FinishWith(const absl::Status& status) {
  scope_.End(status);
  service_->sessions->Release(caller_.session_id);
  Finish(ToGrpcStatus(status));
}

SessionReport OneFrameReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = ReportOf(scope_, caller_, tally_);
  report.model = model_;
  report.version = version_;
  report.frames_inside = session_ == nullptr ? 0 : 1;
  return report;
}

void OneFrameReactor::OnCancel() {
  std::shared_ptr<StreamSession> session;
  {
    absl::MutexLock lock(&mutex_);
    session = session_;
  }
  if (session != nullptr) session->Cancel();
}

void OneFrameReactor::OnDone() {
  service_->sessions->Remove(caller_.session_id);
  {
    absl::MutexLock lock(&mutex_);
    session_ = nullptr;  // its callback holds this
  }
  self_.reset();  // the last line: may delete this
}

}  // namespace slotmatch
