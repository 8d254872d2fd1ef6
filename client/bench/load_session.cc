#include "client/bench/load_session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/stream_client.h"

namespace slotmatch {
namespace {

// Frames whose turn has come and that could not be sent yet. A server that is that far behind will
// not catch up.
constexpr size_t kMaxBacklog = 1000;

// Of the frame that a response answers; 0: it answers none.
uint64_t AnsweredId(const v1::SegmentResponse& response) {
  if (response.has_result()) return response.result().frame_id();
  if (response.has_error()) return response.error().frame_id();
  return response.dropped().frame_id();
}

}  // namespace

LoadRecorder::LoadRecorder() : began_(absl::Now()) {}

void LoadRecorder::Answered(const v1::SegmentResponse& response, absl::Duration waited) {
  absl::MutexLock lock(&mutex_);
  if (response.has_error()) ++window_.errors;
  if (response.has_dropped()) ++window_.dropped;
  if (!response.has_result()) return;
  ++window_.results;
  window_.latency.Add(waited);
  window_.added.Add(waited - absl::Milliseconds(response.result().timings().compute_ms()));
}

void LoadRecorder::GaveUp() {
  absl::MutexLock lock(&mutex_);
  ++window_.unsent;
}

LoadWindow LoadRecorder::Take() {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  window_.length = now - began_;
  began_ = now;
  return std::exchange(window_, {});
}

LoadSession::LoadSession(const std::shared_ptr<grpc::Channel>& channel, const Options& options,
                         LoadRecorder* recorder)
    : options_(options), recorder_(recorder), stub_(v1::SlotMatchService::NewStub(channel)) {
  stub_->async()->Segment(&context_, this);
  AddHold();  // until the half-close: writes are started from outside of reactions
  *request_.mutable_config() = options.config;
  StartWrite(&request_);
  StartRead(&response_);
  StartCall();
}

LoadSession::~LoadSession() {
  context_.TryCancel();
  Stop();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &LoadSession::Ended));
}

absl::Status LoadSession::WaitUntilOpen() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &LoadSession::Opened));
  if (opened_) return absl::OkStatus();
  return end_->ok() ? absl::InternalError("the server did not open the session") : *end_;
}

void LoadSession::Offer(absl::Time meant) {
  bool full;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    full = backlog_.size() >= kMaxBacklog;
    if (!full) backlog_.push_back(meant);
  }
  if (full) recorder_->GaveUp();
  Pump();
}

void LoadSession::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    backlog_.clear();
  }
  Pump();
}

absl::Status LoadSession::Wait(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  if (!mutex_.AwaitWithTimeout(absl::Condition(this, &LoadSession::Ended), patience)) {
    return absl::DeadlineExceededError(
        absl::StrCat(unanswered_.size(), " frames were not answered in time"));
  }
  if (!end_->ok() || unanswered_.empty()) return *end_;
  return absl::InternalError(absl::StrCat(unanswered_.size(), " frames were never answered"));
}

bool LoadSession::ended() const {
  absl::MutexLock lock(&mutex_);
  return Ended();
}

void LoadSession::FillRequest(absl::Time meant) {
  const size_t picture = (options_.first_picture + next_id_) % options_.pictures->size();
  request_.mutable_frame()->set_frame_id(next_id_);
  request_.mutable_frame()->set_encoded((*options_.pictures)[picture]);
  unanswered_[next_id_++] = meant;
}

void LoadSession::Pump() {
  bool close = false;
  {
    absl::MutexLock lock(&mutex_);
    if (writing_ || half_closed_) return;
    if (stopped_) {
      half_closed_ = close = true;
    } else if (opened_ && !backlog_.empty()) {
      FillRequest(backlog_.front());
      backlog_.pop_front();
      writing_ = true;
    } else {
      return;
    }
  }
  if (close) {
    StartWritesDone();
    RemoveHold();
  } else {
    StartWrite(&request_);
  }
}

void LoadSession::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) stopped_ = true;
  }
  Pump();
}

void LoadSession::TakeAnswer(absl::Time now) {
  const uint64_t id = AnsweredId(response_);
  absl::Time meant;
  {
    absl::MutexLock lock(&mutex_);
    if (response_.has_opened()) {
      opened_ = true;
      backlog_.insert(backlog_.end(), options_.in_flight, now);
      return;
    }
    const auto it = unanswered_.find(id);
    if (it == unanswered_.end()) return;  // a notice, or the like
    meant = it->second;
    unanswered_.erase(it);
    if (options_.in_flight > 0 && !stopped_) backlog_.push_back(now);
  }
  recorder_->Answered(response_, now - meant);
}

void LoadSession::OnReadDone(bool ok) {
  if (ok) {
    TakeAnswer(absl::Now());
    StartRead(&response_);
    return Pump();
  }
  Stop();  // the stream is over
}

void LoadSession::OnDone(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = FromGrpc(status);
}

}  // namespace slotmatch
