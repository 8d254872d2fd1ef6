#pragma once

#include <string>

#include "server/trace/tracer.h"

namespace slotmatch {

// A recording as Chrome's trace event format, which chrome://tracing and Perfetto open. Every frame
// is a nestable async span "frame" with a span per stage inside: receive, decode, queue, batch,
// compute, mask, encode, write_wait, one after the other without gaps. Batches are complete events
// of the executor's track. Times are microseconds since the recording began.
std::string ChromeTraceJson(const TraceRecording& recording);

}  // namespace slotmatch
