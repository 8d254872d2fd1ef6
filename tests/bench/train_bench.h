#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace slotmatch {

struct TrainBenchOptions {
  std::string recipe = "configs/train/movi_e/slotmatch.textproto";
  std::vector<std::string> settings;  // overrides of the recipe, as --set takes them
  // Training data; empty: the clips below samples/.
  std::string data, kind = "davis", split = "train";
  std::string teacher;  // model directory; empty: one of the recipe's sizes, freshly drawn
  int64_t videos = 12;  // at most so many of each dataset
  int64_t size_px = 224, clips = 4, decoder_tokens = 32, threads = 0;
  bool cpu_time = false;  // count this process's CPU time in place of the clock's
};

// One way to compute the same training.
struct TrainVariant {
  std::string name;
  bool cached_tokens = false;  // false: the backbone sees the pixels of every clip at every step
  bool few_tokens = false;     // of loop.decoder_tokens; false: all are reconstructed
  bool cached_slots = false;   // of the teacher
  bool bfloat16 = false;
};

struct TrainOutcome {
  int64_t steps = 0;           // all of them
  double steps_per_s = 0;      // over all of them
  double loss_after_some = 0;  // after the equal number of steps
  double loss_after_all = 0;   // after the equal time
};

// The trainer's own parts, timed in this process on clips of real pixels. Losses are those of fixed
// clips with all tokens, in float32, whatever the variant. Torch-free header. Not thread-safe.
class TrainBench {
 public:
  // Fills a temporary cache, which goes with the object.
  static absl::StatusOr<std::unique_ptr<TrainBench>> Open(const TrainBenchOptions& options);
  virtual ~TrainBench() = default;

  virtual std::string description() const = 0;    // machine, model, data
  virtual double first_loss() const = 0;          // of the untrained student
  virtual absl::Duration token_time() const = 0;  // to cache the tokens of all frames
  virtual absl::Duration slot_time() const = 0;   // to cache the teacher's slots of all clips
  // A fresh student: `steps` steps, or more until they took `at_least`. Time is that of the steps
  // alone, a first one that is not counted left out.
  virtual absl::StatusOr<TrainOutcome> Run(const TrainVariant& variant, int64_t steps,
                                           absl::Duration at_least) = 0;
};

}  // namespace slotmatch
