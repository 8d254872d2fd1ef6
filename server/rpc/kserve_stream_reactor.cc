#include "server/rpc/kserve_stream_reactor.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/frame_metrics.h"
#include "server/rpc/status_convert.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxSequences = 64;  // open at once in one call

}  // namespace

KServeStreamReactor* KServeStreamReactor::Start(const ServiceContext* service,
                                                grpc::CallbackServerContext* context) {
  std::shared_ptr<KServeStreamReactor> reactor(new KServeStreamReactor(service, context));
  reactor->self_ = reactor;
  absl::StatusOr<Caller> caller = AdmitCall(*service, *context, reactor);
  if (caller.ok()) {
    reactor->caller_ = *std::move(caller);
  } else {
    reactor->End(caller.status());
  }
  reactor->Advance();
  return reactor.get();
}

KServeStreamReactor::KServeStreamReactor(const ServiceContext* service,
                                         grpc::CallbackServerContext* context)
    : service_(service),
      context_(context),
      scope_(service->metrics, "bidi_stream", "ModelStreamInfer", context->peer()),
      clock_(absl::Seconds(service->limits.session_idle_timeout_s()), absl::ZeroDuration(),
             absl::Now()) {}

void KServeStreamReactor::Advance() {
  const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
  absl::Status status;
  Phase next;
  {
    absl::MutexLock lock(&mutex_);
    // An end does not wait for a read that may never come.
    const bool may_end = phase_ == Phase::kIdle || phase_ == Phase::kReading;
    if (end_.has_value() && may_end) {
      status = *end_;
      next = Phase::kFinished;
    } else if (phase_ == Phase::kIdle) {
      next = Phase::kReading;
    } else if (phase_ == Phase::kAnswered) {
      next = Phase::kWriting;
    } else {
      return;  // something is in flight, or all is over
    }
    phase_ = next;
  }
  if (next == Phase::kReading) return StartRead(&request_);
  if (next == Phase::kWriting) {
    const inference::ModelStreamInferResponse* response;
    {
      absl::MutexLock lock(&mutex_);
      response = &response_;  // stays as it is until OnWriteDone
    }
    return StartWrite(response);
  }
  scope_.End(status);
  service_->sessions->Release(caller_.session_id);
  Finish(ToGrpcStatus(status));
}

void KServeStreamReactor::OnReadDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kFinished) return;
    phase_ = Phase::kComputing;
    clock_.Moved(absl::Now());
  }
  if (ok) {
    scope_.MessageReceived();
    const absl::Status status = HandleRequest();
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) AnswerError(status);
  } else {
    End(context_->IsCancelled() ? absl::CancelledError("the client cancelled or went away")
                                : absl::OkStatus());
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kIdle;
  }
  Advance();
}

absl::Status KServeStreamReactor::HandleRequest() {
  SM_ASSIGN_OR_RETURN(model_, service_->FindModel(request_.model_name(), request_.model_version()));
  SM_ASSIGN_OR_RETURN(infer_, TakeInfer(&request_));
  if (!working_) {
    StreamOptions options = KServeStreamOptions(service_->limits, service_->scheduler->policy());
    SM_RETURN_IF_ERROR(AdmitSession(*service_, caller_, model_, &options));
    working_ = true;
  }
  SM_ASSIGN_OR_RETURN(const auto session, SessionOf(infer_, model_));
  SourceFrame frame = std::move(infer_.frame);
  frame.id = next_frame_++;
  frame.arrived = absl::Now();
  frame.deadline = absl::FromChrono(context_->deadline());
  service_->metrics->FrameReceived(CodecOf(frame), frame.bytes.size());
  {
    absl::MutexLock lock(&mutex_);
    computing_ = session;
  }
  session->Submit(std::move(frame));
  return absl::OkStatus();
}

std::shared_ptr<StreamSession> KServeStreamReactor::NewSession(size_t model) {
  StreamOptions options = KServeStreamOptions(service_->limits, service_->scheduler->policy());
  options.tenant = caller_.tenant;
  return StreamSession::Create(service_->segmenters[model], options, service_->scheduler,
                               service_->pool, [weak = weak_from_this()](FrameOutcome outcome) {
                                 if (auto reactor = weak.lock())
                                   reactor->Answer(std::move(outcome));
                               });
}

absl::StatusOr<std::shared_ptr<StreamSession>> KServeStreamReactor::SessionOf(
    const KServeInfer& infer, size_t model) {
  if (infer.sequence.empty()) return NewSession(model);
  const SequenceKey key(model, infer.sequence);
  auto it = sequences_.find(key);
  if (infer.sequence_start) {
    if (it == sequences_.end() && sequences_.size() >= kMaxSequences) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "a call has at most ", kMaxSequences, " sequences; end one, or open another stream"));
    }
    it = sequences_.insert_or_assign(key, NewSession(model)).first;
  }
  if (it == sequences_.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "sequence ", infer.sequence, " is not open; its first request needs ", "sequence_start"));
  }
  const std::shared_ptr<StreamSession> session = it->second;
  if (infer.sequence_end) sequences_.erase(it);
  return session;
}

void KServeStreamReactor::AnswerError(const absl::Status& status) {
  response_.Clear();
  response_.set_error_message(std::string(status.message()));
  response_.mutable_infer_response()->set_model_name(request_.model_name());
  response_.mutable_infer_response()->set_id(request_.id());
  phase_ = Phase::kAnswered;
}

void KServeStreamReactor::Answer(FrameOutcome outcome) {
  CountOutcome(outcome, caller_.session_id, service_->metrics);
  {
    absl::MutexLock lock(&mutex_);
    computing_ = nullptr;
    if (outcome.result.ok()) {
      response_.Clear();
      FillInferResponse(*outcome.result, service_->models[model_], infer_, request_.id(),
                        response_.mutable_infer_response());
      phase_ = Phase::kAnswered;
    } else {
      AnswerError(outcome.result.status());
    }
  }
  Advance();
}

void KServeStreamReactor::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kIdle;
    clock_.Moved(absl::Now());
  }
  if (ok) {
    scope_.MessageSent();
  } else {
    End(absl::CancelledError("the client cancelled or went away"));
  }
  Advance();
}

void KServeStreamReactor::OnCancel() {
  std::shared_ptr<StreamSession> session;
  {
    absl::MutexLock lock(&mutex_);
    session = computing_;
  }
  if (session != nullptr) session->Cancel();
  End(absl::CancelledError("the client cancelled or went away"));
  Advance();
}

void KServeStreamReactor::OnDone() {
  service_->sessions->Remove(caller_.session_id);
  self_.reset();  // the last line: may delete this
}

void KServeStreamReactor::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!end_.has_value()) end_ = status;
}

void KServeStreamReactor::Tick(absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    if (clock_.Tick(now, phase_ != Phase::kReading) != SessionClock::Event::kIdle) return;
  }
  EndWith(absl::DeadlineExceededError("the stream was idle for too long"));
}

void KServeStreamReactor::EndWith(const absl::Status& status) {
  End(status);
  Advance();
}

}  // namespace slotmatch
