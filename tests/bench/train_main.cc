#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/cpu.h"
#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/base/text_table.h"
#include "core/engine/torch_runner.h"
#include "tests/bench/train_bench.h"

namespace slotmatch {
namespace {

constexpr char kProgram[] = "train_bench";

// The reference first, then one trick after the other.
std::vector<TrainVariant> Variants(int64_t decoder_tokens) {
  const std::string few = absl::StrCat("+ ", decoder_tokens, " tokens decoded a step");
  std::vector<TrainVariant> variants = {
      {.name = "reference"},
      {.name = "+ tokens cached", .cached_tokens = true},
      {.name = few, .cached_tokens = true, .few_tokens = true},
      {.name = "+ teacher's slots cached",
       .cached_tokens = true,
       .few_tokens = true,
       .cached_slots = true},
  };
  if (!CpuHasBfloat16()) return variants;
  variants.push_back(variants.back());
  variants.back().name = "+ bfloat16";
  variants.back().bfloat16 = true;
  variants.push_back({.name = "reference in bfloat16", .bfloat16 = true});
  return variants;
}

struct Row {
  TrainVariant variant;
  TrainOutcome outcome;
};

std::string Table(const std::vector<Row>& rows, int64_t steps, double seconds) {
  TextRows table = {{"", "steps/s", "ratio", absl::StrCat("loss after ", steps, " steps"),
                     absl::StrFormat("after %.0f s", seconds), "steps by then"}};
  for (const auto& [variant, outcome] : rows) {
    table.push_back({variant.name, absl::StrFormat("%.3f", outcome.steps_per_s),
                     absl::StrFormat("%.1f", outcome.steps_per_s / rows[0].outcome.steps_per_s),
                     absl::StrFormat("%.4f", outcome.loss_after_some),
                     absl::StrFormat("%.4f", outcome.loss_after_all), absl::StrCat(outcome.steps)});
  }
  return AlignedTable(table);
}

nlohmann::json Json(const TrainBench& bench, const std::vector<Row>& rows) {
  nlohmann::json json = {{"description", bench.description()},
                         {"first_loss", bench.first_loss()},
                         {"token_cache_s", absl::ToDoubleSeconds(bench.token_time())},
                         {"slot_cache_s", absl::ToDoubleSeconds(bench.slot_time())}};
  for (const auto& [variant, outcome] : rows) {
    json["variants"].push_back({{"name", variant.name},
                                {"steps", outcome.steps},
                                {"steps_per_s", outcome.steps_per_s},
                                {"loss_after_some", outcome.loss_after_some},
                                {"loss_after_all", outcome.loss_after_all}});
  }
  return json;
}

absl::Status Bench(const TrainBenchOptions& options, int64_t steps, const std::string& json) {
  if (options.clips < 1 || options.videos < 1 || steps < 1) {
    return absl::InvalidArgumentError("--clips, --videos and --steps must be at least 1");
  }
  SM_ASSIGN_OR_RETURN(const auto bench, TrainBench::Open(options));
  std::vector<Row> rows;
  absl::Duration equal_time;
  for (const TrainVariant& variant : Variants(options.decoder_tokens)) {
    std::fprintf(stderr, "%s ...\n", variant.name.c_str());
    SM_ASSIGN_OR_RETURN(const TrainOutcome outcome, bench->Run(variant, steps, equal_time));
    if (rows.empty()) {
      equal_time = absl::Seconds(static_cast<double>(steps) / outcome.steps_per_s);
    }
    rows.push_back({variant, outcome});
  }
  std::printf(
      "%s\n\n%s\nloss of the untrained student %.4f; caching all tokens took %.1f s, the "
      "teacher's slots of all clips %.1f s, once\n",
      bench->description().c_str(), Table(rows, steps, absl::ToDoubleSeconds(equal_time)).c_str(),
      bench->first_loss(), absl::ToDoubleSeconds(bench->token_time()),
      absl::ToDoubleSeconds(bench->slot_time()));
  return json.empty() ? absl::OkStatus()
                      : WriteFileAtomically(json, Json(*bench, rows).dump(2) + "\n");
}

absl::Status Main(int argc, char** argv) {
  TrainBenchOptions bench;
  std::string json;
  int64_t steps = 4;
  OptionTable options(kProgram,
                      "Compares the reference's formulation of a training with this trainer's, one "
                      "trick after the other, at equal losses. Pixels are read beforehand.");
  options.Text("config", "FILE", "recipe", &bench.recipe);
  options.Repeated("set", "PATH=VALUE", "override a field of the recipe", &bench.settings);
  options.Text("data", "DIR", "clips to train on; empty: those of samples/", &bench.data);
  options.Text("kind", "KIND", "of the data, as in a recipe", &bench.kind);
  options.Text("split", "NAME", "of the data", &bench.split);
  options.Integer("videos", "N", "take the first N of each dataset", &bench.videos);
  options.Text("teacher", "DIR", "model directory; empty: the recipe's sizes, freshly drawn",
               &bench.teacher);
  options.Integer("size", "PX", "side of the input", &bench.size_px);
  options.Integer("clips", "N", "clips of a step", &bench.clips);
  options.Integer("decoder-tokens", "N", "tokens reconstructed a step", &bench.decoder_tokens);
  options.Integer("steps", "N", "steps of the reference", &steps);
  options.Integer("threads", "N", "LibTorch threads; 0: all CPUs", &bench.threads);
  options.Flag("cpu-time", "count CPU time, for a machine that is busy; with --threads 1",
               &bench.cpu_time);
  options.Text("json", "FILE", "write the figures there", &json);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  return Bench(bench, steps, json);
}

}  // namespace
}  // namespace slotmatch

int main(int argc, char** argv) {
  slotmatch::KeepFreedMemory();
  slotmatch::InitLog("warning", /*json=*/false);
  return slotmatch::ExitStatus(slotmatch::kProgram, slotmatch::Main(argc, argv));
}
