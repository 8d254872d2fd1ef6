#include "core/engine/session_state.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/engine/session_tracks.h"
#include "core/engine/state_packing.h"
#include "slotmatch/state/session_snapshot.pb.h"

namespace slotmatch {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kSchemaVersion = 1;
constexpr uint32_t kPackedVersion = 2;  // read by servers that know it; written only when needed
constexpr size_t kMinKeyBytes = 32;
constexpr size_t kMaxKeyBytes = 4096;
constexpr size_t kDigestBytes = 32;

std::string Excerpt(const std::string& text) { return text.substr(0, 64); }

bool SameBytes(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::StatusOr<size_t> FindModel(const state::SessionSnapshot& snapshot,
                                 const std::vector<ModelInfo>& models,
                                 std::optional<size_t> wanted) {
  if (wanted.has_value() && models[*wanted].digest == snapshot.model_digest()) return *wanted;
  if (wanted.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the state is of model ", Excerpt(snapshot.model_name()), "/",
                     Excerpt(snapshot.model_version()), " with digest ",
                     Excerpt(snapshot.model_digest()), "; model ", models[*wanted].name, "/",
                     models[*wanted].version, " has digest ", models[*wanted].digest));
  }
  for (size_t i = 0; i < models.size(); ++i) {
    if (models[i].digest == snapshot.model_digest()) return i;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the state is of model ", Excerpt(snapshot.model_name()), "/",
                   Excerpt(snapshot.model_version()), " with digest ",
                   Excerpt(snapshot.model_digest()), ", which is not loaded here"));
}

absl::Status CheckSizes(const state::SessionSnapshot& snapshot, const ModelInfo& model) {
  const size_t wanted = size_t{4} * model.num_slots * model.slot_dim;
  const bool empty = snapshot.slots().empty();
  if (snapshot.num_slots() != static_cast<uint32_t>(model.num_slots) ||
      snapshot.slot_dim() != static_cast<uint32_t>(model.slot_dim) ||
      (!empty && snapshot.slots().size() != wanted)) {
    return absl::DataLossError(
        absl::StrCat("the state has ", snapshot.num_slots(), " slots of ", snapshot.slot_dim(),
                     " in ", snapshot.slots().size(), " bytes; model ", model.name, " has ",
                     model.num_slots, " slots of ", model.slot_dim, " in ", wanted, " bytes"));
  }
  const bool ids_fit = snapshot.has_state_frame_id() != empty &&
                       (empty || (snapshot.has_last_frame_id() &&
                                  snapshot.state_frame_id() <= snapshot.last_frame_id()));
  if (!ids_fit || snapshot.step() < 0 || (snapshot.step() == 0) != empty) {
    return absl::DataLossError("the state's frame ids, step and slots contradict each other");
  }
  return absl::OkStatus();
}

absl::StatusOr<SessionPoint> ToPoint(state::SessionSnapshot snapshot, const ModelInfo& model) {
  SM_RETURN_IF_ERROR(CheckSizes(snapshot, model));
  SessionPoint point;
  point.state.step = snapshot.step();
  point.state.slots.resize(snapshot.slots().size() / sizeof(float));
  std::copy(snapshot.slots().begin(), snapshot.slots().end(),
            reinterpret_cast<char*>(point.state.slots.data()));
  if (!std::all_of(point.state.slots.begin(), point.state.slots.end(),
                   [](float value) { return std::isfinite(value); })) {
    return absl::DataLossError("the state holds numbers that are not finite");
  }
  SM_RETURN_IF_ERROR(CheckTracks(snapshot.track(), model));
  point.track = std::move(*snapshot.mutable_track());
  if (snapshot.has_last_frame_id()) point.last_frame_id = snapshot.last_frame_id();
  if (snapshot.has_state_frame_id()) point.state_frame_id = snapshot.state_frame_id();
  return point;
}

}  // namespace

absl::StatusOr<StateSealer> StateSealer::FromKeyFile(const std::string& path) {
  StateSealer sealer;
  if (path.empty()) return sealer;
  absl::StatusOr<std::string> key = ReadFile(path, kMaxKeyBytes);
  if (!key.ok()) return Annotate(key.status(), "security.state_key_file");
  if (key->size() < kMinKeyBytes) {
    return absl::FailedPreconditionError(absl::StrCat("security.state_key_file: ", path, " holds ",
                                                      key->size(), " bytes; a key needs at least ",
                                                      kMinKeyBytes));
  }
  sealer.key_ = *std::move(key);
  return sealer;
}

std::string StateSealer::Digest(const std::string& payload) const {
  std::string digest(kDigestBytes, '\0');
  unsigned int size = 0;
  auto* to = reinterpret_cast<unsigned char*>(digest.data());
  const auto* from = reinterpret_cast<const unsigned char*>(payload.data());
  if (signs()) {
    HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), from, payload.size(), to, &size);
  } else {
    EVP_Digest(from, payload.size(), to, &size, EVP_sha256(), nullptr);
  }
  return digest;
}

absl::StatusOr<SealedState> StateSealer::Seal(const ModelInfo& model,
                                              const SessionPoint& point) const {
  state::SessionSnapshot snapshot;
  snapshot.set_schema_version(kSchemaVersion);
  snapshot.set_model_name(model.name);
  snapshot.set_model_version(model.version);
  snapshot.set_model_digest(model.digest);
  snapshot.set_num_slots(model.num_slots);
  snapshot.set_slot_dim(model.slot_dim);
  snapshot.set_step(point.state.step);
  snapshot.set_slots(point.state.slots.data(), point.state.slots.size() * sizeof(float));
  snapshot.set_track(point.track);
  if (point.last_frame_id.has_value()) snapshot.set_last_frame_id(*point.last_frame_id);
  if (point.state_frame_id.has_value()) snapshot.set_state_frame_id(*point.state_frame_id);
  SealedState sealed;
  constexpr size_t kMostBytes = kMaxSealedBytes - kDigestBytes;
  if (snapshot.ByteSizeLong() > kMostBytes) {
    PackSnapshot(&snapshot);
    snapshot.set_schema_version(kPackedVersion);
  }
  sealed.payload = snapshot.SerializeAsString();
  if (sealed.payload.size() > kMostBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the state of a session of model ", model.name, " takes ",
                     sealed.payload.size(), " bytes, more than ", kMostBytes, ", with ",
                     model.num_slots, " slots of ", model.slot_dim, "; it cannot move"));
  }
  sealed.digest = Digest(sealed.payload);
  sealed.is_signed = signs();
  sealed.last_frame_id = point.last_frame_id.value_or(0);
  return sealed;
}

absl::Status StateSealer::CheckDigest(const SealedState& sealed) const {
  if (sealed.payload.size() + sealed.digest.size() > kMaxSealedBytes) {
    return absl::DataLossError(absl::StrCat("the state has ",
                                            sealed.payload.size() + sealed.digest.size(),
                                            " bytes; none has more than ", kMaxSealedBytes));
  }
  if (signs() != sealed.is_signed) {
    return absl::PermissionDeniedError(
        signs() ? "the state is not signed; this server takes signed ones only"
                : "the state is signed, and this server has no key to check it with");
  }
  if (SameBytes(Digest(sealed.payload), sealed.digest)) return absl::OkStatus();
  if (signs()) return absl::PermissionDeniedError("the state is damaged or signed by another key");
  return absl::DataLossError("the state is damaged: its digest does not fit");
}

absl::StatusOr<StateSealer::Opened> StateSealer::Open(const SealedState& sealed,
                                                      const std::vector<ModelInfo>& models,
                                                      std::optional<size_t> wanted) const {
  SM_RETURN_IF_ERROR(CheckDigest(sealed));
  state::SessionSnapshot snapshot;
  if (!snapshot.ParseFromString(sealed.payload)) {
    return absl::DataLossError("the state cannot be parsed as a SessionSnapshot");
  }
  if (snapshot.schema_version() != kSchemaVersion && snapshot.schema_version() != kPackedVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the state has schema version ", snapshot.schema_version(),
                     "; this server knows ", kSchemaVersion, " and ", kPackedVersion));
  }
  if (snapshot.schema_version() == kPackedVersion) SM_RETURN_IF_ERROR(UnpackSnapshot(&snapshot));
  Opened opened;
  SM_ASSIGN_OR_RETURN(opened.model, FindModel(snapshot, models, wanted));
  SM_ASSIGN_OR_RETURN(opened.point, ToPoint(std::move(snapshot), models[opened.model]));
  return opened;
}

}  // namespace slotmatch
