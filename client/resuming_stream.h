#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/channel.h"
#include "client/stream_client.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

struct ResumeOptions {
  // A channel to a server; called again after every loss, so it may name another address.
  Connector connect;
  // How long to keep trying while no server takes the session over; 0: a broken stream ends it.
  absl::Duration patience = absl::Seconds(60);
  // The server sends its state at least this often: bounds the frames that are kept for a replay.
  uint32_t state_every_frames = 8;
  // Frames sent and not yet answered; Send() waits beyond it.
  size_t max_unanswered_frames = 16;
  // Called by Receive() with every Notice and GoAway of a server. May be empty.
  std::function<void(const v1::SegmentResponse&)> on_event;
};

// A Segment session that outlives connections and servers. It keeps the last SessionState the
// server sent and every frame after it; when the stream breaks it opens another one from that
// state, sends those frames again and drops the answers it already gave. The caller sees every
// frame answered once, in order, with the IDs and masks of an undisturbed session.
//
// One thread may call Send() and SendDone() while another calls Receive(); Cancel() and resumes()
// from any thread.
class ResumingStream {
 public:
  // Opens the first session. Statuses of StreamClient::Open; UNAVAILABLE is not tried again here.
  static absl::StatusOr<std::unique_ptr<ResumingStream>> Open(ResumeOptions options,
                                                              v1::SessionConfig config);
  ~ResumingStream();  // cancels what has not ended

  // Of the first session; later ones differ in their id only.
  const v1::SessionOpened& opened() const { return opened_; }

  // Takes the frame over; it is sent, and sent again if need be, in the background. Frame ids must
  // strictly increase. False when the session has ended: Receive() knows why.
  bool Send(v1::Frame frame);
  void SendDone();
  // Calls that wait return; Receive() then ends with CANCELLED.
  void Cancel();

  // The next FrameResult, FrameError or FrameDropped; nullopt after the last answer.
  // A status that no other server would answer otherwise ends the session, as does UNAVAILABLE once
  // `patience` has passed, and any loss of a session whose state is too large to be sent.
  absl::StatusOr<std::optional<v1::SegmentResponse>> Receive();

  // Sessions opened after the first.
  int64_t resumes() const;

 private:
  using ConnectionPtr = std::shared_ptr<StreamClient>;

  ResumingStream(ResumeOptions options, v1::SessionConfig config);
  absl::StatusOr<ConnectionPtr> OpenConnection() const;
  void Install(ConnectionPtr connection) ABSL_LOCKS_EXCLUDED(mutex_);

  void WriteLoop();
  // The next frame for `connection`; null with a connection: everything is sent; null without: the
  // session has ended.
  std::shared_ptr<const v1::Frame> NextToWrite(ConnectionPtr* connection);
  bool WriterHasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WantsServer() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // True for an answer the caller has not seen.
  bool Accept(const v1::SegmentResponse& response);
  void KeepState(const v1::SessionState& state);
  // The server cannot give a state: the session stays with it, and no answered frame is kept.
  void Bind();
  bool Bound() const;
  void DropUpTo(uint64_t frame_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EverythingAnswered() const;
  // Goes on at another server, if there is one, before this one ends.
  void MoveFrom(const ConnectionPtr& connection, const v1::GoAway& go_away);
  absl::Status Reconnect(const absl::Status& why);
  bool Cancelled(absl::Duration wait) const;  // waits for it as long
  absl::Status EndWith(const absl::Status& status);

  const ResumeOptions options_;
  // Of the receiving thread.
  v1::SessionConfig config_;  // `resume` holds the last state
  v1::SessionOpened opened_;
  std::optional<absl::Time> outage_began_;  // unset once an answer came

  mutable absl::Mutex mutex_;
  ConnectionPtr reading_ ABSL_GUARDED_BY(mutex_);  // the last one opened
  ConnectionPtr writing_ ABSL_GUARDED_BY(mutex_);  // the same, or null when nothing more goes there
  // Frames the last state does not hold, oldest first; the first `written_` went out on `writing_`.
  std::deque<std::shared_ptr<const v1::Frame>> frames_ ABSL_GUARDED_BY(mutex_);
  size_t written_ ABSL_GUARDED_BY(mutex_) = 0;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;  // `writing_`
  std::optional<uint64_t> last_answered_ ABSL_GUARDED_BY(mutex_);
  bool bound_ ABSL_GUARDED_BY(mutex_) = false;
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  bool send_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t resumes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread writer_;  // last: it uses everything above
};

}  // namespace slotmatch
