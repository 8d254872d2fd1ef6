// Scores of label maps: mean, number of counted items and each item's value, and inputs that are
// refused.
#include <torch/torch.h>

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/parity/parity_table.h"
#include "tests/support/reference_metrics.h"
#include "trainer/eval/metric_table.h"
#include "trainer/eval/score_board.h"
#include "trainer/eval/truth_channels.h"

namespace slotmatch::parity {
namespace {

constexpr const char* kRegions[] = {"j_and_f", "jaccard", "boundary_f"};

struct LabelCase {
  torch::Tensor truth;       // [B, T, C, H, W] bytes
  torch::Tensor prediction;  // [B, T, H, W] bytes
  int num_slots;
  ScoringRules rules;
};

absl::Span<const uint8_t> Bytes(const torch::Tensor& tensor) {
  return {tensor.data_ptr<uint8_t>(), static_cast<size_t>(tensor.numel())};
}

LabelCase CaseOf(const Fixture& fixture, const std::string& name, const nlohmann::json& flags) {
  LabelCase part{
      fixture.Tensor(name + ".in.true"),
      fixture.Tensor(name + ".in.pred"),
      flags.at("n_slots").get<int>(),
      {flags.at("ignore_background").get<bool>(), flags.at("ignore_overlaps").get<bool>()}};
  if (part.truth.scalar_type() != torch::kUInt8 || part.truth.dim() != 5 ||
      part.prediction.scalar_type() != torch::kUInt8 || part.prediction.dim() != 4) {
    fixture.Fail(absl::StrCat(name, ": masks are not bytes [B, T, C, H, W] and [B, T, H, W]"));
  }
  return part;
}

absl::Status AddFrame(const LabelCase& part, int64_t video, int64_t frame, ScoreBoard* board) {
  const torch::Tensor truth = part.truth[video][frame], slots = part.prediction[video][frame];
  const int height = static_cast<int>(slots.size(0)), width = static_cast<int>(slots.size(1));
  const auto labels =
      LabelsFromChannels(Bytes(truth), static_cast<int>(truth.size(0)), height, width, part.rules);
  if (!labels.ok()) return labels.status();
  const auto predicted = Bytes(slots);
  return board->AddFrame(*labels, {width, height, {predicted.begin(), predicted.end()}});
}

double ValueOf(const Scores& scores, const char* row) {
  const Score& score = ScoreOf(scores, row);
  return score.items == 0 ? std::nan("") : score.value;
}

// Scores of the dataset, of every video [B], and of every frame [B, T] as a video of its own.
struct AllScores {
  Scores dataset;
  std::vector<Scores> videos;
  std::vector<Scores> frames;
};

AllScores ScoreAll(const LabelCase& part) {
  AllScores all;
  ScoreBoard dataset(part.num_slots, part.rules), single = dataset;
  for (int64_t b = 0; b < part.prediction.size(0); ++b) {
    for (int64_t t = 0; t < part.prediction.size(1); ++t) {
      for (ScoreBoard* board : {&dataset, &single}) {
        const absl::Status added = AddFrame(part, b, t, board);
        TORCH_CHECK(added.ok(), std::string(added.message()));
      }
      all.frames.push_back(single.EndVideo());
    }
    all.videos.push_back(dataset.EndVideo());
  }
  all.dataset = dataset.scores();
  return all;
}

torch::Tensor Scalar(double value) { return torch::tensor(value, torch::kFloat64); }

void CompareMetric(const Fixture& fixture, const std::string& name, const ReferenceMetric& metric,
                   const AllScores& all, Report* report) {
  const std::string key = absl::StrCat(name, ".out.", metric.reference);
  if (fixture.Has(key + ".mean")) {
    report->Compare(fixture, key + ".mean", Scalar(ValueOf(all.dataset, metric.row)),
                    Quantity::kMetric);
  }
  if (fixture.Has(key + ".count")) {
    report->Compare(fixture, key + ".count",
                    torch::tensor(ScoreOf(all.dataset, metric.row).items, torch::kInt64),
                    Quantity::kEqual);
  }
  if (!fixture.Has(key + ".items")) return;
  std::vector<double> values;
  for (const Scores& scores : absl::StartsWith(metric.row, "image") ? all.frames : all.videos) {
    values.push_back(ValueOf(scores, metric.row));
  }
  const auto videos = static_cast<int64_t>(all.videos.size());
  report->Compare(fixture, key + ".items",
                  torch::tensor(values, torch::kFloat64).view({videos, -1}), Quantity::kMetric);
}

void CompareCase(const Fixture& fixture, const std::string& name, const nlohmann::json& flags,
                 Report* report) {
  const AllScores all = ScoreAll(CaseOf(fixture, name, flags));
  for (const ReferenceMetric& metric : kReferenceMetrics)
    CompareMetric(fixture, name, metric, all, report);
  const std::string regions = name + ".out.jandf.mean";
  if (!fixture.Has(regions)) return;
  std::vector<double> values;
  for (const char* row : kRegions) values.push_back(ValueOf(all.dataset, row));
  report->Compare(fixture, regions, torch::tensor(values, torch::kFloat64), Quantity::kMetric);
}

// Truth that the reference refuses under some rules: those with `bad` pixels, by the number of
// channels that own a pixel.
struct Rejection {
  const char* name;
  ScoringRules rules;
  torch::Tensor (*bad)(const torch::Tensor& owners);
};
const Rejection kRejections[] = {
    {"overlaps_without_ignore_overlaps",
     {false, false},
     [](const torch::Tensor& owners) { return owners > 1; }},
    {"ignore_background_needs_one_hot",
     {true, false},
     [](const torch::Tensor& owners) { return owners != 1; }},
};

// The truth of every case that is bad in this way has to be refused, and one must be there.
void CheckRejection(const Fixture& fixture, const std::string& name, Report* report) {
  const Rejection* row = nullptr;
  for (const Rejection& rejection : kRejections) {
    if (name == rejection.name) row = &rejection;
  }
  if (row == nullptr) fixture.Fail(absl::StrCat("unknown entry '", name, "' of 'rejected'"));
  int bad = 0, accepted = 0;
  const nlohmann::json cases = fixture.Setting("cases");
  for (const auto& [part_name, flags] : cases.items()) {
    LabelCase part = CaseOf(fixture, part_name, flags);
    part.rules = row->rules;
    for (int64_t b = 0; b < part.truth.size(0); ++b) {
      for (int64_t t = 0; t < part.truth.size(1); ++t) {
        if (!row->bad(part.truth[b][t].to(torch::kInt64).sum(0)).any().item<bool>()) continue;
        ++bad;
        ScoreBoard board(part.num_slots, part.rules);
        accepted += AddFrame(part, b, t, &board).ok() ? 1 : 0;
      }
    }
  }
  report->Check(fixture, "rejected." + name, bad > 0 && accepted == 0,
                absl::StrCat(bad, " frames, ", accepted, " of them accepted"));
}

}  // namespace

void RunMetrics(const Fixture& fixture, const Places&, Report* report) {
  const nlohmann::json cases = fixture.Setting("cases");
  for (const auto& [name, flags] : cases.items()) {
    CompareCase(fixture, name, flags, report);
  }
  if (!fixture.HasSetting("rejected")) return;
  const nlohmann::json rejected = fixture.Setting("rejected");
  for (const auto& [name, message] : rejected.items()) {
    CheckRejection(fixture, name, report);
  }
}

}  // namespace slotmatch::parity
