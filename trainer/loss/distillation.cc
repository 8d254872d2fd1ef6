#include <torch/torch.h>

#include "core/nn/shape_check.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

// Mean over every element of (student - teacher)^2; no gradient goes to the teacher.
torch::Tensor MeanSquare(const char* name, const torch::Tensor& student,
                         const torch::Tensor& teacher) {
  CheckShape(name, teacher,
             {{"B", student.size(0)},
              {"T", student.size(1)},
              {"N'", student.size(2)},
              {"D", student.size(3)}});
  return torch::mse_loss(student, teacher.detach());
}

}  // namespace

torch::Tensor FeatureKdLoss(const LossInputs& in, const config::LossConfig&) {
  return MeanSquare("teacher features", in.features, in.teacher_features);
}

torch::Tensor ReconstructionKdLoss(const LossInputs& in, const config::LossConfig&) {
  return MeanSquare("teacher reconstruction", in.projected_reconstruction,
                    in.teacher_reconstruction);
}

}  // namespace slotmatch
