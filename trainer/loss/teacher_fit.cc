#include "trainer/loss/teacher_fit.h"

#include "absl/strings/str_cat.h"
#include "core/model/encoder/encoder_table.h"
#include "trainer/loss/loss.h"

namespace slotmatch {
namespace {

struct Grid {
  int64_t height, width;
};

Grid GridOf(const config::EncoderConfig& encoder) {
  const int64_t patch = EncoderShape(encoder).value().patch_px;
  return {encoder.input_height_px() / patch, encoder.input_width_px() / patch};
}

}  // namespace

std::vector<std::string> TeacherProblems(const config::TrainConfig& config,
                                         const config::ModelConfig& teacher) {
  std::vector<std::string> problems;
  const config::ModelConfig& student = config.model();
  if (teacher.num_slots() != student.num_slots() || teacher.slot_dim() != student.slot_dim()) {
    problems.push_back(absl::StrCat("teacher has ", teacher.num_slots(), " slots of ",
                                    teacher.slot_dim(), ", the student ", student.num_slots(),
                                    " of ", student.slot_dim(),
                                    ": distillation compares slot with slot, so both must agree"));
  }
  const Grid theirs = GridOf(teacher.encoder()), ours = GridOf(student.encoder());
  const bool by_token = AnyLossNeeds(config, kNeedsTeacherFeatures) ||
                        AnyLossNeeds(config, kNeedsTeacherReconstruction);
  if (by_token && (theirs.height != ours.height || theirs.width != ours.width)) {
    problems.push_back(
        absl::StrCat("teacher has ", theirs.width, "x", theirs.height, " tokens, the student ",
                     ours.width, "x", ours.height,
                     ": feature_kd and reconstruction_kd compare token with token, so both must "
                     "agree"));
  }
  if (AnyLossNeeds(config, kNeedsTeacherReconstruction) &&
      teacher.decoder().outputs() == config::DecoderConfig::SIMILARITY) {
    problems.push_back("the teacher's decoder gives no features: reconstruction_kd needs them");
  }
  return problems;
}

}  // namespace slotmatch
