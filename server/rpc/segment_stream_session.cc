// SegmentStreamReactor: what its messages mean.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "server/rpc/model_convert.h"
#include "server/rpc/segment_stream_reactor.h"
#include "server/rpc/session_events.h"

namespace slotmatch {
namespace {

constexpr char kLeaveMessage[] = "the server is shutting down; go on at another one";

}  // namespace

absl::Status SegmentStreamReactor::HandleRequest() {
  switch (request_.event_case()) {
    case v1::SegmentRequest::kConfig:
      if (session_ == nullptr) return Open(request_.config());
      return absl::InvalidArgumentError("a session has one SessionConfig, its first message");
    case v1::SegmentRequest::kFrame:
      if (session_ != nullptr) return HandleFrame(request_.mutable_frame());
      break;
    case v1::SegmentRequest::kControl:
      if (session_ != nullptr) return HandleControl(request_.control());
      break;
    default:
      return absl::InvalidArgumentError(
          "a message has neither config, frame nor control; is the client's proto newer than the "
          "server?");
  }
  return absl::InvalidArgumentError("the first message of a stream must be a SessionConfig");
}

absl::Status SegmentStreamReactor::Open(const v1::SessionConfig& config) {
  SM_ASSIGN_OR_RETURN(SessionOptions options,
                      FromWire(config, service_->limits, service_->scheduler->policy()));
  SM_ASSIGN_OR_RETURN(const ServiceContext::Beginning begin, service_->Begin(config));
  SM_RETURN_IF_ERROR(call_.Admit(begin.model->info(), &options.stream));
  options.stream.resume = begin.point;
  if (!options.slot_ids) options.stream.tracker = begin.model->tracker;
  service_->metrics->SessionOpened();
  opened_at_ = absl::Now();
  last_frame_id_ = begin.point.last_frame_id;
  auto session =
      StreamSession::Create(SegmenterOf(begin.model), options.stream, service_->scheduler,
                            service_->pool, [weak = weak_from_this()](FrameOutcome outcome) {
                              if (auto reactor = weak.lock()) reactor->Deliver(std::move(outcome));
                            });
  const ModelInfo& info = begin.model->info();
  SM_INFO("session opened session_id={} model={} version={} resumed={} peer={}{}",
          call_.session_id(), info.name, info.version, config.has_resume(), context_->peer(),
          call_.log_fields());
  absl::MutexLock lock(&mutex_);
  model_ = info;
  options_ = std::move(options);
  point_ = begin.point;
  session_ = std::move(session);
  Push(Opened(config.has_resume()));
  PushLoad();
  if (leaving_) PushWithState(GoAwayOf(v1::GoAway::DRAINING, kLeaveMessage));
  return absl::OkStatus();
}

v1::SegmentResponse SegmentStreamReactor::Opened(bool resumed) const {
  v1::SegmentResponse response;
  v1::SessionOpened* opened = response.mutable_opened();
  opened->set_session_id(call_.session_id());
  *opened->mutable_model() = ToWire(model_);
  *opened->mutable_limits() = ToWire(service_->limits);
  opened->set_credits(service_->limits.max_queued_frames());
  opened->set_resumed(resumed);
  opened->set_last_frame_id(point_.last_frame_id.value_or(0));
  opened->set_idle_timeout_ms(absl::ToInt64Milliseconds(clock_.idle_timeout()));
  opened->set_max_age_ms(absl::ToInt64Milliseconds(clock_.max_age()));
  return response;
}

absl::Status SegmentStreamReactor::HandleFrame(v1::Frame* frame) {
  if (last_frame_id_.has_value() && frame->frame_id() <= *last_frame_id_) {
    return absl::OutOfRangeError(absl::StrCat("frame_id ", frame->frame_id(), " after ",
                                              *last_frame_id_, "; ids must strictly increase"));
  }
  last_frame_id_ = frame->frame_id();
  const absl::Time expires = ExpiryOf(*frame, options_, absl::Now());
  SourceFrame source = TakeFrame(frame);
  source.expires = expires;
  call_.Received(&source);
  {
    absl::MutexLock lock(&mutex_);
    if (options_.enforce_credits && credits_ <= 0) {
      service_->metrics->OverCredit();
      return absl::ResourceExhaustedError(absl::StrCat(
          "frame_id ", source.id, " was sent without credit; wait for answers, which grant more"));
    }
    --credits_;
    ++frames_inside_;
    source.over_rate = !rate_.Take(source.arrived);
    const int64_t most = service_->limits.max_session_frames();
    if (++frames_ == most) {
      EndLocked({absl::AbortedError(absl::StrCat("the session has had the ", most,
                                                 " frames it may have; go on with its state")),
                 "max_frames", v1::GoAway::MAX_FRAMES});
    }
  }
  session_->Submit(std::move(source));
  return absl::OkStatus();
}

absl::Status SegmentStreamReactor::HandleControl(const v1::Control& control) {
  absl::MutexLock lock(&mutex_);
  switch (control.op_case()) {
    case v1::Control::kPing:
      Push(PongOf(control.ping().nonce()));
      return absl::OkStatus();
    case v1::Control::kSnapshot:
      PushWithState({});
      return absl::OkStatus();
    default:
      return absl::UnimplementedError("a control message asks for nothing this server knows");
  }
}

void SegmentStreamReactor::Deliver(FrameOutcome outcome) {
  std::optional<FrameTrace> trace = call_.Done(outcome, model_.name);
  const bool ok = outcome.result.ok();
  const uint64_t id = outcome.id;
  const bool reset = outcome.state_reset;
  SessionPoint point = std::move(outcome.point);
  v1::SegmentResponse response = ToWire(std::move(outcome), options_.slot_encoding);
  response.set_credits(1);
  if (ok) service_->metrics->ResultSent(response.ByteSizeLong());
  {
    absl::MutexLock lock(&mutex_);
    Push(std::move(response));
    outbox_.back().answer = true;
    outbox_.back().trace = std::move(trace);
    point_ = std::move(point);
    if (reset) {
      Push(NoticeOf(v1::Notice::STATE_RESET,
                    absl::StrCat("the state after frame ", id,
                                 " was not finite; IDs begin anew with the next frame")));
    }
    PushLoad();
    ++answers_since_state_;
    if (options_.state_every_frames > 0 && answers_since_state_ >= options_.state_every_frames) {
      PushWithState({});
    }
  }
  Advance();
}

void SegmentStreamReactor::Push(v1::SegmentResponse response) {
  outbox_.push_back({std::move(response), absl::Now(), false, std::nullopt, std::nullopt});
}

void SegmentStreamReactor::PushLoad() {
  const Load load = service_->scheduler->load();
  if (session_ == nullptr || end_.has_value() || load == load_) return;
  load_ = load;
  Push(LoadNoticeOf(load));
}

void SegmentStreamReactor::PushWithState(v1::SegmentResponse response) {
  Push(std::move(response));
  const bool something = point_.last_frame_id.has_value();
  if (something || !outbox_.back().response.has_go_away()) outbox_.back().point = point_;
  answers_since_state_ = 0;
}

void SegmentStreamReactor::PushFarewell() {
  farewell_said_ = true;
  if (session_ == nullptr) return;
  if (end_->go_away != v1::GoAway::REASON_UNSPECIFIED) {
    PushWithState(GoAwayOf(end_->go_away, std::string(end_->status.message())));
  } else if (end_->status.ok() && answers_since_state_ > 0 &&
             (options_.state_every_frames > 0 || leaving_)) {
    PushWithState({});
  }
}

void SegmentStreamReactor::Leave() {
  {
    absl::MutexLock lock(&mutex_);
    if (leaving_ || finished_ || end_.has_value()) return;
    leaving_ = true;
    if (session_ != nullptr) PushWithState(GoAwayOf(v1::GoAway::DRAINING, kLeaveMessage));
  }
  Advance();
}

void SegmentStreamReactor::DropWaiting() {
  std::shared_ptr<StreamSession> session;
  {
    absl::MutexLock lock(&mutex_);
    session = session_;
  }
  if (session != nullptr) session->DropWaiting(DropReason::kDraining);
}

}  // namespace slotmatch
