#include "server/rpc/service_context.h"

#include <optional>

#include "core/base/status.h"
#include "server/rpc/session_events.h"

namespace slotmatch {

absl::StatusOr<ServiceContext::Beginning> ServiceContext::Begin(
    const v1::SessionConfig& config) const {
  if (!config.has_resume()) {
    SM_ASSIGN_OR_RETURN(ModelRef model, models->Find(config.model()));
    return Beginning{std::move(model), {}};
  }
  // Of the versions of a name, the state says which it is of.
  std::vector<ModelRef> candidates;
  std::vector<ModelInfo> infos;
  for (ModelRef& model : models->Ready()) {
    if (!config.model().empty() && model->info().name != config.model()) continue;
    infos.push_back(model->info());
    candidates.push_back(std::move(model));
  }
  if (candidates.empty()) return models->Find(config.model()).status();
  std::optional<size_t> wanted;
  if (!config.model().empty() && candidates.size() == 1) wanted = 0;
  auto opened = sealer.Open(FromWire(config.resume()), infos, wanted);
  metrics->SessionResumed(opened.status());
  SM_RETURN_IF_ERROR(opened.status());
  return Beginning{candidates[opened->model], std::move(opened->point)};
}

}  // namespace slotmatch
