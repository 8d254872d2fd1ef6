#include "server/metrics/server_metrics.h"

#include <prometheus/text_serializer.h>

#include <atomic>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/process_collector.h"

namespace slotmatch {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

constexpr char kService[] = "slotmatch.v1.SlotMatchService";
constexpr char kKServe[] = "inference.GRPCInferenceService";

const Histogram::BucketBoundaries& SecondsBuckets() {
  static const auto& buckets = *new Histogram::BucketBoundaries{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return buckets;
}

const Histogram::BucketBoundaries& AgeBuckets() {
  static const auto& buckets =
      *new Histogram::BucketBoundaries{1, 5, 15, 60, 300, 900, 3600, 14400, 86400};
  return buckets;
}

// gRPC codes by number, spelled as go-grpc-middleware does.
const std::vector<std::string>& CodeNames() {
  static const auto& names = *new std::vector<std::string>{
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return names;
}

struct MethodRow {
  const char* service;
  const char* type;
  const char* method;
};
constexpr MethodRow kMethods[] = {
    {kService, "bidi_stream", "Segment"}, {kService, "unary", "SegmentFrame"},
    {kService, "unary", "SegmentClip"},   {kService, "unary", "ListModels"},
    {kService, "unary", "GetServerInfo"}, {kKServe, "unary", "ServerLive"},
    {kKServe, "unary", "ServerReady"},    {kKServe, "unary", "ModelReady"},
    {kKServe, "unary", "ServerMetadata"}, {kKServe, "unary", "ModelMetadata"},
    {kKServe, "unary", "ModelConfig"},    {kKServe, "unary", "RepositoryIndex"},
    {kKServe, "unary", "ModelInfer"},     {kKServe, "bidi_stream", "ModelStreamInfer"},
};

}  // namespace

const std::vector<std::string>& SessionEndReasons() {
  static const auto& reasons =
      *new std::vector<std::string>{"client_done", "client_cancelled", "client_error", "idle",
                                    "draining",    "max_age",          "not_reading"};
  return reasons;
}

// Series by label value, all made in advance; lookups after that take no lock.
struct ServerMetrics::Handles {
  std::shared_ptr<Registry> registry = std::make_shared<Registry>();
  std::shared_ptr<ScrapeCollector> scrape = std::make_shared<ScrapeCollector>();
  ScheduleMetrics schedule{registry.get()};

  std::atomic<int> sessions{0};
  std::atomic<int> capacity{1};
  absl::Mutex scrape_mutex;  // one scrape at a time
  // Busy share between two scrapes: computed seconds over passed seconds.
  std::atomic<double> busy_seconds{0};
  double scraped_busy = 0;
  absl::Time scraped_at = absl::Now();

  Family<Gauge>* model_info = nullptr;
  Family<Gauge>* model_load = nullptr;
  Family<Gauge>* warm_up = nullptr;
  Gauge* draining = nullptr;
  Counter* sessions_opened = nullptr;
  Counter* frames_processed = nullptr;
  Counter* batches = nullptr;
  Counter* busy = nullptr;
  Counter* received_bytes = nullptr;
  Counter* sent_bytes = nullptr;
  Histogram* session_age = nullptr;
  Histogram* latency = nullptr;
  Histogram* batch_size = nullptr;
  Counter* states_sent = nullptr;
  std::map<std::string, Counter*> closed, received, failed, dropped, resumes, resets;
  std::map<Stage, Histogram*> stages;
  std::map<std::string, Counter*> rpc_started, rpc_received, rpc_sent;
  std::map<std::string, Counter*> rpc_handled;  // method + code
  std::map<std::string, Histogram*> rpc_seconds;

  Counter* OneCounter(const char* name, const char* help) {
    return &BuildCounter().Name(name).Help(help).Register(*registry).Add({});
  }

  std::map<std::string, Counter*> LabelledCounters(const char* name, const char* help,
                                                   const char* label,
                                                   const std::vector<std::string>& values) {
    auto& family = BuildCounter().Name(name).Help(help).Register(*registry);
    std::map<std::string, Counter*> made;
    for (const std::string& value : values) made[value] = &family.Add({{label, value}});
    return made;
  }

  void MakeFrameMetrics();
  void MakeRpcMetrics();
  void MakeScrapeGauges();
};

void ServerMetrics::Handles::MakeFrameMetrics() {
  sessions_opened = OneCounter("slotmatch_sessions_opened_total", "Sessions opened.");
  closed = LabelledCounters("slotmatch_sessions_closed_total", "Sessions ended, by reason.",
                            "reason", SessionEndReasons());
  received = LabelledCounters("slotmatch_frames_received_total", "Frames received, by codec.",
                              "codec", {"jpeg", "png", "raw", "unknown"});
  failed = LabelledCounters("slotmatch_frames_failed_total", "Frames without a result, by reason.",
                            "reason", {"decode_error", "deadline", "cancelled", "internal"});
  dropped =
      LabelledCounters("slotmatch_frames_dropped_total", "Frames not computed, by reason.",
                       "reason", {"queue_full", "superseded", "deadline", "draining", "overload"});
  resumes = LabelledCounters("slotmatch_session_resumes_total",
                             "Sessions opened with the state of an earlier one, by result.",
                             "result", {"ok", "mismatch", "damaged", "not_trusted"});
  resets = LabelledCounters("slotmatch_state_resets_total",
                            "Session states that began anew, by reason.", "reason", {"not_finite"});
  states_sent = OneCounter("slotmatch_session_states_sent_total", "Session states sent.");
  frames_processed = OneCounter("slotmatch_frames_processed_total", "Frames with a result.");
  batches = OneCounter("slotmatch_batch_executions_total", "Batches the model computed.");
  busy = OneCounter("slotmatch_engine_busy_seconds_total", "Time the model was computing.");
  received_bytes = OneCounter("slotmatch_received_bytes_total", "Bytes of frames received.");
  sent_bytes = OneCounter("slotmatch_sent_bytes_total", "Bytes of results sent.");
  session_age = &BuildHistogram()
                     .Name("slotmatch_session_duration_seconds")
                     .Help("Length of sessions.")
                     .Register(*registry)
                     .Add({}, AgeBuckets());
  latency = &BuildHistogram()
                 .Name("slotmatch_frame_latency_seconds")
                 .Help("From a frame's arrival to its result being ready to send.")
                 .Register(*registry)
                 .Add({}, SecondsBuckets());
  batch_size = &BuildHistogram()
                    .Name("slotmatch_batch_size")
                    .Help("Frames computed together.")
                    .Register(*registry)
                    .Add({}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32});
  auto& family = BuildHistogram()
                     .Name("slotmatch_frame_stage_duration_seconds")
                     .Help("Time a frame spends in each stage.")
                     .Register(*registry);
  const std::pair<Stage, const char*> rows[] = {{Stage::kDecode, "decode"},
                                                {Stage::kQueue, "queue"},
                                                {Stage::kCompute, "compute"},
                                                {Stage::kMask, "mask"},
                                                {Stage::kWriteWait, "write_wait"}};
  for (const auto& [stage, name] : rows) {
    stages[stage] = &family.Add({{"stage", name}}, SecondsBuckets());
  }
}

void ServerMetrics::Handles::MakeRpcMetrics() {
  auto& started =
      BuildCounter().Name("grpc_server_started_total").Help("RPCs started.").Register(*registry);
  auto& handled = BuildCounter()
                      .Name("grpc_server_handled_total")
                      .Help("RPCs ended, by code.")
                      .Register(*registry);
  auto& in = BuildCounter()
                 .Name("grpc_server_msg_received_total")
                 .Help("Messages received.")
                 .Register(*registry);
  auto& out =
      BuildCounter().Name("grpc_server_msg_sent_total").Help("Messages sent.").Register(*registry);
  auto& seconds = BuildHistogram()
                      .Name("grpc_server_handling_seconds")
                      .Help("Length of RPCs.")
                      .Register(*registry);
  for (const MethodRow& row : kMethods) {
    const prometheus::Labels labels = {
        {"grpc_type", row.type}, {"grpc_service", row.service}, {"grpc_method", row.method}};
    rpc_started[row.method] = &started.Add(labels);
    rpc_received[row.method] = &in.Add(labels);
    rpc_sent[row.method] = &out.Add(labels);
    rpc_seconds[row.method] = &seconds.Add(labels, AgeBuckets());
    for (const std::string& code : CodeNames()) {
      prometheus::Labels with_code = labels;
      with_code["grpc_code"] = code;
      rpc_handled[absl::StrCat(row.method, code)] = &handled.Add(with_code);
    }
  }
}

void ServerMetrics::Handles::MakeScrapeGauges() {
  scrape->AddGauge("slotmatch_sessions_active", "Sessions open now.", {},
                   [this] { return static_cast<double>(sessions.load()); });
  scrape->AddGauge("slotmatch_session_capacity", "Most sessions admitted at once.", {},
                   [this] { return static_cast<double>(capacity.load()); });
  scrape->AddGauge(
      "slotmatch_load_ratio",
      "0 to 1: the larger of sessions over capacity and the model's busy share since the last "
      "scrape.",
      {}, [this] {
        const absl::Time now = absl::Now();
        const double busy_now = busy_seconds.load();
        const double passed = absl::ToDoubleSeconds(now - scraped_at);
        const double share = passed > 0 ? (busy_now - scraped_busy) / passed : 0;
        scraped_at = now;
        scraped_busy = busy_now;
        const double filled = static_cast<double>(sessions.load()) / capacity.load();
        return std::min(1.0, std::max(filled, share));
      });
}

ServerMetrics::ServerMetrics() : handles_(std::make_unique<Handles>()) {
  Handles& h = *handles_;
  h.MakeFrameMetrics();
  h.MakeRpcMetrics();
  h.MakeScrapeGauges();
  BuildGauge()
      .Name("slotmatch_build_info")
      .Help("Always 1; the labels say what runs.")
      .Register(*h.registry)
      .Add({{"version", Version()}, {"commit", Commit()}})
      .Set(1);
  h.model_info = &BuildGauge()
                      .Name("slotmatch_model_info")
                      .Help("Always 1; one series per model.")
                      .Register(*h.registry);
  h.model_load = &BuildGauge()
                      .Name("slotmatch_model_load_seconds")
                      .Help("Time to read and check a model.")
                      .Register(*h.registry);
  h.warm_up = &BuildGauge()
                   .Name("slotmatch_warmup_seconds")
                   .Help("Time of a model's first computations.")
                   .Register(*h.registry);
  h.draining = &BuildGauge()
                    .Name("slotmatch_draining")
                    .Help("1 while the server shuts down.")
                    .Register(*h.registry)
                    .Add({});
}

ServerMetrics::~ServerMetrics() = default;

absl::StatusOr<int> ServerMetrics::Expose(const std::string& address,
                                          std::function<absl::Status(const std::string&)> allow) {
  SM_ASSIGN_OR_RETURN(
      endpoint_, MetricsEndpoint::Start({address, [this] { return Text(); }, std::move(allow)}));
  return endpoint_->port();
}

void ServerMetrics::StopExposing() { endpoint_.reset(); }

void ServerMetrics::SetModel(const ModelInfo& info, absl::Duration load, absl::Duration warm_up) {
  const prometheus::Labels labels = {{"model", info.name}, {"version", info.version}};
  prometheus::Labels with_digest = labels;
  with_digest["digest"] = info.digest;
  handles_->model_info->Add(with_digest).Set(1);
  handles_->model_load->Add(labels).Set(absl::ToDoubleSeconds(load));
  handles_->warm_up->Add(labels).Set(absl::ToDoubleSeconds(warm_up));
}

void ServerMetrics::SetGauges(std::function<double()> queued_frames,
                              std::function<double()> queued_jobs) {
  handles_->scrape->AddGauge("slotmatch_queue_depth", "Entries waiting, by queue.",
                             {{"queue", "batch"}}, std::move(queued_frames));
  handles_->scrape->AddGauge("slotmatch_queue_depth", "Entries waiting, by queue.",
                             {{"queue", "worker"}}, std::move(queued_jobs));
}

void ServerMetrics::SetLoadGauges(const std::function<Load()>& load,
                                  std::function<double()> reserved_bytes) {
  ScrapeCollector& scrape = *handles_->scrape;
  scrape.AddGauge("slotmatch_load_level",
                  "0 normal, 1 larger batches, 2 bridged frames, 3 no new sessions.", {},
                  [load] { return static_cast<double>(load().level); });
  scrape.AddGauge("slotmatch_bridged_frames",
                  "Frames left to the predictor for every one a degraded session computes.", {},
                  [load] { return static_cast<double>(load().bridged_frames); });
  scrape.AddGauge("slotmatch_reserved_bytes", "Memory reserved by the sessions that are open.", {},
                  std::move(reserved_bytes));
}

ScheduleMetrics& ServerMetrics::schedule() { return handles_->schedule; }

void ServerMetrics::SessionOpened() {
  handles_->sessions_opened->Increment();
  handles_->sessions.fetch_add(1);
}

void ServerMetrics::SessionClosed(const std::string& reason, absl::Duration age) {
  handles_->closed.at(reason)->Increment();
  handles_->session_age->Observe(absl::ToDoubleSeconds(age));
  handles_->sessions.fetch_sub(1);
}

void ServerMetrics::FrameReceived(const std::string& codec, size_t bytes) {
  handles_->received.at(codec)->Increment();
  handles_->received_bytes->Increment(static_cast<double>(bytes));
}

void ServerMetrics::FrameProcessed(absl::Duration latency, size_t bytes) {
  handles_->frames_processed->Increment();
  handles_->latency->Observe(absl::ToDoubleSeconds(latency));
  handles_->sent_bytes->Increment(static_cast<double>(bytes));
}

void ServerMetrics::FrameFailed(const std::string& reason) {
  handles_->failed.at(reason)->Increment();
}

void ServerMetrics::FrameDropped(const std::string& reason) {
  handles_->dropped.at(reason)->Increment();
}

void ServerMetrics::SessionResumed(const absl::Status& status) {
  const char* result = "mismatch";
  if (status.ok()) result = "ok";
  if (absl::IsDataLoss(status)) result = "damaged";
  if (absl::IsPermissionDenied(status)) result = "not_trusted";
  handles_->resumes.at(result)->Increment();
}

void ServerMetrics::SessionStateSent() { handles_->states_sent->Increment(); }
void ServerMetrics::StateReset() { handles_->resets.at("not_finite")->Increment(); }

void ServerMetrics::StageDone(Stage stage, absl::Duration duration) {
  handles_->stages.at(stage)->Observe(absl::ToDoubleSeconds(duration));
}

void ServerMetrics::BatchDone(int size, absl::Duration compute) {
  const double seconds = absl::ToDoubleSeconds(compute);
  handles_->batches->Increment();
  handles_->batch_size->Observe(size);
  handles_->busy->Increment(seconds);
  handles_->busy_seconds.fetch_add(seconds);
}

void ServerMetrics::SetSessionCapacity(int sessions) { handles_->capacity.store(sessions); }
void ServerMetrics::SetDraining(bool draining) { handles_->draining->Set(draining ? 1 : 0); }
int ServerMetrics::sessions_active() const { return handles_->sessions.load(); }

void ServerMetrics::RpcStarted(const std::string& type, const std::string& method) {
  handles_->rpc_started.at(method)->Increment();
}

void ServerMetrics::RpcMessage(const std::string& type, const std::string& method, bool received) {
  (received ? handles_->rpc_received : handles_->rpc_sent).at(method)->Increment();
}

void ServerMetrics::RpcHandled(const std::string& type, const std::string& method, int code,
                               absl::Duration duration) {
  handles_->rpc_handled.at(method + CodeNames().at(code))->Increment();
  handles_->rpc_seconds.at(method)->Observe(absl::ToDoubleSeconds(duration));
}

std::string ServerMetrics::Text() const {
  absl::MutexLock lock(&handles_->scrape_mutex);
  std::vector<prometheus::MetricFamily> all = handles_->registry->Collect();
  for (auto& family : handles_->scrape->Collect()) all.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace slotmatch
