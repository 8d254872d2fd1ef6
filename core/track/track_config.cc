#include "core/track/track_config.h"

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

struct RangeRow {
  const char* setting;
  double value, lowest, highest;
};

}  // namespace

absl::Status ValidateTrackConfig(const config::TrackConfig& config, absl::string_view path) {
  const RangeRow rows[] = {
      {"vector_weight", config.vector_weight(), 0, 1000},
      {"mask_weight", config.mask_weight(), 0, 1000},
      {"slot_weight", config.slot_weight(), 0, 1000},
      {"birth_cost", config.birth_cost(), 0, 10000},
      {"return_cosine", config.return_cosine(), -1, 2},
      {"return_distance_weight", config.return_distance_weight(), 0, 1000},
      {"part_share", config.part_share(), 0.5, 2},
      {"part_cosine", config.part_cosine(), -1, 1},
      {"vector_rate", config.vector_rate(), 0, 1},
      {"min_cells", static_cast<double>(config.min_cells()), 1, 1000000},
      {"max_hidden_frames", static_cast<double>(config.max_hidden_frames()), 0, 1000000},
      {"max_hidden_tracks", static_cast<double>(config.max_hidden_tracks()), 0, 500},
  };
  for (const RangeRow& row : rows) {
    if (row.value >= row.lowest && row.value <= row.highest) continue;
    return absl::FailedPreconditionError(absl::StrCat(path, ".", row.setting, " is ", row.value,
                                                      "; it must be between ", row.lowest, " and ",
                                                      row.highest));
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
