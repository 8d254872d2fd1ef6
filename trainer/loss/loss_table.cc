#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "trainer/loss/losses.h"

namespace slotmatch {

const std::vector<LossRow>& LossTable() {
  static const auto& rows = *new std::vector<LossRow>{
      {"reconstruction", ReconstructionLoss, kNeedsDecoder | kNeedsReconstruction},
      {"feature_similarity", FeatureSimilarityLoss,
       kNeedsDecoder | kNeedsSimilarity | kNeedsKeys | kNeedsTwoFrames},
      {"slot_contrast", SlotContrastLoss, kNeedsTwoFrames},
      {"slot_kd", SlotKdLoss, kNeedsTeacher},
      {"feature_kd", FeatureKdLoss, kNeedsTeacher | kNeedsTeacherFeatures},
      {"reconstruction_kd", ReconstructionKdLoss,
       kNeedsDecoder | kNeedsReconstruction | kNeedsTeacher | kNeedsTeacherReconstruction},
      {"grouping", GroupingLoss, kNeedsGroupingHead},
      {"mask_follow", MaskFollowLoss, kNeedsDecoder},
  };
  return rows;
}

namespace {

// A need that a config can fail to meet, and what would meet it.
struct NeedRow {
  LossNeed need;
  const char* text;
  bool (*met)(const config::TrainConfig& config, bool has_teacher);
};

constexpr NeedRow kNeedRows[] = {
    {kNeedsReconstruction, "model.decoder.outputs with features",
     [](const config::TrainConfig& config, bool) {
       return config.model().decoder().outputs() != config::DecoderConfig::SIMILARITY;
     }},
    {kNeedsSimilarity, "model.decoder.outputs with similarity",
     [](const config::TrainConfig& config, bool) {
       return config.model().decoder().outputs() != config::DecoderConfig::FEATURES;
     }},
    {kNeedsTeacher, "a teacher: set teacher.path",
     [](const config::TrainConfig&, bool has_teacher) { return has_teacher; }},
    {kNeedsGroupingHead, "model.grouping_head.enabled = true",
     [](const config::TrainConfig& config, bool) {
       return config.model().grouping_head().enabled();
     }},
    {kNeedsTwoFrames, "data.clip_frames of at least 2",
     [](const config::TrainConfig& config, bool) { return config.data().clip_frames() >= 2; }},
};

}  // namespace

absl::StatusOr<const LossRow*> FindLoss(const std::string& name) {
  std::string known;
  for (const LossRow& row : LossTable()) {
    if (name == row.name) return &row;
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("loss '", name, "' is unknown; there are: ", known));
}

bool AnyLossNeeds(const config::TrainConfig& config, LossNeed need) {
  return std::any_of(config.losses().begin(), config.losses().end(), [need](const auto& loss) {
    const absl::StatusOr<const LossRow*> row = FindLoss(loss.name());
    return loss.weight() != 0 && row.ok() && ((*row)->needs & need) != 0;
  });
}

std::vector<std::string> LossProblems(const config::TrainConfig& config, bool has_teacher) {
  std::vector<std::string> problems;
  bool any = false;
  std::set<std::string> names;
  for (const config::LossConfig& loss : config.losses()) {
    if (!names.insert(loss.name()).second) {
      problems.push_back(absl::StrCat("loss '", loss.name(), "' is there twice"));
    }
    const absl::StatusOr<const LossRow*> row = FindLoss(loss.name());
    if (!row.ok()) problems.push_back(std::string(row.status().message()));
    if (!row.ok() || loss.weight() == 0) continue;
    any = true;
    for (const NeedRow& need : kNeedRows) {
      if (((*row)->needs & need.need) == 0 || need.met(config, has_teacher)) continue;
      problems.push_back(absl::StrCat("loss '", loss.name(), "' needs ", need.text));
    }
  }
  if (config.losses().empty()) {
    problems.push_back("losses: none is configured");
  } else if (!any && problems.empty()) {
    problems.push_back("losses: every weight is 0");
  }
  return problems;
}

}  // namespace slotmatch
