#pragma once

#include <string>

#include "core/engine/stream_session.h"
#include "server/metrics/server_metrics.h"

namespace slotmatch {

// Counts one frame's outcome and the time of its stages.
void CountOutcome(const FrameOutcome& outcome, const std::string& session_id,
                  ServerMetrics* metrics);

}  // namespace slotmatch
