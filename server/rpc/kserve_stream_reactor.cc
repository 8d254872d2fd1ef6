#include "server/rpc/kserve_stream_reactor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "server/rpc/read_mark.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxSequences = 64;  // open at once in one call

SessionReport::Model NameOf(const ModelRef& model) {
  return {model->info().name, model->info().version};
}

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
  if (full || read_in_flight_) return Action::kNone;
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

void KServeStreamReactor::Perform(Action action) {
  if (action == Action::kTryCancel) return context_->TryCancel();
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
