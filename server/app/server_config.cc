#include "server/app/server_config.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/device_name.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/engine/schedule_policy.h"
#include "core/engine/session_tracks.h"

namespace slotmatch {
namespace {

struct RangeRow {
  const char* setting;
  int64_t value;
  int64_t lowest;
  int64_t highest;
};

absl::Status CheckRanges(const config::ServeConfig& config) {
  const auto& limits = config.limits();
  const auto& batching = config.batching();
  const RangeRow rows[] = {
      {"limits.max_message_bytes", limits.max_message_bytes(), 1024, 1 << 30},
      {"limits.max_frame_pixels", limits.max_frame_pixels(), 1, int64_t{1} << 30},
      {"limits.max_frame_side_px", limits.max_frame_side_px(), 1, 65535},
      {"limits.max_sessions", limits.max_sessions(), 1, 100000},
      {"limits.max_queued_frames", limits.max_queued_frames(), 1, 1024},
      {"limits.session_idle_timeout_s", limits.session_idle_timeout_s(), 1, 86400},
      {"limits.session_max_age_s", limits.session_max_age_s(), 0, 864000},
      {"limits.max_gap_steps", limits.max_gap_steps(), 0, 1024},
      {"limits.max_clip_frames", limits.max_clip_frames(), 1, 100000},
      {"limits.max_session_frames", limits.max_session_frames(), 0, int64_t{1} << 50},
      {"limits.max_sessions_per_peer", limits.max_sessions_per_peer(), 0, 100000},
      {"limits.transport_memory_bytes", limits.transport_memory_bytes(), 0, int64_t{1} << 50},
      {"batching.max_batch_size", batching.max_batch_size(), 1, 256},
      {"batching.max_delay_us", batching.max_delay_us(), 0, 1000000},
      // One frame of each session can be waiting for a batch.
      {"batching.max_queued_frames", batching.max_queued_frames(), limits.max_sessions(), 1 << 20},
      {"admission.memory_budget_bytes", config.admission().memory_budget_bytes(), 0,
       int64_t{1} << 50},
      {"admission.encoded_frame_bytes", config.admission().encoded_frame_bytes(), 1, 1 << 30},
      {"degrade.interval_ms", config.degrade().interval_ms(), 10, 3600000},
      {"degrade.calm_intervals", config.degrade().calm_intervals(), 1, 1000},
      {"degrade.max_batch_size", config.degrade().max_batch_size(), 1, 256},
      {"degrade.max_delay_us", config.degrade().max_delay_us(), 0, 1000000},
      {"degrade.max_bridged_frames", config.degrade().max_bridged_frames(), 0, 1024},
      {"compute.torch_threads", config.compute().torch_threads(), 0, 1024},
      {"compute.decode_threads", config.compute().decode_threads(), 1, 1024},
      {"listen.keepalive_time_s", config.listen().keepalive_time_s(), 1, 86400},
      {"listen.keepalive_timeout_s", config.listen().keepalive_timeout_s(), 1, 3600},
      {"watchdog.stuck_after_s", config.watchdog().stuck_after_s(), 0, 86400},
      {"security.tls.reload_interval_s", config.security().tls().reload_interval_s(), 1, 86400},
      {"shutdown.lame_duck_ms", config.shutdown().lame_duck_ms(), 0, 600000},
      {"shutdown.drain_deadline_ms", config.shutdown().drain_deadline_ms(), 0, 3600000},
  };
  for (const RangeRow& row : rows) {
    if (row.value >= row.lowest && row.value <= row.highest) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        row.setting, " is ", row.value, "; it must be between ", row.lowest, " and ", row.highest));
  }
  return absl::OkStatus();
}

constexpr char kUnixPrefix[] = "unix:";

absl::Status CheckHostPort(const char* setting, const std::string& address) {
  const size_t colon = address.rfind(':');
  int port;
  if (colon != std::string::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(setting, " is '", address, "'; it must be HOST:PORT, such as 0.0.0.0:50051"));
}

// Of a gRPC port, which may also be a socket of this machine.
absl::Status CheckAddress(const char* setting, const std::string& address) {
  if (absl::StartsWith(address, kUnixPrefix) && address.size() > sizeof(kUnixPrefix) - 1) {
    return absl::OkStatus();
  }
  return CheckHostPort(setting, address);
}

absl::Status CheckAdmin(const config::ServeConfig& config) {
  const std::string& address = config.listen().admin_address();
  if (address.empty()) return absl::OkStatus();
  SM_RETURN_IF_ERROR(CheckAddress("listen.admin_address", address));
  if (IsLoopback(address) || !config.security().token_file().empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("listen.admin_address is '", address,
                   "', which others can reach; that needs security.token_file"));
}

}  // namespace

bool IsLoopback(const std::string& address) {
  if (absl::StartsWith(address, kUnixPrefix)) return true;
  const std::string host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" ||
         (absl::StartsWith(host, "127.") &&
          host.find_first_not_of("0123456789.") == std::string::npos);
}

absl::Status ValidateServeConfig(const config::ServeConfig& config) {
  if (config.models().empty()) {
    return absl::FailedPreconditionError(
        "no model is named: give --model DIR, or --config with a models entry");
  }
  for (const config::ServedModel& model : config.models()) {
    if (model.path().empty()) return absl::FailedPreconditionError("models: path is missing");
  }
  SM_RETURN_IF_ERROR(CheckAddress("listen.grpc_address", config.listen().grpc_address()));
  if (!config.listen().metrics_address().empty()) {
    SM_RETURN_IF_ERROR(CheckHostPort("listen.metrics_address", config.listen().metrics_address()));
  }
  if (!config.listen().probe_address().empty()) {
    SM_RETURN_IF_ERROR(CheckAddress("listen.probe_address", config.listen().probe_address()));
  }
  SM_RETURN_IF_ERROR(CheckAdmin(config));
  if (!(config.limits().max_frames_per_s() >= 0)) {
    return absl::FailedPreconditionError(absl::StrCat("limits.max_frames_per_s is ",
                                                      config.limits().max_frames_per_s(),
                                                      "; it must be 0 or more"));
  }
  const config::TlsConfig& tls = config.security().tls();
  if (!tls.client_names().empty() && tls.client_ca_file().empty()) {
    return absl::FailedPreconditionError(
        "security.tls.client_names needs security.tls.client_ca_file");
  }
  SM_RETURN_IF_ERROR(CheckDeviceName("compute.device", config.compute().device()));
  SM_RETURN_IF_ERROR(ValidateTrackConfig(config.track(), "track"));
  if (!(config.admission().max_wait_ratio() >= 0)) {
    return absl::FailedPreconditionError(absl::StrCat("admission.max_wait_ratio is ",
                                                      config.admission().max_wait_ratio(),
                                                      "; it must be 0 or more"));
  }
  SM_RETURN_IF_ERROR(
      MakeSchedulePolicy(config.batching(), config.scheduling(), config.degrade()).status());
  return CheckRanges(config);
}

absl::StatusOr<ServerOptions> ParseServerOptions(int argc, char** argv,
                                                 const std::string& libraries) {
  ServerOptions result;
  std::string config_file, listen, metrics, admin, device;
  std::vector<std::string> models, settings;
  OptionTable options("slotmatch_server",
                      "Serves slot segmentation of video streams over gRPC (SlotMatchService).");
  options.Text("config", "FILE", "settings as text format of slotmatch.config.ServeConfig",
               &config_file);
  options.Repeated("model", "DIR", "model directory to serve; the first is the default", &models);
  options.Text("listen", "HOST:PORT", "gRPC address; port 0: any free one", &listen);
  options.Text("metrics", "HOST:PORT", "Prometheus address; 'none': no metrics port", &metrics);
  options.Text("admin", "HOST:PORT", "admin address; 'none': no admin port", &admin);
  options.Text("device", "NAME", "computes there: cpu, cuda, cuda:N, or auto", &device);
  options.Repeated("set", "PATH=VALUE", "overrides one setting, e.g. limits.max_sessions=8",
                   &settings);
  options.Flag("check-config", "check the settings and end", &result.check_config);
  options.Flag("print-config", "print all settings, defaults included, and end",
               &result.print_config);
  options.Text("ready-file", "FILE", "write ports and models there as JSON once ready",
               &result.ready_file);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  result.early_text = options.Answer(libraries);
  if (!result.early_text.empty()) return result;
  if (!config_file.empty()) SM_RETURN_IF_ERROR(LoadConfigFile(config_file, &result.config));
  SM_RETURN_IF_ERROR(ApplyOverrides(settings, &result.config));
  if (!models.empty()) result.config.clear_models();
  for (const std::string& model : models) result.config.add_models()->set_path(model);
  if (!device.empty()) result.config.mutable_compute()->set_device(device);
  if (!listen.empty()) result.config.mutable_listen()->set_grpc_address(listen);
  if (!metrics.empty()) {
    result.config.mutable_listen()->set_metrics_address(metrics == "none" ? "" : metrics);
  }
  if (!admin.empty()) {
    result.config.mutable_listen()->set_admin_address(admin == "none" ? "" : admin);
  }
  SM_RETURN_IF_ERROR(ValidateServeConfig(result.config));
  return result;
}

}  // namespace slotmatch
