#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/engine/segmenter.h"

namespace slotmatch {

// The model without a service around it, in this process. Torch-free header. Not thread-safe.
class EngineBench {
 public:
  // `threads` 0: the CPUs this process may use.
  static absl::StatusOr<std::unique_ptr<EngineBench>> Open(const std::string& model, int threads);
  virtual ~EngineBench() = default;

  virtual const ModelInfo& info() const = 0;
  virtual std::string description() const = 0;  // torch version, threads, BLAS
  // Seconds for `steps` forwards of the encoder alone on [streams, 3, H, W].
  virtual absl::Duration Backbone(int streams, int steps) = 0;
  // The same for the whole model: one frame of each of `streams` streams a step, states kept.
  virtual absl::StatusOr<absl::Duration> WholeModel(int streams, int steps) = 0;
};

}  // namespace slotmatch
