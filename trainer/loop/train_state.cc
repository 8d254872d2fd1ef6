#include "trainer/loop/train_state.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/model_io.h"

namespace slotmatch {
namespace {

absl::Status Copy(const std::map<std::string, torch::Tensor>& from, int64_t step,
                  torch::nn::Module* module) {
  torch::NoGradGuard no_grad;
  for (auto [key, tensor] : NamedTensors(*module, {})) {
    const auto found = from.find(key);
    if (found == from.end() || found->second.sizes() != tensor.sizes()) {
      return absl::FailedPreconditionError(absl::StrCat("checkpoint of step ", step,
                                                        " has no fitting '", key,
                                                        "': it belongs to another model config"));
    }
    tensor.copy_(found->second);
  }
  return absl::OkStatus();
}

}  // namespace

Checkpoint StateOf(const TrainModels& models, const Optimizer& optimizer) {
  return {optimizer.steps_done(),
          NamedTensors(*models.model, {}),
          NamedTensors(*models.heads, {}),
          optimizer.State(),
          {}};
}

absl::Status RestoreState(const Checkpoint& checkpoint, TrainModels* models, Optimizer* optimizer) {
  SM_RETURN_IF_ERROR(Copy(checkpoint.model, checkpoint.step, models->model.get()));
  SM_RETURN_IF_ERROR(Copy(checkpoint.heads, checkpoint.step, models->heads.get()));
  return optimizer->LoadState(checkpoint.optimizer);
}

absl::Status ShareState(ProcessGroup* processes, TrainModels* models, Optimizer* optimizer) {
  if (processes->size() == 1) return absl::OkStatus();
  const Checkpoint state = StateOf(*models, *optimizer);
  for (const auto* tensors : {&state.model, &state.heads, &state.optimizer}) {
    for (const auto& [name, tensor] : *tensors) processes->Broadcast({tensor});
  }
  return optimizer->LoadState(state.optimizer);
}

}  // namespace slotmatch
