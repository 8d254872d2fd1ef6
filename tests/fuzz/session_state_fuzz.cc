#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/engine/session_state.h"
#include "core/engine/session_tracks.h"

namespace {

using slotmatch::SealedState;

// A fuzzer cannot guess checksums: what it makes up gets the right one.
SealedState WithDigest(std::string payload) {
  SealedState sealed;
  sealed.payload = std::move(payload);
  sealed.digest.resize(32);
  unsigned int size = 0;
  EVP_Digest(sealed.payload.data(), sealed.payload.size(),
             reinterpret_cast<unsigned char*>(sealed.digest.data()), &size, EVP_sha256(), nullptr);
  return sealed;
}

slotmatch::ModelInfo Model() {
  slotmatch::ModelInfo info;
  info.name = "fuzz";
  info.version = "1";
  info.digest = "d";
  info.num_slots = 2;
  info.slot_dim = 2;
  info.grid_width = info.grid_height = 2;
  return info;
}

}  // namespace

// Tracks that are accepted go on with a frame.
void StepTracks(const slotmatch::ModelInfo& model, const std::string& track) {
  const auto tracker = slotmatch::MakeTracker({}, model);
  if (!tracker.ok()) std::abort();
  slotmatch::SessionTracks tracks(*tracker, track);
  slotmatch::StepOutput step;
  step.slots = {1, 0, 0, 1};
  step.masks = {1, 1, 0, 0, 0, 0, 1, 1};
  if (tracks.Step(step, model).size() != size_t{2}) std::abort();
}

// A state that is opened is sealed as one that opens as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const slotmatch::StateSealer sealer;
  const slotmatch::ModelInfo model = Model();
  const auto open = [&](const SealedState& sealed) {
    return sealer.Open(sealed, {model}, std::nullopt);
  };
  const auto opened = open(WithDigest(std::string(reinterpret_cast<const char*>(data), size)));
  if (!opened.ok()) return 0;
  StepTracks(model, opened->point.track);
  const auto sealed = sealer.Seal(model, opened->point);
  if (!sealed.ok()) std::abort();
  const auto again = open(*sealed);
  if (!again.ok()) std::abort();
  const auto& a = opened->point;
  const auto& b = again->point;
  if (a.state.slots != b.state.slots || a.state.step != b.state.step || a.track != b.track ||
      a.last_frame_id != b.last_frame_id || a.state_frame_id != b.state_frame_id) {
    std::abort();
  }
  return 0;
}
