#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/dataset_options.h"
#include "trainer/eval/model_strips.h"
#include "trainer/report/html_report.h"

namespace slotmatch {
namespace {

struct ReportArguments {
  std::string out = "report.html";
  DatasetOptions data;
  int64_t clips = 3;
};

// The teachers of the runs, then what the runs made; every model once.
std::vector<std::string> ModelsOf(const std::vector<RunRecord>& runs) {
  std::vector<std::string> models;
  const auto add = [&models](const std::string& model) {
    if (model.empty() || !std::filesystem::exists(model)) return;
    if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
  };
  for (const RunRecord& run : runs) add(run.config.teacher().path());
  for (const RunRecord& run : runs) add(run.model);
  return models;
}

absl::StatusOr<std::vector<ReportPicture>> MakePictures(const ReportArguments& arguments,
                                                        const std::vector<RunRecord>& runs) {
  SM_ASSIGN_OR_RETURN(const auto dataset, arguments.data.Open());
  const std::vector<std::string> directories = ModelsOf(runs);
  std::vector<VideoSegmenter> models;
  for (const std::string& directory : directories) {
    SM_ASSIGN_OR_RETURN(VideoSegmenter model, VideoSegmenter::Open(directory));
    models.push_back(std::move(model));
  }
  std::vector<ReportPicture> pictures;
  for (int64_t video = 0; video < std::min(arguments.clips, dataset->num_videos()); ++video) {
    SM_ASSIGN_OR_RETURN(std::string png, ModelStrips(*dataset, video, &models));
    ReportPicture picture{dataset->video_name(video), {"source"}, std::move(png)};
    picture.rows.insert(picture.rows.end(), directories.begin(), directories.end());
    if (dataset->has_labels()) picture.rows.push_back("ground truth");
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

}  // namespace

absl::Status ReportCommand(int argc, char** argv) {
  ReportArguments arguments;
  OptionTable options("slotmatch_trainer report",
                      "Makes one HTML page of trainings, which opens without a network. RUN... are "
                      "their --out folders; scores are read from RUN/scores/SET.json, which "
                      "evaluate --json writes.");
  options.Text("out", "FILE", "page to write", &arguments.out);
  arguments.data.AddTo(&options,
                       "dataset whose clips the runs' models segment for pictures; empty: none");
  options.Integer("clips", "N", "clips in pictures", &arguments.clips);
  SM_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                      options.Parse(argc, argv, OptionTable::kAnyNumber));
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (folders.empty()) return absl::InvalidArgumentError("report needs at least one RUN folder");
  std::vector<RunRecord> runs;
  for (const std::string& folder : folders) {
    SM_ASSIGN_OR_RETURN(RunRecord run, ReadRun(folder));
    runs.push_back(std::move(run));
  }
  std::vector<ReportPicture> pictures;
  if (!arguments.data.path.empty()) {
    SM_ASSIGN_OR_RETURN(pictures, MakePictures(arguments, runs));
  }
  SM_RETURN_IF_ERROR(WriteFileAtomically(arguments.out, HtmlReport(runs, pictures)));
  std::printf("%s: %zu runs, %zu pictures\n", arguments.out.c_str(), runs.size(), pictures.size());
  return absl::OkStatus();
}

}  // namespace slotmatch
