#pragma once

#include "absl/status/status.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/dist/process_group.h"
#include "trainer/loop/train_models.h"
#include "trainer/optim/optimizer.h"

namespace slotmatch {

// All that a training changes, as a checkpoint that shares its tensors.
Checkpoint StateOf(const TrainModels& models, const Optimizer& optimizer);

// Puts a checkpoint back. kFailedPrecondition: it is of another model; nothing is promised then.
absl::Status RestoreState(const Checkpoint& checkpoint, TrainModels* models, Optimizer* optimizer);

// Gives every process the state of process 0. Throws ProcessLost.
absl::Status ShareState(ProcessGroup* processes, TrainModels* models, Optimizer* optimizer);

}  // namespace slotmatch
