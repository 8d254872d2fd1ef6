#include "absl/strings/str_cat.h"
#include "trainer/loss/losses.h"

namespace slotmatch {

const std::vector<LossRow>& LossTable() {
  static const auto& rows = *new std::vector<LossRow>{
      // name, function, needs decoder, teacher, grouping head
      {"reconstruction", ReconstructionLoss, true, false, false},
      {"slot_contrast", SlotContrastLoss, false, false, false},
      {"slot_kd", SlotKdLoss, false, true, false},
      {"grouping", GroupingLoss, false, false, true},
      {"mask_follow", MaskFollowLoss, true, false, false},
  };
  return rows;
}

absl::StatusOr<const LossRow*> FindLoss(const std::string& name) {
  std::string known;
  for (const LossRow& row : LossTable()) {
    if (name == row.name) return &row;
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("loss '", name, "' is unknown; there are: ", known));
}

}  // namespace slotmatch
