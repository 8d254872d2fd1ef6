#include "server/rpc/kserve_stream_reactor.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxSequences = 64;  // open at once in one call

}  // namespace

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
  Finish(call_.Close(status));
}

void KServeStreamReactor::OnReadDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kFinished) return;
    phase_ = Phase::kComputing;
    clock_.Moved(absl::Now());
  }
  if (ok) {
    call_.MessageReceived();
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
  SM_ASSIGN_OR_RETURN(infer_, TakeInfer(&request_));
  if (!working_) {
    SM_ASSIGN_OR_RETURN(const ModelRef model,
                        service_->models->Find(request_.model_name(), request_.model_version()));
    StreamOptions options = KServeStreamOptions(service_->limits, service_->scheduler->policy());
    SM_RETURN_IF_ERROR(call_.Admit(model->info(), &options));
    working_ = true;
  }
  SM_ASSIGN_OR_RETURN(const Sequence sequence, SequenceOf(infer_));
  model_ = sequence.model;
  SourceFrame frame = std::move(infer_.frame);
  frame.id = next_frame_++;
  call_.Received(&frame);
  {
    absl::MutexLock lock(&mutex_);
    computing_ = sequence.session;
    model_name_ = model_->info().name;
    model_version_ = model_->info().version;
  }
  sequence.session->Submit(std::move(frame));
  return absl::OkStatus();
}

absl::StatusOr<KServeStreamReactor::Sequence> KServeStreamReactor::NewSequence() {
  SM_ASSIGN_OR_RETURN(ModelRef model,
                      service_->models->Find(request_.model_name(), request_.model_version()));
  StreamOptions options = KServeStreamOptions(service_->limits, service_->scheduler->policy());
  options.tenant = call_.tenant();
  auto session =
      StreamSession::Create(SegmenterOf(model), options, service_->scheduler, service_->pool,
                            [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Answer(std::move(outcome));
                            });
  return Sequence{std::move(model), std::move(session)};
}

absl::StatusOr<KServeStreamReactor::Sequence> KServeStreamReactor::SequenceOf(
    const KServeInfer& infer) {
  if (infer.sequence.empty()) return NewSequence();
  const SequenceKey key(request_.model_name(), request_.model_version(), infer.sequence);
  auto it = sequences_.find(key);
  if (infer.sequence_start) {
    if (it == sequences_.end() && sequences_.size() >= kMaxSequences) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "a call has at most ", kMaxSequences, " sequences; end one, or open another stream"));
    }
    SM_ASSIGN_OR_RETURN(Sequence fresh, NewSequence());
    it = sequences_.insert_or_assign(key, std::move(fresh)).first;
  }
  if (it == sequences_.end()) {
    SM_RETURN_IF_ERROR(
        service_->models->Find(request_.model_name(), request_.model_version()).status());
    return absl::FailedPreconditionError(absl::StrCat(
        "sequence ", infer.sequence, " is not open; its first request needs ", "sequence_start"));
  }
  Sequence sequence = it->second;
  if (infer.sequence_end) sequences_.erase(it);
  return sequence;
}

void KServeStreamReactor::AnswerError(const absl::Status& status) {
  response_.Clear();
  response_.set_error_message(std::string(status.message()));
  response_.mutable_infer_response()->set_model_name(request_.model_name());
  response_.mutable_infer_response()->set_id(request_.id());
  phase_ = Phase::kAnswered;
}

void KServeStreamReactor::Answer(FrameOutcome outcome) {
  call_.Done(outcome);
  {
    absl::MutexLock lock(&mutex_);
    computing_ = nullptr;
    if (outcome.result.ok()) {
      response_.Clear();
      FillInferResponse(*outcome.result, model_->info(), infer_.outputs, request_.id(),
                        response_.mutable_infer_response());
      service_->metrics->ResultSent(response_.ByteSizeLong());
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
    call_.MessageSent();
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
  call_.Leave();
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
  End(absl::DeadlineExceededError("the stream was idle for too long"));
  Advance();
}

SessionReport KServeStreamReactor::Report() const {
  absl::MutexLock lock(&mutex_);
  SessionReport report = call_.Report();
  report.model = model_name_;
  report.version = model_version_;
  report.frames_inside = computing_ == nullptr ? 0 : 1;
  return report;
}

void KServeStreamReactor::EndWith(EndCause, const absl::Status& status) {
  End(status);
  Advance();
}

}  // namespace slotmatch
