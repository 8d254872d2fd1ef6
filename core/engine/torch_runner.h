#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/engine/segmenter.h"
#include "core/weights/manifest.h"
#include "slotmatch/config/serve.pb.h"

// Torch-free header of the LibTorch implementation of Segmenter.
namespace slotmatch {

// Opens, checks and loads a model directory, under `served.name` when it is given. Backbones named
// by several models are loaded once when they share `backbones`. FAILED_PRECONDITION for a geometry
// that cuts parts of the frame off: its masks would not lie on the frame.
class BackboneCache;
std::shared_ptr<BackboneCache> NewBackboneCache();

absl::StatusOr<std::unique_ptr<Segmenter>> LoadSegmenter(
    const config::ServedModel& served, const config::ComputeConfig& compute, PartCache* parts,
    const std::shared_ptr<BackboneCache>& backbones);

// Threads, BLAS and CPU capability as one log line; sets LibTorch's thread count. Call once, before
// the first model, from main.
std::string InitTorch(const config::ComputeConfig& compute);

// "LibTorch 1.13.1\n..." for --version.
std::string TorchLibraries();

}  // namespace slotmatch
