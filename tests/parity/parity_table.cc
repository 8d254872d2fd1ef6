#include "tests/parity/parity_table.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace slotmatch::parity {
namespace {

bool IsModule(const Fixture& fixture) { return fixture.HasSetting("module"); }
bool IsVideo(const Fixture& fixture) { return fixture.Has("in.video"); }
bool IsTraining(const Fixture& fixture) { return fixture.HasSetting("steps"); }
bool IsBackboneReal(const Fixture& fixture) { return fixture.HasSetting("images"); }
bool IsMetrics(const Fixture& fixture) { return fixture.HasSetting("cases"); }
bool IsTransforms(const Fixture& fixture) { return fixture.HasSetting("configs"); }
bool IsCheckpoints(const Fixture& fixture) { return fixture.Has("vit.in.images"); }
// Weights that lie beside what the reference computes with them, which is where they are read.
bool IsWeights(const Fixture& fixture) {
  const std::string expected = "expected.safetensors";
  return std::filesystem::exists(std::filesystem::path(fixture.directory()) / expected) &&
         !absl::EndsWith(fixture.name(), expected);
}
void RunNothing(const Fixture&, const Places&, Report*) {}
bool IsLosses(const Fixture& fixture) {
  for (const char* prefix : {"featrec.", "slotslot.", "timesim.", "kd."}) {
    if (!fixture.Keys(prefix).empty()) return true;
  }
  return false;
}

}  // namespace

const std::vector<KindRow>& KindTable() {
  static const auto& rows = *new std::vector<KindRow>{
      {"module", IsModule, RunModule},
      {"video model", IsVideo, RunVideo},
      {"training curve", IsTraining, RunTraining},
      {"losses", IsLosses, RunLosses},
      {"metrics", IsMetrics, RunMetrics},
      {"transforms", IsTransforms, RunTransforms},
      {"checkpoints", IsCheckpoints, RunCheckpoints},
      {"weights beside expected.safetensors", IsWeights, RunNothing},
      {"backbone on pictures", IsBackboneReal, RunBackboneReal},
  };
  return rows;
}

const KindRow& KindOf(const Fixture& fixture) {
  std::string known;
  for (const KindRow& row : KindTable()) {
    if (row.fits(fixture)) return row;
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  fixture.Fail(absl::StrCat("unknown kind of fixture; there are: ", known));
}

}  // namespace slotmatch::parity
