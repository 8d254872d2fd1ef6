#include "server/rpc/segment_stream_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {
namespace {

// A label of slotmatch_frames_failed_total.
const char* FailureReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return "decode_error";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    default:
      return "internal";
  }
}

// gRPC says of a half-close and of bytes that cannot be parsed only that the read failed. Parsing
// clears the message first, so a mark from before the read survives only when nothing came.
constexpr int kMarkField = 536870911;  // the highest field number there is

void Mark(v1::SegmentRequest* request) {
  request->Clear();
  request->GetReflection()->MutableUnknownFields(request)->AddVarint(kMarkField, 1);
}

bool IsMarked(const v1::SegmentRequest& request) {
  return !request.GetReflection()->GetUnknownFields(request).empty();
}

}  // namespace

SegmentStreamReactor* SegmentStreamReactor::Start(const ServiceContext* service,
                                                  grpc::CallbackServerContext* context) {
  std::shared_ptr<SegmentStreamReactor> reactor(new SegmentStreamReactor(service, context));
  reactor->self_ = reactor;
  // Before its first message: a stream that never sends one counts and expires like any other.
  absl::StatusOr<std::string> id = service->sessions->Admit(reactor);
  if (id.ok()) {
    reactor->session_id_ = *std::move(id);
  } else {
    reactor->End(id.status(), "client_error");
  }
  reactor->Pump();
  return reactor.get();
}

SegmentStreamReactor::SegmentStreamReactor(const ServiceContext* service,
                                           grpc::CallbackServerContext* context)
    : service_(service),
      context_(context),
      scope_(service->metrics, "bidi_stream", "Segment", context->peer()),
      deadline_(absl::FromChrono(context->deadline())),
      moved_at_(absl::Now()) {}

SegmentStreamReactor::Action SegmentStreamReactor::NextAction() {
  if (finished_) return Action::kNone;
  if (try_cancel_) {
    try_cancel_ = false;
    return Action::kTryCancel;
  }
  if (!write_in_flight_ && !cancelled_ && !outbox_.empty()) {
    write_in_flight_ = true;
    return Action::kWrite;
  }
  if (end_.has_value()) {
    const bool answered = cancelled_ || (frames_inside_ == 0 && outbox_.empty());
    if (!answered || write_in_flight_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }
  if (!read_in_flight_ && frames_inside_ < service_->limits.max_queued_frames()) {
    read_in_flight_ = true;
    return Action::kRead;
  }
  return Action::kNone;
}

void SegmentStreamReactor::Pump() {
  const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
  mutex_.Lock();
  if (pumping_) {
    mutex_.Unlock();
    return;  // the drainer looks at the state again before it leaves
  }
  pumping_ = true;
  for (Action action = NextAction(); action != Action::kNone; action = NextAction()) {
    mutex_.Unlock();
    Perform(action);
    mutex_.Lock();
  }
  pumping_ = false;
  mutex_.Unlock();
}

void SegmentStreamReactor::Perform(Action action) {
  if (action == Action::kTryCancel) return context_->TryCancel();
  if (action == Action::kRead) {
    Mark(&request_);
    return StartRead(&request_);
  }
  if (action == Action::kWrite) {
    const v1::SegmentResponse* response;
    {
      absl::MutexLock lock(&mutex_);
      response = &outbox_.front().response;  // a deque keeps it in place until OnWriteDone
    }
    return StartWrite(response);
  }
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = *end_;
  }
  scope_.End(status);
  Finish(ToGrpcStatus(status));
}

void SegmentStreamReactor::OnReadDone(bool ok) {
  bool ending;
  {
    absl::MutexLock lock(&mutex_);
    ending = end_.has_value();  // what still comes in then is not looked at
  }
  if (!ok && context_->IsCancelled()) {
    EndCancelled();
  } else if (!ok && IsMarked(request_)) {
    End(absl::OkStatus(), "client_done");  // half-closed; if it ended before, that reason stays
  } else if (!ok) {
    End(absl::InvalidArgumentError("a message cannot be parsed as a SegmentRequest"),
        "client_error");
  } else if (!ending) {
    scope_.MessageReceived();
    const absl::Status status = HandleRequest();
    if (!status.ok()) End(status, "client_error");
  }
  {
    absl::MutexLock lock(&mutex_);
    read_in_flight_ = false;
    moved_at_ = absl::Now();
  }
  Pump();
}

absl::Status SegmentStreamReactor::HandleRequest() {
  switch (request_.event_case()) {
    case v1::SegmentRequest::kConfig:
      if (session_ == nullptr) return Open(request_.config());
      return absl::InvalidArgumentError("a session has one SessionConfig, its first message");
    case v1::SegmentRequest::kFrame:
      if (session_ != nullptr) return HandleFrame(request_.mutable_frame());
      return absl::InvalidArgumentError("the first message of a stream must be a SessionConfig");
    default:
      return absl::InvalidArgumentError(
          "a message has neither config nor frame; is the client's proto newer than the server?");
  }
}

absl::Status SegmentStreamReactor::Open(const v1::SessionConfig& config) {
  SM_ASSIGN_OR_RETURN(const SessionOptions options, FromWire(config, service_->limits));
  SM_ASSIGN_OR_RETURN(const size_t model, service_->FindModel(config.model()));
  service_->metrics->SessionOpened();
  opened_at_ = absl::Now();
  slot_encoding_ = options.slot_encoding;
  const ModelInfo& info = service_->models[model];
  auto session =
      StreamSession::Create(model, info, options.stream, service_->scheduler, service_->pool,
                            [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Deliver(std::move(outcome));
                            });
  SM_INFO("session opened session_id={} model={} peer={}", session_id_, info.name,
          context_->peer());
  v1::SegmentResponse response;
  response.mutable_opened()->set_session_id(session_id_);
  *response.mutable_opened()->mutable_model() = ToWire(info);
  *response.mutable_opened()->mutable_limits() = ToWire(service_->limits);
  absl::MutexLock lock(&mutex_);
  session_ = std::move(session);
  outbox_.push_back({std::move(response), absl::Now()});
  return absl::OkStatus();
}

absl::Status SegmentStreamReactor::HandleFrame(v1::Frame* frame) {
  if (last_frame_id_.has_value() && frame->frame_id() <= *last_frame_id_) {
    return absl::OutOfRangeError(absl::StrCat("frame_id ", frame->frame_id(), " after ",
                                              *last_frame_id_, "; ids must strictly increase"));
  }
  last_frame_id_ = frame->frame_id();
  SourceFrame source = TakeFrame(frame);
  source.arrived = absl::Now();
  source.deadline = deadline_;
  service_->metrics->FrameReceived(CodecOf(source), source.bytes.size());
  {
    absl::MutexLock lock(&mutex_);
    ++frames_inside_;
  }
  session_->Submit(std::move(source));
  return absl::OkStatus();
}

void SegmentStreamReactor::Count(const FrameOutcome& outcome) {
  ServerMetrics* metrics = service_->metrics;
  if (!outcome.result.ok()) {
    metrics->FrameFailed(FailureReason(outcome.result.status().code()));
    SM_DEBUG("frame failed session_id={} frame_id={} message=\"{}\"", session_id_, outcome.id,
             std::string(outcome.result.status().message()));
    return;
  }
  const FrameTimings& timings = outcome.result->timings;
  metrics->StageDone(Stage::kDecode, timings.decode);
  metrics->StageDone(Stage::kQueue, timings.queue);
  metrics->StageDone(Stage::kCompute, timings.compute);
  metrics->StageDone(Stage::kMask, timings.mask);
}

void SegmentStreamReactor::Deliver(FrameOutcome outcome) {
  Count(outcome);
  const bool ok = outcome.result.ok();
  const absl::Duration latency = ok ? outcome.result->timings.total : absl::ZeroDuration();
  v1::SegmentResponse response = ToWire(std::move(outcome), slot_encoding_);
  if (ok) service_->metrics->FrameProcessed(latency, response.ByteSizeLong());
  {
    absl::MutexLock lock(&mutex_);
    outbox_.push_back({std::move(response), absl::Now()});
    moved_at_ = absl::Now();
  }
  Pump();
}

void SegmentStreamReactor::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    write_in_flight_ = false;
    moved_at_ = absl::Now();
    service_->metrics->StageDone(Stage::kWriteWait, absl::Now() - outbox_.front().ready);
    if (!outbox_.front().response.has_opened()) --frames_inside_;
    outbox_.pop_front();
  }
  if (ok) scope_.MessageSent();
  if (!ok) OnCancel();
  Pump();
}

void SegmentStreamReactor::EndCancelled() {
  absl::MutexLock lock(&mutex_);
  // The read that a cancel breaks off looks like a half-close, and may be heard of first.
  if (finished_ || (end_.has_value() && !end_->ok())) return;
  end_ = absl::CancelledError("the client cancelled or went away");
  end_reason_ = "client_cancelled";
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
  Pump();
}

void SegmentStreamReactor::OnDone() {
  if (session_ != nullptr) {
    const char* reason;
    {
      absl::MutexLock lock(&mutex_);
      reason = end_reason_;
    }
    service_->metrics->SessionClosed(reason, absl::Now() - opened_at_);
    SM_INFO("session closed session_id={} reason={}", session_id_, reason);
  }
  if (!session_id_.empty()) service_->sessions->Remove(session_id_);
  self_.reset();  // the last line: may delete this
}

void SegmentStreamReactor::End(const absl::Status& status, const char* reason) {
  absl::MutexLock lock(&mutex_);
  if (end_.has_value()) return;
  end_ = status;
  end_reason_ = reason;
}

void SegmentStreamReactor::EndIfIdle(absl::Time before) {
  {
    absl::MutexLock lock(&mutex_);
    if (moved_at_ > before || finished_) return;
    try_cancel_ = write_in_flight_;  // the client does not read: a status would not reach it
  }
  End(absl::DeadlineExceededError("the session was idle for too long"), "idle");
  Pump();
}

void SegmentStreamReactor::EndWith(const absl::Status& status) {
  End(status, "draining");
  Pump();
}

}  // namespace slotmatch
