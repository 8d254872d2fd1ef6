#include <cstdio>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/dataset_options.h"
#include "trainer/eval/evaluation.h"

namespace slotmatch {
namespace {

struct EvaluateArguments {
  std::vector<std::string> models;
  DatasetOptions data;
  std::string json, csv, mask_source, device = "cpu";
  int64_t seed = 0;
  EvaluationOptions evaluation;
};

void AddOptions(EvaluateArguments* arguments, OptionTable* options) {
  EvaluationOptions& evaluation = arguments->evaluation;
  options->Repeated("model", "DIR",
                    "model directory, e.g. models/slotmatch/1; several are compared with the first",
                    &arguments->models);
  arguments->data.AddTo(options);
  options->Text("json", "FILE", "write the scores as a JSON object", &arguments->json);
  options->Text("csv", "FILE", "write one line per clip", &arguments->csv);
  options->Text("pictures", "DIR", "write strips of the best and worst clips there",
                &evaluation.pictures);
  options->Integer("best", "N", "pictures of the N clips with the highest video mBO",
                   &evaluation.best);
  options->Integer("worst", "N", "pictures of the N clips with the lowest", &evaluation.worst);
  options->Integer("max-videos", "N", "score only the first N videos; 0: all",
                   &evaluation.max_videos);
  options->Integer("clip-frames", "N", "score pieces of N frames by themselves; 0: whole videos",
                   &evaluation.clip_frames);
  options->Integer("seed", "N", "draws of the confidence intervals", &arguments->seed);
  options->Text("mask-source", "NAME", "attention or decoder; empty: what the manifest says",
                &arguments->mask_source);
  options->Text("device", "NAME", "cpu, cuda, cuda:N or auto", &arguments->device);
}

absl::Status Check(const EvaluateArguments& arguments) {
  if (arguments.models.empty() || arguments.data.path.empty()) {
    return absl::InvalidArgumentError("evaluate needs --model DIR and --data DIR");
  }
  const EvaluationOptions& evaluation = arguments.evaluation;
  const std::pair<const char*, int64_t> counts[] = {{"best", evaluation.best},
                                                    {"worst", evaluation.worst},
                                                    {"max-videos", evaluation.max_videos},
                                                    {"clip-frames", evaluation.clip_frames}};
  for (const auto& [name, value] : counts) {
    if (value < 0) {
      return absl::InvalidArgumentError(std::string("--") + name + " " + std::to_string(value) +
                                        " is below 0");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenLabelled(const EvaluateArguments& arguments) {
  SM_ASSIGN_OR_RETURN(auto dataset, arguments.data.Open());
  if (!dataset->has_labels()) {
    return absl::DataLossError(arguments.data.path + " has no annotations to score against");
  }
  return dataset;
}

}  // namespace

absl::Status EvaluateCommand(int argc, char** argv) {
  EvaluateArguments arguments;
  OptionTable options("slotmatch_trainer evaluate",
                      "Scores models on a labelled dataset, per frame and per video.");
  AddOptions(&arguments, &options);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  SM_RETURN_IF_ERROR(Check(arguments));
  SM_ASSIGN_OR_RETURN(const auto dataset, OpenLabelled(arguments));
  std::vector<VideoSegmenter> models;
  for (const std::string& directory : arguments.models) {
    SM_ASSIGN_OR_RETURN(VideoSegmenter model,
                        VideoSegmenter::Open(directory, arguments.mask_source, arguments.device));
    models.push_back(std::move(model));
  }
  SM_ASSIGN_OR_RETURN(const std::vector<ModelScores> scores,
                      Evaluate(*dataset, &models, arguments.evaluation));
  Confidence confidence;
  confidence.seed = static_cast<uint64_t>(arguments.seed);
  std::printf("%s", ScoreTable(scores, confidence).c_str());
  if (!arguments.json.empty()) {
    SM_RETURN_IF_ERROR(
        WriteFileAtomically(arguments.json, ScoresAsJson(scores, confidence).dump(2) + "\n"));
  }
  if (arguments.csv.empty()) return absl::OkStatus();
  return WriteFileAtomically(arguments.csv, ScoresAsCsv(scores));
}

}  // namespace slotmatch
