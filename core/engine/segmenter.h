#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slotmatch/config/manifest.pb.h"

namespace slotmatch {

// The wall between the model and everything that serves it: plain types, no torch.
// Shapes: B batch, K slots, S slot width, N tokens = grid_height * grid_width.

// What a loaded model is and what it wants to see. Immutable.
struct ModelInfo {
  std::string name;
  std::string version;
  std::string digest;  // SHA-256 hex over the digests of the model's parts
  std::string role;    // "teacher" or "student"
  int num_slots = 0;   // K
  int slot_dim = 0;    // S
  int grid_height = 0;
  int grid_width = 0;
  int input_height_px = 0;
  int input_width_px = 0;
  config::Preprocessing preprocessing;
  std::shared_ptr<const config::Provenance> provenance;  // null: unknown; shared by all sessions
};

// What a stream carries from frame to frame: the predicted slots. A value owned by its stream;
// empty slots mean "before the first frame". With a model of single pictures it stays like that:
// every frame is a first one.
struct StreamState {
  std::vector<float> slots;  // [K, S] predicted for the next frame, or empty
  int64_t step = 0;          // frames seen so far
  bool first_frame() const { return slots.empty(); }
};

struct StepInput {
  absl::Span<const float> pixels;  // [3, H, W] preprocessed; borrowed for the call
  const StreamState* state;        // borrowed for the call; not null
  // Frames that are missing between `state` and this one: the predictor alone bridges each. 0 for
  // a first frame.
  int skipped = 0;
};

struct StepOutput {
  std::vector<float> masks;  // [K, N] soft masks, sum over K is 1 for every token
  std::vector<float> slots;  // [K, S] corrected slots of this frame
  StreamState next_state;
};

// One loaded model. Step() is called by one executor thread at a time; info() by any thread.
class Segmenter {
 public:
  virtual ~Segmenter() = default;
  virtual const ModelInfo& info() const = 0;

  // One frame of each of B >= 1 streams, all of them first frames or none of them; `skipped`
  // may differ. Either every frame has a result, in order, or the call fails: INTERNAL for broken
  // invariants, RESOURCE_EXHAUSTED when out of memory. Never throws.
  virtual absl::StatusOr<std::vector<StepOutput>> Step(absl::Span<const StepInput> batch) = 0;
};

}  // namespace slotmatch
