#include "server/metrics/server_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
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
#include "server/metrics/model_metrics.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/rpc_metrics.h"
#include "server/metrics/slot_metrics.h"

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

const Histogram::BucketBoundaries& SecondsBuckets() {
  static const auto& buckets = *new Histogram::BucketBoundaries{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return buckets;
}

}  // namespace

const std::vector<std::string>& SessionEndReasons() {
  static const auto& reasons = *new std::vector<std::string>{
      "client_done", "client_cancelled", "client_error",    "idle",      "draining", "max_age",
      "not_reading", "model_unloaded",   "closed_by_admin", "max_frames"};
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
  Counter* over_credit = nullptr;
  std::map<std::string, Counter*> closed, received, failed, dropped, resumes, resets;
  std::map<Stage, Histogram*> stages;

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
  dropped = LabelledCounters(
      "slotmatch_frames_dropped_total", "Frames not computed, by reason.", "reason",
      {"queue_full", "superseded", "deadline", "draining", "overload", "rate", "duplicate"});
  resumes = LabelledCounters("slotmatch_session_resumes_total",
                             "Sessions opened with the state of an earlier one, by result.",
                             "result", {"ok", "mismatch", "damaged", "not_trusted"});
  resets = LabelledCounters("slotmatch_state_resets_total",
                            "Session states that began anew, by reason.", "reason", {"not_finite"});
  over_credit = OneCounter("slotmatch_credits_exceeded_total",
                           "Sessions ended because they sent frames beyond their credits.");
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
                     .Add({}, DurationBuckets());
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
  const std::pair<Stage, const char*> rows[] = {
      {Stage::kReceive, "receive"}, {Stage::kDecode, "decode"},       {Stage::kQueue, "queue"},
      {Stage::kBatch, "batch"},     {Stage::kCompute, "compute"},     {Stage::kMask, "mask"},
      {Stage::kEncode, "encode"},   {Stage::kWriteWait, "write_wait"}};
  for (const auto& [stage, name] : rows) {
    stages[stage] = &family.Add({{"stage", name}}, SecondsBuckets());
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

ServerMetrics::ServerMetrics()
    : handles_(std::make_unique<Handles>()),
      rpcs_(std::make_unique<RpcMetrics>(handles_->registry.get())),
      slots_(std::make_unique<SlotMetrics>(handles_->registry.get())) {
  Handles& h = *handles_;
  h.MakeFrameMetrics();
  h.MakeScrapeGauges();
  BuildGauge()
      .Name("slotmatch_build_info")
      .Help("Always 1; the labels say what runs.")
      .Register(*h.registry)
      .Add({{"version", Version()}, {"commit", Commit()}})
      .Set(1);
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

void ServerMetrics::SetModels(std::function<std::vector<ModelSample>()> models) {
  handles_->scrape->AddFamilies([models = std::move(models)] { return ModelFamilies(models()); });
}

void ServerMetrics::SetGauges(std::function<double()> queued_frames,
                              std::function<double()> queued_jobs,
                              std::function<double()> credits) {
  handles_->scrape->AddGauge("slotmatch_session_credits",
                             "Frames that clients may send now, over all sessions.", {},
                             std::move(credits));
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

void ServerMetrics::FrameProcessed(absl::Duration latency) {
  handles_->frames_processed->Increment();
  handles_->latency->Observe(absl::ToDoubleSeconds(latency));
}

void ServerMetrics::ResultSent(size_t bytes) {
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

void ServerMetrics::OverCredit() { handles_->over_credit->Increment(); }

void ServerMetrics::FrameStages(const FrameTimings& timings) {
  const FrameTimes& times = timings.times;
  StageDone(Stage::kReceive, times.decode_began - times.arrived);
  StageDone(Stage::kDecode, timings.decode);
  StageDone(Stage::kQueue, times.submitted - times.decoded);
  StageDone(Stage::kBatch, timings.queue);
  StageDone(Stage::kCompute, timings.compute);
  StageDone(Stage::kMask, times.encode_began - times.computed);
  StageDone(Stage::kEncode, times.finished - times.encode_began);
}

void ServerMetrics::SlotsSeen(const SlotHealth& health) { slots_->Seen(health); }

FrameTotals ServerMetrics::frame_totals() const {
  const auto sum = [](const std::map<std::string, Counter*>& counters) {
    double total = 0;
    for (const auto& [label, counter] : counters) total += counter->Value();
    return static_cast<uint64_t>(total);
  };
  return {sum(handles_->received), static_cast<uint64_t>(handles_->frames_processed->Value()),
          sum(handles_->failed), sum(handles_->dropped)};
}

double ServerMetrics::busy_seconds() const { return handles_->busy_seconds.load(); }

void ServerMetrics::RpcStarted(const std::string& type, const std::string& method) {
  rpcs_->Started(method);
}

void ServerMetrics::RpcMessage(const std::string& type, const std::string& method, bool received) {
  rpcs_->Message(method, received);
}

void ServerMetrics::RpcHandled(const std::string& type, const std::string& method, int code,
                               absl::Duration duration) {
  rpcs_->Handled(method, code, duration);
}

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

std::string ServerMetrics::Text() const {
  absl::MutexLock lock(&handles_->scrape_mutex);
  std::vector<prometheus::MetricFamily> all = handles_->registry->Collect();
  for (auto& family : handles_->scrape->Collect()) all.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace slotmatch
