#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "core/weights/manifest.h"

namespace slotmatch {

// Starts a training from the head of a model directory.
struct InitReport {
  int64_t copied = 0;
  std::vector<std::string> resampled;  // position tables of another token grid
  std::vector<std::string> missing;    // left as they were: absent there, or of another shape
};

// Copies every tensor of the head that `directory` has in the same shape. Position tables [..., N,
// D] of another square grid are resampled (bicubic, antialiased), so that a model can start from
// one trained at another resolution. Errors of OpenModelDirectory.
absl::StatusOr<InitReport> InitFrom(const std::string& directory, PartCache* cache,
                                    VideoModel* model);

}  // namespace slotmatch
