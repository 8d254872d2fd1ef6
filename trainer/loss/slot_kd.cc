#include <torch/torch.h>

#include "core/base/assignment.h"
#include "core/nn/shape_check.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

constexpr double kEps = 1e-8;

// Distance of every student slot to every teacher slot, [B, T, K, K].
torch::Tensor Distances(const torch::Tensor& student, const torch::Tensor& teacher,
                        config::LossConfig::SlotDistance distance) {
  if (distance == config::LossConfig::MEAN_SQUARE) {
    return (student.unsqueeze(3) - teacher.unsqueeze(2)).square().mean(-1);
  }
  const auto unit = [](const torch::Tensor& slots) {
    return slots / slots.norm(2, -1, /*keepdim=*/true).clamp_min(kEps);
  };
  return 1.0 - at::matmul(unit(student), unit(teacher).transpose(-2, -1));
}

}  // namespace

torch::Tensor MatchSlots(const torch::Tensor& student, const torch::Tensor& teacher,
                         config::LossConfig::SlotDistance distance,
                         config::LossConfig::SlotMatching matching) {
  torch::NoGradGuard no_grad;
  const int64_t slots = student.size(2);
  torch::Tensor costs =
      Distances(student.to(torch::kFloat64), teacher.to(torch::kFloat64), distance);
  if (matching == config::LossConfig::PER_CLIP) costs = costs.mean(1, /*keepdim=*/true);
  costs = costs.to(torch::kCPU).contiguous();  // [B, T or 1, K, K]
  const torch::Tensor flat = costs.view({-1, slots * slots});
  const torch::Tensor index = torch::empty({flat.size(0), slots}, torch::kInt64);
  for (int64_t i = 0; i < flat.size(0); ++i) {
    const std::vector<int> columns =
        SolveAssignment({flat[i].data_ptr<double>(), static_cast<size_t>(slots * slots)},
                        static_cast<int>(slots), static_cast<int>(slots));
    std::copy(columns.begin(), columns.end(), index[i].data_ptr<int64_t>());
  }
  return index.view({costs.size(0), costs.size(1), slots})
      .expand({-1, student.size(1), -1})
      .to(student.device());
}

torch::Tensor SlotKd(const torch::Tensor& student, const torch::Tensor& teacher,
                     const config::LossConfig& config) {
  CheckShape("teacher slots", teacher,
             {{"B", student.size(0)},
              {"T", student.size(1)},
              {"K", student.size(2)},
              {"S", student.size(3)}});
  torch::Tensor target = teacher.detach();
  if (config.slot_matching() != config::LossConfig::BY_INDEX) {
    const torch::Tensor index =
        MatchSlots(student, target, config.slot_distance(), config.slot_matching());
    target = target.gather(2, index.unsqueeze(-1).expand_as(target));
  }
  if (config.slot_distance() == config::LossConfig::MEAN_SQUARE) {
    return torch::mse_loss(student, target);
  }
  return (1.0 - torch::cosine_similarity(student, target, -1, kEps)).mean();
}

torch::Tensor SlotKdLoss(const LossInputs& in, const config::LossConfig& config) {
  return SlotKd(in.scan.slots, in.teacher_slots, config);
}

}  // namespace slotmatch
