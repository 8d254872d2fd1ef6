#include "trainer/report/run_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/config/config.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

absl::Status ReadLosses(const std::string& path, RunRecord* run) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();  // stopped before its first line
  SM_RETURN_IF_ERROR(text.status());
  std::istringstream lines(*text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (entry.is_discarded() && lines.eof()) break;
    if (!entry.is_object() || !entry.contains("step") || !entry["step"].is_number_integer()) {
      return absl::DataLossError(
          absl::StrCat(path, " line ", number, " is not an object with a step"));
    }
    const int64_t step = entry["step"].get<int64_t>();
    for (const auto& [name, value] : entry.items()) {
      if (name != "step" && value.is_number()) run->series[name].push_back({step, value});
    }
  }
  return absl::OkStatus();
}

absl::Status ReadScores(const fs::path& folder, RunRecord* run) {
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    if (file.path().extension() != ".json") continue;
    SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(file.path().string()));
    auto scores = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!scores.is_object()) {
      return absl::DataLossError(file.path().string() + " is not a JSON object of scores");
    }
    run->scores[file.path().stem().string()] = std::move(scores);
  }
  return absl::OkStatus();
}

// The last version of the model of the run's name.
std::string ModelOf(const fs::path& folder, const std::string& name) {
  std::string last;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder / "models" / name, error)) {
    if (fs::exists(entry.path() / "manifest.textproto")) {
      last = std::max(last, entry.path().string());
    }
  }
  return last;
}

std::string KeyWithoutSeed(const RunRecord& run) {
  config::TrainConfig config = run.config;
  config.mutable_loop()->clear_seed();
  return config.SerializeAsString();
}

}  // namespace

int64_t RunRecord::steps() const {
  const auto loss = series.find("loss");
  return loss == series.end() || loss->second.empty() ? 0 : loss->second.back().first;
}

absl::StatusOr<RunRecord> ReadRun(const std::string& folder) {
  RunRecord run;
  run.folder = folder;
  const fs::path root(folder);
  const std::string config = (root / "train_config.textproto").string();
  if (!fs::exists(config)) {
    return absl::NotFoundError(absl::StrCat("'", folder, "' is no run: ", config,
                                            " is missing; give the --out folder of a training"));
  }
  SM_RETURN_IF_ERROR(LoadConfigFile(config, &run.config));
  SM_RETURN_IF_ERROR(ReadLosses((root / "losses.jsonl").string(), &run));
  SM_RETURN_IF_ERROR(ReadScores(root / "scores", &run));
  run.model = ModelOf(root, run.config.name());
  return run;
}

std::vector<std::vector<const RunRecord*>> GroupBySeed(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<const RunRecord*>> groups;
  std::map<std::string, size_t> index;
  for (const RunRecord& run : runs) {
    const auto [at, is_new] = index.insert({KeyWithoutSeed(run), groups.size()});
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(&run);
  }
  return groups;
}

Spread SpreadOf(const std::vector<double>& values) {
  Spread spread;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) spread.mean += value / count;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  if (values.size() > 1) spread.deviation = std::sqrt(squares / (count - 1));
  return spread;
}

}  // namespace slotmatch
