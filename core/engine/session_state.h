#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/segmenter.h"

// The state of a session as bytes that any server with the same model can go on from.
namespace slotmatch {

// A session between two frames. A value.
struct SessionPoint {
  StreamState state;
  std::string track;                       // SessionTracks::bytes(); empty: no frame yet
  std::optional<uint64_t> last_frame_id;   // the last frame answered; none: no frame yet
  std::optional<uint64_t> state_frame_id;  // the last frame in `state`; none: state is empty
};

// A SessionPoint on its way through a client.
struct SealedState {
  std::string payload;  // slotmatch.state.SessionSnapshot
  std::string digest;   // SHA-256 of the payload; HMAC-SHA256 under the server's key if signed
  bool is_signed = false;
  uint64_t last_frame_id = 0;
};

// Payload and digest of any state. 11 slots of 64 numbers take less than 5 KB, 24 of 128 with 8
// hidden tracks fit when packed. A model whose state does not fit is served, but its sessions
// cannot move.
inline constexpr size_t kMaxSealedBytes = size_t{16} << 10;

// Seals and opens session states. Immutable, thread-safe.
class StateSealer {
 public:
  StateSealer() = default;  // checksums only

  // With the bytes of a file as key; an empty path: checksums only. NOT_FOUND when there is no such
  // file; FAILED_PRECONDITION when it holds fewer than 32 bytes.
  static absl::StatusOr<StateSealer> FromKeyFile(const std::string& path);

  bool signs() const { return !key_.empty(); }

  // RESOURCE_EXHAUSTED when the state is larger than kMaxSealedBytes, however it is packed.
  absl::StatusOr<SealedState> Seal(const ModelInfo& model, const SessionPoint& point) const;

  struct Opened {
    size_t model;  // index into the models given
    SessionPoint point;
  };
  // PERMISSION_DENIED: not signed with this sealer's key. DATA_LOSS: damaged, of another size than
  // the model's state, not finite, or with tracks that do not fit. FAILED_PRECONDITION: of another
  // schema version, or of none of `models`; with `wanted`, of another one than that.
  absl::StatusOr<Opened> Open(const SealedState& sealed, const std::vector<ModelInfo>& models,
                              std::optional<size_t> wanted) const;

 private:
  std::string Digest(const std::string& payload) const;
  absl::Status CheckDigest(const SealedState& sealed) const;

  std::string key_;
};

}  // namespace slotmatch
