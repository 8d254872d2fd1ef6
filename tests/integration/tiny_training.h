#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/programs.h"

namespace slotmatch {

// A teacher's recipe small enough for seconds; `cache` is the folder of its features.
std::string TinyRecipe(const std::string& cache, int steps, int batch_clips);

// Trainings of seconds: 8x8 tokens, few slots, the sample clips, features cached once a suite.
class TinyTraining {
 public:
  static constexpr char kProgram[] = "slotmatch_trainer";
  static constexpr int kCheckpointEvery = 5;

  // Files go below a fresh folder of this name.
  TinyTraining(const std::string& name, int steps);
  const std::string& folder() const { return folder_; }
  std::string Out(const std::string& run) const { return folder_ + "/" + run; }
  std::string Recipe() const { return folder_ + "/recipe.textproto"; }

  // `train` into Out(run); `before` is shell that the program is started from, such as "ulimit -f
  // 9;".
  std::unique_ptr<Process> Start(const std::string& run, const std::vector<std::string>& more = {},
                                 const std::string& before = "");
  // The same to its end, which has to be this exit code; what it printed.
  std::string Run(const std::string& run, const std::vector<std::string>& more = {}, int code = 0,
                  const std::string& before = "");
  // Waits until a run has logged so many steps.
  bool Logged(const std::string& run, int steps) const;

  std::string Weights(const std::string& run) const;  // bytes of its model; empty: not written
  std::vector<nlohmann::json> Losses(const std::string& run) const;
  // Checkpoint folders, oldest first, and whatever else lies there.
  std::vector<std::string> Checkpoints(const std::string& run) const;

 private:
  std::string folder_;
  int started_ = 0;
};

}  // namespace slotmatch
