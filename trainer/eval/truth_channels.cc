#include "trainer/eval/truth_channels.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

std::string At(size_t pixel, int width) {
  return absl::StrCat(" at row ", pixel / width, ", column ", pixel % width);
}

absl::Status CheckValues(absl::Span<const uint8_t> channels, int num_channels, size_t pixels,
                         bool background) {
  if (num_channels < 0 || channels.size() != num_channels * pixels) {
    return absl::InvalidArgumentError(absl::StrCat("truth of ", num_channels, " channels of ",
                                                   pixels, " pixels has ", channels.size(),
                                                   " values"));
  }
  if (num_channels - (background ? 1 : 0) >= kOverlapLabel) {
    return absl::InvalidArgumentError(
        absl::StrCat("truth has ", num_channels, " channels; label maps hold 254 objects"));
  }
  if (std::any_of(channels.begin(), channels.end(), [](uint8_t v) { return v > 1; })) {
    return absl::InvalidArgumentError("truth is not binary: channels hold 0 and 1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabelMap> LabelsFromChannels(absl::Span<const uint8_t> channels, int num_channels,
                                            int height, int width, const ScoringRules& rules) {
  const bool background = rules.counts_empty_frames;
  const size_t pixels = static_cast<size_t>(height) * width;
  SM_RETURN_IF_ERROR(CheckValues(channels, num_channels, pixels, background));
  LabelMap map{width, height, std::vector<uint8_t>(pixels, 0)};
  for (size_t pixel = 0; pixel < pixels; ++pixel) {
    int owners = 0;
    for (int c = 0; c < num_channels; ++c) {
      if (channels[c * pixels + pixel] == 0) continue;
      ++owners;
      map.labels[pixel] = static_cast<uint8_t>(background ? c : c + 1);
    }
    if (owners > 1) map.labels[pixel] = kOverlapLabel;
    if (owners > 1 && !rules.ignores_overlaps) {
      return absl::InvalidArgumentError(
          absl::StrCat("objects of the truth overlap", At(pixel, width)));
    }
    if (background && owners != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "truth with a background is not one-hot: ", owners, " channels", At(pixel, width)));
    }
  }
  return map;
}

}  // namespace slotmatch
