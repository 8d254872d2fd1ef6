// Losses one by one: values and gradients by their input.
#include "trainer/loss/losses.h"

#include <torch/torch.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/parity/parity_table.h"

namespace slotmatch::parity {
namespace {

constexpr double kNoThreshold = -2;  // below every cosine

torch::Tensor Leaf(const Fixture& fixture, const std::string& key, torch::ScalarType dtype) {
  return fixture.Tensor(key, dtype).set_requires_grad(true);
}

// CASE.out.loss and CASE.grad.INPUT.
void CompareLoss(const Fixture& fixture, const std::string& name, const torch::Tensor& loss,
                 const std::string& input, const torch::Tensor& leaf, Report* report) {
  report->Compare(fixture, name + ".out.loss", loss, Quantity::kLoss);
  loss.backward();
  report->Compare(fixture, absl::StrCat(name, ".grad.", input), leaf.grad(), Quantity::kGradient);
}

// Names X of the keys "GROUP.X.out.loss".
std::vector<std::string> CasesOf(const Fixture& fixture, const std::string& group) {
  constexpr absl::string_view kEnd = ".out.loss";
  std::vector<std::string> names;
  for (const std::string& key : fixture.Keys(group)) {
    if (key.size() > group.size() + kEnd.size() && absl::EndsWith(key, kEnd)) {
      names.push_back(key.substr(group.size(), key.size() - group.size() - kEnd.size()));
    }
  }
  return names;
}

std::pair<int64_t, int64_t> Range(const Fixture& fixture, const nlohmann::json& range) {
  const auto ends = range.get<std::vector<int64_t>>();
  if (ends.size() != 2) fixture.Fail("a range of channels is not [from, to]");
  return {ends[0], ends[1]};
}

void FeatureReconstruction(const Fixture& fixture, Report* report) {
  if (!fixture.Has("featrec.out.loss")) return;
  const auto [from, to] = Range(fixture, fixture.Setting("featrec_pred_dims"));
  const torch::Tensor prediction = Leaf(fixture, "featrec.in.prediction", torch::kFloat32);
  LossInputs in;
  in.tokens = fixture.Tensor("featrec.in.target");
  in.decoded.reconstruction = prediction.slice(-1, from, to);
  CompareLoss(fixture, "featrec", ReconstructionLoss(in, {}), "prediction", prediction, report);
}

// "batch": negatives from the whole batch; "no_batch": from the clip alone.
void SlotSlot(const Fixture& fixture, Report* report) {
  for (const std::string& name : CasesOf(fixture, "slotslot.")) {
    if (name != "batch" && name != "no_batch") fixture.Fail("unknown case slotslot." + name);
    const torch::Tensor slots = Leaf(fixture, "slotslot.in.slots", torch::kFloat32);
    const double temperature = fixture.Setting("slotslot_temperature").get<double>();
    CompareLoss(fixture, "slotslot." + name, SlotContrast(slots, temperature, name == "batch"),
                "slots", slots, report);
  }
}

// [temperature, threshold] by case, the threshold null for none.
void Similarity(const Fixture& fixture, Report* report) {
  const std::vector<std::string> names = CasesOf(fixture, "timesim.");
  if (names.empty()) return;
  const nlohmann::json settings = fixture.Setting("timesim");
  const auto [from, to] = Range(fixture, settings.at("pred_dims"));
  for (const std::string& name : names) {
    const nlohmann::json& pair = settings.at(name);
    const torch::Tensor target =
        SimilarityTarget(fixture.Tensor("timesim.in.keys"), {}, pair.at(0).get<double>(),
                         pair.at(1).is_null() ? kNoThreshold : pair.at(1).get<double>());
    const std::string key = absl::StrCat("timesim.", name, ".out.target");
    if (fixture.Has(key)) {
      report->Compare(fixture, key, target.flatten(1, 2), Quantity::kForward);
    }
    const torch::Tensor prediction = Leaf(fixture, "timesim.in.prediction", torch::kFloat32);
    CompareLoss(fixture, "timesim." + name,
                FeatureSimilarity(prediction.slice(-1, from, to), target), "prediction", prediction,
                report);
  }
}

// A variant of distillation: its name in the fixture and the product's settings.
struct DistillationRow {
  const char* name;
  config::LossConfig::SlotDistance distance;
  config::LossConfig::SlotMatching matching;
};
constexpr DistillationRow kDistillations[] = {
    {"cos", config::LossConfig::COSINE_DISTANCE, config::LossConfig::BY_INDEX},
    {"mse", config::LossConfig::MEAN_SQUARE, config::LossConfig::BY_INDEX},
    {"hungarian_frame", config::LossConfig::COSINE_DISTANCE, config::LossConfig::PER_FRAME},
    {"hungarian_clip", config::LossConfig::COSINE_DISTANCE, config::LossConfig::PER_CLIP},
};

const DistillationRow& DistillationNamed(const Fixture& fixture, const std::string& name) {
  for (const DistillationRow& row : kDistillations) {
    if (name == row.name) return row;
  }
  fixture.Fail("unknown case kd." + name);
}

void Distillation(const Fixture& fixture, Report* report) {
  for (const std::string& name : CasesOf(fixture, "kd.")) {
    const DistillationRow& row = DistillationNamed(fixture, name);
    const torch::Tensor student = Leaf(fixture, "kd.in.student", torch::kFloat64);
    const torch::Tensor teacher = fixture.Tensor("kd.in.teacher", torch::kFloat64);
    const std::string index = absl::StrCat("kd.", name, ".out.index");
    if (fixture.Has(index)) {
      report->Compare(fixture, index, MatchSlots(student, teacher, row.distance, row.matching),
                      Quantity::kEqual);
    }
    config::LossConfig config;
    config.set_slot_distance(row.distance);
    config.set_slot_matching(row.matching);
    CompareLoss(fixture, "kd." + name, SlotKd(student, teacher, config), "student", student,
                report);
  }
}

}  // namespace

void RunLosses(const Fixture& fixture, const Places&, Report* report) {
  FeatureReconstruction(fixture, report);
  SlotSlot(fixture, report);
  Similarity(fixture, report);
  Distillation(fixture, report);
}

}  // namespace slotmatch::parity
