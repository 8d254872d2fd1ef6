#include "trainer/eval/theorem.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "core/model/model_io.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/dataset_options.h"
#include "trainer/eval/video_segmenter.h"

namespace slotmatch {
namespace {

struct TheoremArguments {
  std::string student, teacher, json;
  DatasetOptions data;
  int64_t max_videos = 0, every = 8;
};

void AddOptions(TheoremArguments* arguments, OptionTable* options) {
  options->Text("student", "DIR", "model directory whose decoder is f", &arguments->student);
  options->Text("teacher", "DIR", "its teacher's model directory", &arguments->teacher);
  arguments->data.AddTo(options);
  options->Integer("max-videos", "N", "look at the first N videos; 0: all", &arguments->max_videos);
  options->Integer("every", "N", "look at every N-th frame of a video", &arguments->every);
  options->Text("json", "FILE", "write the result as a JSON object", &arguments->json);
}

absl::StatusOr<std::vector<VideoSegmenter>> OpenBoth(const TheoremArguments& arguments) {
  std::vector<VideoSegmenter> models;
  for (const std::string& directory : {arguments.teacher, arguments.student}) {
    SM_ASSIGN_OR_RETURN(VideoSegmenter model, VideoSegmenter::Open(directory));
    models.push_back(std::move(model));
  }
  const config::ModelConfig &teacher = models[0].manifest().model(),
                            &student = models[1].manifest().model();
  if (teacher.num_slots() != student.num_slots() || teacher.slot_dim() != student.slot_dim()) {
    return absl::FailedPreconditionError(
        absl::StrCat("teacher has ", teacher.num_slots(), " slots of ", teacher.slot_dim(),
                     ", the student ", student.num_slots(), " of ", student.slot_dim(),
                     ": the theorem pairs them index to index"));
  }
  return models;
}

// Slots of both models on the chosen frames, checked pair by pair.
absl::StatusOr<std::vector<TheoremPair>> CollectPairs(const TheoremArguments& arguments,
                                                      const SlotDecoder& f) {
  SM_ASSIGN_OR_RETURN(const auto dataset, arguments.data.Open());
  SM_ASSIGN_OR_RETURN(std::vector<VideoSegmenter> models, OpenBoth(arguments));
  std::vector<TheoremPair> pairs;
  Progress progress("theorem", "pairs", /*total=*/0);
  int64_t videos = dataset->num_videos();
  if (arguments.max_videos > 0) videos = std::min(videos, arguments.max_videos);
  for (int64_t video = 0; video < videos; ++video) {
    // [teacher, student] by frame. Segmenting needs no gradients, the check does: it comes after.
    std::array<std::vector<torch::Tensor>, 2> slots;
    SM_RETURN_IF_ERROR(VideoSegmenter::SegmentWithAll(
        &models, *dataset, video, /*with_labels=*/false, /*clip_frames=*/0,
        [&](size_t model, const SegmentedFrame& frame) {
          if (frame.step % arguments.every == 0) slots[model].push_back(frame.slots);
          return absl::OkStatus();
        }));
    for (size_t i = 0; i < slots[0].size(); ++i) {
      const auto found = CheckTheorem(f, slots[0][i].clone(), slots[1][i].clone());
      pairs.insert(pairs.end(), found.begin(), found.end());
      progress.Update(static_cast<int64_t>(pairs.size()), dataset->video_name(video));
    }
  }
  if (pairs.empty()) return absl::DataLossError("no frame was looked at");
  return pairs;
}

// Mean and largest of one quantity.
template <typename Value>
nlohmann::json Of(const std::vector<TheoremPair>& pairs, const Value& value) {
  double sum = 0, largest = 0;
  for (const TheoremPair& pair : pairs) {
    sum += value(pair);
    largest = std::max(largest, value(pair));
  }
  return {{"mean", sum / static_cast<double>(pairs.size())}, {"max", largest}};
}

// How the bound with this K_f stands; null without one.
nlohmann::json Bound(const std::vector<TheoremPair>& pairs, double lipschitz) {
  if (!std::isfinite(lipschitz)) return nullptr;
  const double squared = lipschitz * lipschitz;
  int64_t holds = 0, unscaled_holds = 0;
  for (const TheoremPair& pair : pairs) {
    holds += pair.measured <= squared * pair.distance * (1 + 1e-4) ? 1 : 0;
    unscaled_holds +=
        pair.unscaled_measured <= squared * pair.unscaled_distance * (1 + 1e-4) ? 1 : 0;
  }
  const auto count = static_cast<double>(pairs.size());
  return {{"lipschitz", lipschitz},
          {"bound", Of(pairs, [&](const TheoremPair& p) { return squared * p.distance; })},
          {"measured_to_bound", Of(pairs,
                                   [&](const TheoremPair& p) {
                                     return p.measured / std::max(squared * p.distance, 1e-30);
                                   })},
          {"holds", static_cast<double>(holds) / count},
          {"holds_unscaled", static_cast<double>(unscaled_holds) / count}};
}

nlohmann::json Summary(const std::vector<TheoremPair>& pairs, double weights_lipschitz) {
  const double local =
      Of(pairs, [](const TheoremPair& p) { return p.local_lipschitz; })["max"].get<double>();
  return {
      {"pairs", pairs.size()},
      {"cosine_distance", Of(pairs, [](const TheoremPair& p) { return p.cosine_distance; })},
      {"norm_ratio", Of(pairs, [](const TheoremPair& p) { return p.norm_ratio; })},
      {"measured", Of(pairs, [](const TheoremPair& p) { return p.measured; })},
      {"unscaled_measured", Of(pairs, [](const TheoremPair& p) { return p.unscaled_measured; })},
      {"estimated", Bound(pairs, local)},
      {"from_weights", Bound(pairs, weights_lipschitz)}};
}

void PrintRow(const char* name, const nlohmann::json& value) {
  std::printf("%-44s %12.5g %12.5g\n", name, value["mean"].get<double>(),
              value["max"].get<double>());
}

void PrintBound(const char* kind, const nlohmann::json& bound) {
  if (bound.is_null()) {
    std::printf("K_f %s: only for an MLP decoder\n", kind);
    return;
  }
  std::printf("K_f %s: %.5g\n", kind, bound["lipschitz"].get<double>());
  PrintRow("  bound 2 K_f^2 r^2 c", bound["bound"]);
  PrintRow("  measured / bound", bound["measured_to_bound"]);
  std::printf("  holds for %.2f %% of the pairs; as trained, norms unequal: %.2f %%\n",
              100 * bound["holds"].get<double>(), 100 * bound["holds_unscaled"].get<double>());
}

void Print(const nlohmann::json& summary) {
  std::printf("%lld pairs of slots\n%-44s %12s %12s\n", summary["pairs"].get<long long>(), "",
              "mean", "max");
  PrintRow("cosine distance c", summary["cosine_distance"]);
  PrintRow("||s|| / ||t||", summary["norm_ratio"]);
  PrintRow("measured ||f(t) - f(s)||^2, s scaled to ||t||", summary["measured"]);
  PrintRow("measured ||f(t) - f(s)||^2, as trained", summary["unscaled_measured"]);
  PrintBound("estimated (largest Jacobian found)", summary["estimated"]);
  PrintBound("from the weights (an upper bound)", summary["from_weights"]);
}

}  // namespace

absl::Status TheoremCommand(int argc, char** argv) {
  TheoremArguments arguments;
  OptionTable options("slotmatch_trainer theorem",
                      "Checks Theorem 1 of the paper on a trained student's decoder: how far its "
                      "output can move when a slot moves from the teacher's to its own.");
  AddOptions(&arguments, &options);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (arguments.student.empty() || arguments.teacher.empty() || arguments.data.path.empty()) {
    return absl::InvalidArgumentError("theorem needs --student DIR, --teacher DIR and --data DIR");
  }
  if (arguments.every < 1) return absl::InvalidArgumentError("--every is below 1");
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(arguments.student, &parts));
  SM_ASSIGN_OR_RETURN(VideoModel student, LoadVideoModel(files, WithEncoder::kNo));
  SM_ASSIGN_OR_RETURN(const std::vector<TheoremPair> pairs,
                      CollectPairs(arguments, DecoderOfOneSlot(student)));
  const nlohmann::json summary = Summary(pairs, WeightsLipschitz(student));
  Print(summary);
  if (arguments.json.empty()) return absl::OkStatus();
  return WriteFileAtomically(arguments.json, summary.dump(2) + "\n");
}

}  // namespace slotmatch
