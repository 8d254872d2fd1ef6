#pragma once

#include <memory>

#include "absl/status/status.h"
#include "core/engine/batch_scheduler.h"

namespace slotmatch {

// A first and a later frame through the scheduler, as a session would send them: what a model does
// once per thread it does on the thread that serves it. Blocks; statuses of Submit() and Step(),
// INTERNAL when what comes back is not finite.
absl::Status WarmUp(const std::shared_ptr<Segmenter>& model, BatchScheduler* scheduler);

}  // namespace slotmatch
