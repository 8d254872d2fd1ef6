#pragma once

#include <vector>

#include "server/models/model_store.h"
#include "server/rpc/session_report.h"
#include "slotmatch/v1/admin.pb.h"

// Between the admin messages and the server's values.
namespace slotmatch {

v1::SessionInfo ToWire(const SessionReport& report, absl::Time now);

// Sessions open with that version of a model.
int SessionsWith(const std::vector<SessionReport>& reports, const std::string& model,
                 const std::string& version);

// Of every model in the list; the first is the default's.
std::vector<v1::ModelVersion> ToWire(const std::vector<ModelEntry>& entries,
                                     const std::vector<SessionReport>& reports);

}  // namespace slotmatch
