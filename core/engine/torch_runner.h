#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/engine/segmenter.h"
#include "slotmatch/config/serve.pb.h"

// Torch-free header of the LibTorch implementation of Segmenter.
namespace slotmatch {

// Backbones in use, which it does not keep in memory. Not thread-safe.
class BackboneCache;
std::shared_ptr<BackboneCache> NewBackboneCache();

// Opens, checks and loads a model directory, under `served.name` when it is given. A backbone that
// a model in memory has, loaded with the same `backbones`, is shared with it. FAILED_PRECONDITION
// for a geometry that cuts parts of the frame off: its masks would not lie on the frame.
absl::StatusOr<std::shared_ptr<Segmenter>> LoadSegmenter(
    const config::ServedModel& served, const config::ComputeConfig& compute,
    const std::shared_ptr<BackboneCache>& backbones);

// Threads, BLAS, device and precision as one log line; sets LibTorch's thread count. Call once,
// before the first model, from main. kFailedPrecondition: there is no such device.
absl::StatusOr<std::string> InitTorch(const config::ComputeConfig& compute);

// "LibTorch 1.13.1\n..." for --version.
std::string TorchLibraries();

}  // namespace slotmatch
