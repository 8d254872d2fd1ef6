#include "client/resuming_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(2);

// A stream that a server or a proxy broke off shows as one of these; another server may go on.
bool BrokenOff(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:  // draining, or the connection is gone
    case absl::StatusCode::kAborted:      // the session's maximum age
    case absl::StatusCode::kCancelled:    // a proxy reset the stream
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:  // idle for too long
      return true;
    default:
      return false;
  }
}

// The id of the frame a response answers; nullopt for every other response.
std::optional<uint64_t> AnsweredFrame(const v1::SegmentResponse& response) {
  switch (response.event_case()) {
    case v1::SegmentResponse::kResult:
      return response.result().frame_id();
    case v1::SegmentResponse::kError:
      return response.error().frame_id();
    case v1::SegmentResponse::kDropped:
      return response.dropped().frame_id();
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ResumingStream>> ResumingStream::Open(ResumeOptions options,
                                                                     v1::SessionConfig config) {
  config.set_state_every_frames(options.state_every_frames);
  std::unique_ptr<ResumingStream> stream(new ResumingStream(std::move(options), std::move(config)));
  SM_ASSIGN_OR_RETURN(ConnectionPtr connection, stream->OpenConnection());
  stream->opened_ = connection->opened();
  stream->Install(std::move(connection));
  stream->writer_ = std::thread([raw = stream.get()] { raw->WriteLoop(); });
  return stream;
}

ResumingStream::ResumingStream(ResumeOptions options, v1::SessionConfig config)
    : options_(std::move(options)), config_(std::move(config)) {}

ResumingStream::~ResumingStream() {
  Cancel();
  if (writer_.joinable()) writer_.join();
}

absl::StatusOr<ResumingStream::ConnectionPtr> ResumingStream::OpenConnection() const {
  SM_ASSIGN_OR_RETURN(const auto channel, options_.connect());
  SM_ASSIGN_OR_RETURN(auto client, StreamClient::Open(channel, config_));
  return ConnectionPtr(std::move(client));
}

void ResumingStream::Install(ConnectionPtr connection) {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) connection->Cancel();
  reading_ = connection;
  writing_ = std::move(connection);
  written_ = 0;
  half_closed_ = false;
}

bool ResumingStream::HasRoom() const {
  return unanswered_ < options_.max_unanswered_frames || cancelled_ || ended_;
}

bool ResumingStream::Send(v1::Frame frame) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &ResumingStream::HasRoom));
  if (cancelled_ || ended_ || send_done_) return false;
  frames_.push_back(std::make_shared<const v1::Frame>(std::move(frame)));
  ++unanswered_;
  return true;
}

void ResumingStream::SendDone() {
  absl::MutexLock lock(&mutex_);
  send_done_ = true;
}

void ResumingStream::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (reading_ != nullptr) reading_->Cancel();
}

int64_t ResumingStream::resumes() const {
  absl::MutexLock lock(&mutex_);
  return resumes_;
}

bool ResumingStream::WriterHasWork() const {
  if (cancelled_ || ended_) return true;
  return writing_ != nullptr && (written_ < frames_.size() || (send_done_ && !half_closed_));
}

std::shared_ptr<const v1::Frame> ResumingStream::NextToWrite(ConnectionPtr* connection) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &ResumingStream::WriterHasWork));
  if (cancelled_ || ended_) return nullptr;
  *connection = writing_;
  if (written_ < frames_.size()) return frames_[written_++];
  half_closed_ = true;
  return nullptr;
}

void ResumingStream::WriteLoop() {
  for (;;) {
    ConnectionPtr connection;
    const auto frame = NextToWrite(&connection);
    if (connection == nullptr) return;
    if (frame == nullptr) {
      connection->SendDone();
    } else if (!connection->Send(*frame)) {
      absl::MutexLock lock(&mutex_);
      if (writing_ == connection) writing_ = nullptr;  // the reader opens the next one
    }
  }
}

void ResumingStream::KeepState(const v1::SessionState& state) {
  if (config_.has_resume() && state.last_frame_id() < config_.resume().last_frame_id()) return;
  *config_.mutable_resume() = state;
  absl::MutexLock lock(&mutex_);
  DropUpTo(state.last_frame_id());
}

void ResumingStream::DropUpTo(uint64_t frame_id) {
  while (!frames_.empty() && frames_.front()->frame_id() <= frame_id) {
    frames_.pop_front();
    if (written_ > 0) --written_;
  }
}

void ResumingStream::Bind() {
  absl::MutexLock lock(&mutex_);
  bound_ = true;
  if (last_answered_.has_value()) DropUpTo(*last_answered_);
}

bool ResumingStream::Accept(const v1::SegmentResponse& response) {
  if (const auto frame = AnsweredFrame(response)) {
    absl::MutexLock lock(&mutex_);
    if (last_answered_.has_value() && *frame <= *last_answered_) return false;  // of a replay
    last_answered_ = *frame;
    if (bound_) DropUpTo(*frame);
    --unanswered_;
    outage_began_.reset();
    return true;
  }
  if (response.has_state()) KeepState(response.state());
  if (response.go_away().has_state()) KeepState(response.go_away().state());
  if (response.notice().kind() == v1::Notice::STATE_UNAVAILABLE) Bind();
  const bool event = response.has_notice() || response.has_go_away();
  if (event && options_.on_event) options_.on_event(response);
  return false;
}

bool ResumingStream::EverythingAnswered() const {
  absl::MutexLock lock(&mutex_);
  return send_done_ && unanswered_ == 0;
}

absl::StatusOr<std::optional<v1::SegmentResponse>> ResumingStream::Receive() {
  for (;;) {
    ConnectionPtr connection;
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return absl::FailedPreconditionError("the session has ended");
      connection = reading_;
    }
    auto response = connection->Receive();
    if (response.ok() && response->has_value()) {
      if (Accept(**response)) return response;
      if ((*response)->has_go_away()) MoveFrom(connection, (*response)->go_away());
      continue;
    }
    if (EverythingAnswered()) {  // a status that was lost on the way says nothing more
      EndWith(absl::OkStatus()).IgnoreError();
      return std::nullopt;
    }
    const absl::Status why = response.ok()
                                 ? absl::UnavailableError("the server ended the session early")
                                 : response.status();
    if (Cancelled(absl::ZeroDuration())) return EndWith(absl::CancelledError("cancelled"));
    if (!BrokenOff(why)) return EndWith(why);
    SM_RETURN_IF_ERROR(Reconnect(why));
    if (EverythingAnswered()) return std::nullopt;
  }
}

void ResumingStream::MoveFrom(const ConnectionPtr& connection, const v1::GoAway& go_away) {
  const bool idle = go_away.reason() == v1::GoAway::IDLE;
  if (idle || Bound() || EverythingAnswered() || options_.patience <= absl::ZeroDuration()) return;
  absl::StatusOr<ConnectionPtr> next = OpenConnection();
  if (!next.ok()) return;  // nobody else is there: this server answers until its deadline
  Install(*std::move(next));
  connection->Cancel();
  absl::MutexLock lock(&mutex_);
  ++resumes_;
}

bool ResumingStream::WantsServer() const { return cancelled_ || send_done_ || unanswered_ > 0; }

absl::Status ResumingStream::Reconnect(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = nullptr;
    // A session that ended because it was idle is opened again when there is something to do.
    mutex_.Await(absl::Condition(this, &ResumingStream::WantsServer));
  }
  if (EverythingAnswered()) return EndWith(absl::OkStatus());
  if (options_.patience <= absl::ZeroDuration()) return EndWith(why);
  if (Bound()) {
    return EndWith(Annotate(why, "the session cannot go on: its state is too large to be sent"));
  }
  if (!outage_began_.has_value()) outage_began_ = absl::Now();
  const absl::Time deadline = *outage_began_ + options_.patience;
  absl::Status last = why;
  absl::Duration backoff = kFirstBackoff;
  while (absl::Now() < deadline) {
    if (Cancelled(absl::ZeroDuration())) return EndWith(absl::CancelledError("cancelled"));
    absl::StatusOr<ConnectionPtr> connection = OpenConnection();
    if (connection.ok()) {
      Install(*std::move(connection));
      absl::MutexLock lock(&mutex_);
      ++resumes_;
      return absl::OkStatus();
    }
    last = connection.status();
    if (!BrokenOff(last) && !absl::IsResourceExhausted(last)) return EndWith(last);
    Cancelled(backoff);
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
  return EndWith(absl::UnavailableError(absl::StrCat("no server took the session over within ",
                                                     absl::FormatDuration(options_.patience),
                                                     "; the last said: ", last.message())));
}

bool ResumingStream::Bound() const {
  absl::MutexLock lock(&mutex_);
  return bound_;
}

bool ResumingStream::Cancelled(absl::Duration wait) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), wait);
}

absl::Status ResumingStream::EndWith(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  return status;
}

}  // namespace slotmatch
