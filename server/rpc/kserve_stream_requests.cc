// What the requests of a ModelStreamInfer call mean, and their answers.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/kserve_stream_reactor.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxSequences = 64;  // open at once in one call

}  // namespace

void KServeStreamReactor::HandleRequest() {
  Exchange exchange;
  exchange.frame_id = next_frame_++;
  exchange.model_name = request_.model_name();
  exchange.id = request_.id();
  absl::StatusOr<KServeInfer> infer = TakeInfer(&request_);
  absl::StatusOr<Sequence> sequence =
      infer.ok() ? SequenceOf(*infer) : absl::StatusOr<Sequence>(infer.status());
  if (!sequence.ok()) {
    AnswerError(sequence.status(), &exchange);
    absl::MutexLock lock(&mutex_);
    exchanges_.push_back(std::move(exchange));
    return;
  }
  SourceFrame frame = std::move(infer->frame);
  frame.id = exchange.frame_id;
  call_.Received(&frame);
  exchange.wanted = infer->outputs;
  exchange.sequence = *sequence;
  {
    absl::MutexLock lock(&mutex_);
    last_model_ = NameOf(sequence->model);
    rate_.Take(frame.arrived);  // in time, for it was read when it was due
    exchanges_.push_back(std::move(exchange));
  }
  sequence->session->Submit(std::move(frame));
}

absl::StatusOr<KServeStreamReactor::Sequence> KServeStreamReactor::NewSequence(bool tracked) {
  SM_ASSIGN_OR_RETURN(ModelRef model,
                      service_->models->Find(request_.model_name(), request_.model_version()));
  StreamOptions options = KServeStreamOptions(service_->limits, service_->scheduler->policy());
  options.tenant = call_.tenant();
  if (tracked) options.tracker = model->tracker;
  if (!admitted_) SM_RETURN_IF_ERROR(call_.Admit(model->info(), &options));
  admitted_ = true;
  auto session =
      StreamSession::Create(SegmenterOf(model), options, service_->scheduler, service_->pool,
                            [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Answer(std::move(outcome));
                            });
  return Sequence{std::move(model), std::move(session)};
}

absl::StatusOr<KServeStreamReactor::Sequence> KServeStreamReactor::SequenceOf(
    const KServeInfer& infer) {
  if (infer.sequence.empty()) return NewSequence(/*tracked=*/false);
  const SequenceKey key(request_.model_name(), request_.model_version(), infer.sequence);
  Sequence sequence;
  size_t others;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = sequences_.find(key);
    if (it != sequences_.end()) sequence = it->second;
    others = sequences_.size() - (it == sequences_.end() ? 0 : 1);
  }
  if (infer.sequence_start) {
    if (others >= kMaxSequences) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "a call has at most ", kMaxSequences, " sequences; end one, or open another stream"));
    }
    SM_ASSIGN_OR_RETURN(sequence, NewSequence(/*tracked=*/true));
  } else if (sequence.session == nullptr) {
    SM_RETURN_IF_ERROR(
        service_->models->Find(request_.model_name(), request_.model_version()).status());
    return absl::FailedPreconditionError(absl::StrCat(
        "sequence ", infer.sequence, " is not open; its first request needs sequence_start"));
  }
  absl::MutexLock lock(&mutex_);
  if (infer.sequence_end) {
    sequences_.erase(key);
  } else {
    sequences_[key] = sequence;
  }
  return sequence;
}

void KServeStreamReactor::AnswerError(const absl::Status& status, Exchange* exchange) {
  exchange->response.set_error_message(std::string(status.message()));
  exchange->response.mutable_infer_response()->set_model_name(exchange->model_name);
  exchange->response.mutable_infer_response()->set_id(exchange->id);
  exchange->ready = absl::Now();
}

void KServeStreamReactor::Answer(FrameOutcome outcome) {
  Exchange* exchange;
  {
    absl::MutexLock lock(&mutex_);
    exchange = &exchanges_[outcome.id - exchanges_.front().frame_id];
  }
  exchange->trace = call_.Done(outcome, exchange->sequence.model->info().name);
  if (outcome.result.ok()) {
    FillInferResponse(*outcome.result, exchange->sequence.model->info(), exchange->wanted,
                      exchange->id, exchange->response.mutable_infer_response());
    service_->metrics->ResultSent(exchange->response.ByteSizeLong());
    exchange->ready = absl::Now();
  } else {
    AnswerError(outcome.result.status(), exchange);
  }
  {
    absl::MutexLock lock(&mutex_);
    exchange->sequence.session = nullptr;
  }
  Advance();
}

}  // namespace slotmatch
