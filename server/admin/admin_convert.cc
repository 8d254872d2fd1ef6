#include "server/admin/admin_convert.h"

#include <algorithm>

#include "absl/strings/str_join.h"

namespace slotmatch {
namespace {

struct StateRow {
  ModelState state;
  v1::ModelState wire;
};
constexpr StateRow kStates[] = {{ModelState::kLoading, v1::MODEL_STATE_LOADING},
                                {ModelState::kReady, v1::MODEL_STATE_READY},
                                {ModelState::kRetiring, v1::MODEL_STATE_RETIRING}};

std::string Joined(const std::vector<SessionReport::Model>& models,
                   std::string SessionReport::Model::*part) {
  return absl::StrJoin(models, ", ", [part](std::string* out, const SessionReport::Model& model) {
    out->append(model.*part);
  });
}

}  // namespace

v1::SessionInfo ToWire(const SessionReport& report, absl::Time now) {
  v1::SessionInfo info;
  info.set_session_id(report.id);
  info.set_method(report.method);
  info.set_client(report.client);
  info.set_peer(report.peer);
  info.set_model(Joined(report.models, &SessionReport::Model::name));
  info.set_version(Joined(report.models, &SessionReport::Model::version));
  info.set_trace_id(report.trace_id);
  info.set_age_ms(std::max<int64_t>(0, absl::ToInt64Milliseconds(now - report.opened)));
  info.set_frames_received(report.frames_received);
  info.set_frames_answered(report.frames_answered);
  info.set_frames_failed(report.frames_failed);
  info.set_frames_dropped(report.frames_dropped);
  info.set_credits(report.credits);
  info.set_frames_inside(report.frames_inside);
  info.set_unread(report.unread);
  info.set_leaving(report.leaving);
  return info;
}

int SessionsWith(const std::vector<SessionReport>& reports, const std::string& model,
                 const std::string& version) {
  return static_cast<int>(
      std::count_if(reports.begin(), reports.end(), [&](const SessionReport& report) {
        return report.Uses({model, version});
      }));
}

std::vector<v1::ModelVersion> ToWire(const std::vector<ModelEntry>& entries,
                                     const std::vector<SessionReport>& reports) {
  std::vector<v1::ModelVersion> models;
  for (const ModelEntry& entry : entries) {
    v1::ModelVersion version;
    version.set_name(entry.name);
    version.set_version(entry.version);
    for (const StateRow& row : kStates) {
      if (row.state == entry.state) version.set_state(row.wire);
    }
    version.set_is_current(entry.current);
    version.set_is_default(entry.current && models.empty());
    if (entry.model != nullptr) {
      version.set_digest(entry.model->info().digest);
      version.set_path(entry.model->source.path());
      version.set_sessions(SessionsWith(reports, entry.name, entry.version));
      version.set_load_ms(absl::ToDoubleMilliseconds(entry.model->load_time));
      version.set_warm_up_ms(absl::ToDoubleMilliseconds(entry.model->warm_up_time));
    }
    models.push_back(std::move(version));
  }
  return models;
}

}  // namespace slotmatch
