#include "server/rpc/service_context.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/rpc/session_events.h"

namespace slotmatch {

absl::StatusOr<size_t> ServiceContext::FindModel(const std::string& name,
                                                 const std::string& version) const {
  std::string known;
  for (size_t i = 0; i < models.size(); ++i) {
    const bool named = name.empty() ? i == 0 : models[i].name == name;
    if (named && (version.empty() || models[i].version == version)) return i;
    absl::StrAppend(&known, known.empty() ? "" : ", ", models[i].name, " ", models[i].version);
  }
  return absl::NotFoundError(
      absl::StrCat("model '", name.substr(0, 64), version.empty() ? "" : "' version '",
                   version.substr(0, 64), "' is not loaded; this server has ", known));
}

absl::StatusOr<StateSealer::Opened> ServiceContext::Begin(const v1::SessionConfig& config) const {
  std::optional<size_t> wanted;
  if (!config.model().empty() || !config.has_resume()) {
    SM_ASSIGN_OR_RETURN(wanted, FindModel(config.model()));
  }
  if (!config.has_resume()) return StateSealer::Opened{*wanted, {}};
  auto opened = sealer.Open(FromWire(config.resume()), models, wanted);
  metrics->SessionResumed(opened.status());
  return opened;
}

}  // namespace slotmatch
