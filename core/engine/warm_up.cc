#include "core/engine/warm_up.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "core/base/status.h"
#include "core/engine/frame_steps.h"

namespace slotmatch {
namespace {

absl::StatusOr<StepOutput> RunOne(const std::shared_ptr<Segmenter>& model, const StreamState& state,
                                  BatchScheduler* scheduler) {
  const ModelInfo& info = model->info();
  absl::Notification done;
  absl::StatusOr<StepOutput> result = absl::UnknownError("not run");
  FrameJob job;
  job.model = model;
  job.schedule_class = scheduler->policy().default_class;
  job.pixels.resize(size_t{3} * info.input_height_px * info.input_width_px);
  job.state = state;
  job.done = [&](absl::StatusOr<StepOutput> output, const StepTiming&) {
    result = std::move(output);
    done.Notify();
  };
  SM_RETURN_IF_ERROR(scheduler->Submit(std::move(job)));
  done.WaitForNotification();
  if (result.ok() && !CheckStep(*result).output_finite) {
    return absl::InternalError("the model's output is not finite");
  }
  return result;
}

}  // namespace

absl::Status WarmUp(const std::shared_ptr<Segmenter>& model, BatchScheduler* scheduler) {
  SM_ASSIGN_OR_RETURN(const StepOutput first, RunOne(model, {}, scheduler));
  return RunOne(model, first.next_state, scheduler).status();
}

}  // namespace slotmatch
