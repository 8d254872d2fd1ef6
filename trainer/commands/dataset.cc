#include "trainer/data/dataset.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "core/base/cpu.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/dataset_options.h"
#include "trainer/data/dataset_report.h"
#include "trainer/data/read_ahead.h"
#include "trainer/eval/sheet.h"

namespace slotmatch {
namespace {

struct DatasetArguments {
  config::DatasetConfig data;
  std::string json, out = "dataset.png";
  int64_t max_videos = 0, columns = 6, every = 4, seed = 0;
};

absl::Status Check(const VideoDataset& dataset, const DatasetArguments& arguments) {
  const int64_t videos = arguments.max_videos > 0
                             ? std::min(arguments.max_videos, dataset.num_videos())
                             : dataset.num_videos();
  Progress progress("check " + arguments.data.kind(), "videos", videos);
  SM_ASSIGN_OR_RETURN(const DatasetReport report,
                      ReportOn(dataset, arguments.max_videos, UsableCpus(), &progress));
  progress.Finish();
  std::cout << ToText(report);
  if (!arguments.json.empty()) {
    SM_RETURN_IF_ERROR(WriteFileAtomically(arguments.json, ToJson(report)));
  }
  if (report.skipped.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(report.skipped.size(), " of ", videos,
                                          " videos cannot be read; training would skip them"));
}

// Frames 0, every, 2 * every, ... of a video, at most `columns`.
absl::StatusOr<SheetRow> FramesToShow(const VideoDataset& dataset, int64_t video,
                                      const DatasetArguments& arguments) {
  SheetRow row;
  const absl::Status read =
      dataset.ForEachFrame(video, dataset.has_labels(), [&](DatasetFrame frame) {
        if (frame.index % arguments.every == 0) {
          row.push_back({std::move(frame.image), std::move(frame.labels)});
        }
        // An end of its own, told apart from the reader's by its code.
        return static_cast<int64_t>(row.size()) == arguments.columns
                   ? absl::CancelledError("enough frames")
                   : absl::OkStatus();
      });
  if (!read.ok() && !absl::IsCancelled(read)) return read;
  return row;
}

// Stills side by side; videos keep a row each.
std::vector<SheetRow> Packed(std::vector<SheetRow> rows, int64_t columns) {
  std::vector<SheetRow> packed;
  bool after_still = false;
  for (SheetRow& row : rows) {
    const bool still = row.size() == 1;
    if (still && after_still && static_cast<int64_t>(packed.back().size()) < columns) {
      packed.back().push_back(std::move(row.front()));
    } else {
      packed.push_back(std::move(row));
    }
    after_still = still;
  }
  return packed;
}

absl::Status Show(const VideoDataset& dataset, const DatasetArguments& arguments) {
  constexpr int64_t kDefaultRows = 8;
  const int64_t wanted = arguments.max_videos > 0 ? arguments.max_videos : kDefaultRows;
  Progress progress("show " + arguments.data.kind(), "videos",
                    std::min(wanted, dataset.num_videos()));
  const std::vector<int64_t> order =
      arguments.seed == 0
          ? FileOrder(dataset.num_videos())
          : ShuffledOrder(dataset.num_videos(), static_cast<uint64_t>(arguments.seed));
  std::vector<SheetRow> rows;
  absl::Status problem = absl::DataLossError("the dataset is empty");
  for (const int64_t video : order) {
    if (static_cast<int64_t>(rows.size()) == wanted) break;
    absl::StatusOr<SheetRow> row = FramesToShow(dataset, video, arguments);
    if (row.ok()) {
      rows.push_back(*std::move(row));
    } else {
      problem = row.status();
      SM_WARNING("video skipped name={} reason=\"{}\"", dataset.video_name(video),
                 std::string(problem.message()));
    }
    progress.Update(static_cast<int64_t>(rows.size()), dataset.video_name(video));
  }
  if (rows.empty()) return problem;
  return WriteSheet(arguments.out, Packed(std::move(rows), arguments.columns));
}

absl::Status CheckArguments(const DatasetArguments& arguments) {
  if (arguments.data.path().empty()) return absl::InvalidArgumentError("dataset needs --data DIR");
  if (arguments.columns < 1 || arguments.every < 1 || arguments.max_videos < 0) {
    return absl::InvalidArgumentError("--columns and --every must be at least 1, --max-videos 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DatasetCommand(int argc, char** argv) {
  DatasetArguments arguments;
  DatasetOptions data;
  data.split = "train";
  std::vector<std::string> settings;
  OptionTable options("slotmatch_trainer dataset check|show",
                      "check: reads a whole dataset and reports what is in it.\n"
                      "show: writes a picture of its frames with their masks.");
  data.AddTo(&options);
  options.Repeated("set", "FIELD=VALUE", "another field of DatasetConfig", &settings);
  options.Integer("max-videos", "N", "only the first N videos; 0: all (show: 8)",
                  &arguments.max_videos);
  options.Text("json", "FILE", "check: write the report as JSON", &arguments.json);
  options.Text("out", "FILE", "show: the picture, PNG", &arguments.out);
  options.Integer("columns", "N", "show: frames a video", &arguments.columns);
  options.Integer("every", "N", "show: every N-th frame", &arguments.every);
  options.Integer("seed", "N", "show: videos drawn by this seed; 0: the first ones",
                  &arguments.seed);
  SM_ASSIGN_OR_RETURN(const std::vector<std::string> rest, options.Parse(argc, argv, 1));
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (rest.size() != 1 || (rest[0] != "check" && rest[0] != "show")) {
    return absl::InvalidArgumentError("dataset needs one of: check, show");
  }
  arguments.data = data.Config();
  SM_RETURN_IF_ERROR(CheckArguments(arguments));
  SM_RETURN_IF_ERROR(ApplyOverrides(settings, &arguments.data));
  SM_ASSIGN_OR_RETURN(const auto dataset, OpenDataset(arguments.data));
  return rest[0] == "check" ? Check(*dataset, arguments) : Show(*dataset, arguments);
}

}  // namespace slotmatch
