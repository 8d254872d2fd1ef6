#include "tests/parity/loss_names.h"

#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"

namespace slotmatch::parity {
namespace {

constexpr LossName kLossNames[] = {
    {"loss_featrec", "reconstruction"},
    {"loss_ss", "slot_contrast"},
    {"loss_kd", "slot_kd"},
    {"loss_timesim", "feature_similarity"},
};

// Settings of the similarity loss: those of its target.
void SetSimilarity(const nlohmann::json& settings, config::LossConfig* loss) {
  const nlohmann::json& target = settings.at("target_transform");
  loss->set_temperature(target.at("temperature").get<double>());
  const nlohmann::json& threshold = target.at("threshold");
  loss->set_similarity_threshold(threshold.is_null() ? -2 : threshold.get<double>());
}

}  // namespace

std::vector<config::LossConfig> LossesOf(const Fixture& fixture) {
  const nlohmann::json weights = fixture.Setting("loss_weights");
  std::vector<config::LossConfig> losses;
  for (const LossName& name : kLossNames) {
    if (!weights.contains(name.reference)) continue;
    config::LossConfig loss;
    loss.set_name(name.row);
    loss.set_weight(weights.at(name.reference).get<double>());
    if (fixture.HasSetting("temperature")) {
      loss.set_temperature(fixture.Setting("temperature").get<double>());
    }
    if (fixture.HasSetting(name.reference)) SetSimilarity(fixture.Setting(name.reference), &loss);
    losses.push_back(loss);
  }
  if (losses.size() != weights.size()) {
    fixture.Fail(absl::StrCat("a loss of ", weights.dump(), " is unknown"));
  }
  return losses;
}

std::string LossReference(const std::string& row) {
  for (const LossName& name : kLossNames) {
    if (row == name.row) return name.reference;
  }
  TORCH_CHECK(false, "the row '", row, "' has no name in the reference");
}

}  // namespace slotmatch::parity
