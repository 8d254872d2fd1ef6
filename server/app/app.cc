#include "server/app/app.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "server/security/server_credentials.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kJanitorPeriod = absl::Seconds(1);
// After the drain deadline: time for the frames inside and the final status to leave. Frames not
// computed by its end less kLastStates are given up, so that every session's state still leaves.
constexpr absl::Duration kLastAnswers = absl::Seconds(3);
constexpr absl::Duration kLastStates = absl::Seconds(1);

// Room for every frame that may be inside, once decoding and once post-processing: a session never
// meets a full pool.
size_t PoolCapacity(const config::LimitsConfig& limits) {
  return size_t{2} * limits.max_sessions() * limits.max_queued_frames() + 16;
}

// One frame through the scheduler, as a session would send it.
absl::StatusOr<StepOutput> RunOne(BatchScheduler* scheduler,
                                  const std::shared_ptr<Segmenter>& model,
                                  const StreamState& state) {
  absl::Notification done;
  absl::StatusOr<StepOutput> result = absl::UnknownError("not run");
  FrameJob job;
  const ModelInfo& info = model->info();
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
  return result;
}

void SetTransport(const config::LimitsConfig& limits, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(limits.max_message_bytes()));
  builder->SetMaxSendMessageSize(-1);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second server must fail, not share
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
}

absl::Status CannotListen(const std::string& address) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address, ": is the port taken or the address not local?"));
}

}  // namespace

SchedulerOptions ServerApp::MakeSchedulerOptions(SchedulePolicy policy) {
  metrics_.schedule().SetClasses(policy.classes);
  SchedulerOptions options;
  options.policy = std::move(policy);
  options.degrade = config_.degrade();
  options.on_batch = [this](const BatchReport& report) {
    metrics_.BatchDone(report.batch_size, report.compute);
    for (const auto& [schedule_class, wait] : report.waits) {
      metrics_.schedule().Waited(schedule_class, wait);
    }
    if (!report.status.ok()) {
      SM_ERROR("batch failed message=\"{}\"", std::string(report.status.message()));
    }
  };
  options.on_load = [this](const Load& load) {
    metrics_.schedule().LoadChanged(load);
    SM_WARNING("load level={} bridged_frames={}", static_cast<int>(load.level),
               load.bridged_frames);
  };
  return options;
}

ServerApp::ServerApp(const config::ServeConfig& config, SchedulePolicy policy,
                     std::vector<ServedSegmenter> models)
    : config_(config),
      models_(std::move(models)),
      pool_(std::make_unique<WorkerPool>(config.compute().decode_threads(),
                                         PoolCapacity(config.limits()))),
      scheduler_(std::make_unique<BatchScheduler>(MakeSchedulerOptions(std::move(policy)))),
      admission_(config.admission(), scheduler_.get(),
                 absl::Milliseconds(config.degrade().interval_ms())),
      sessions_(config.limits().max_sessions()),
      service_(&context_),
      kserve_(&context_) {
  context_.limits = config.limits();
  for (const ServedSegmenter& model : models_) {
    context_.models.push_back(model.segmenter->info());
    context_.segmenters.push_back(model.segmenter);
  }
  context_.scheduler = scheduler_.get();
  context_.admission = &admission_;
  context_.tenant_header = config.scheduling().tenant_header();
  context_.encoded_frame_bytes = config.admission().encoded_frame_bytes();
  context_.pool = pool_.get();
  context_.sessions = &sessions_;
  context_.metrics = &metrics_;
}

absl::StatusOr<std::unique_ptr<ServerApp>> ServerApp::Start(const config::ServeConfig& config,
                                                            std::vector<ServedSegmenter> models) {
  if (models.empty()) return absl::FailedPreconditionError("there is no model to serve");
  std::set<std::string> names;
  for (const ServedSegmenter& model : models) {
    const std::string& name = model.segmenter->info().name;
    if (!names.insert(name).second) {
      return absl::FailedPreconditionError(
          absl::StrCat("two models are named '", name, "'; names must differ"));
    }
  }
  SM_ASSIGN_OR_RETURN(StateSealer sealer,
                      StateSealer::FromKeyFile(config.security().state_key_file()));
  SM_ASSIGN_OR_RETURN(SchedulePolicy policy,
                      MakeSchedulePolicy(config.batching(), config.scheduling(), config.degrade()));
  std::unique_ptr<ServerApp> app(new ServerApp(config, std::move(policy), std::move(models)));
  app->context_.sealer = std::move(sealer);
  SM_RETURN_IF_ERROR(app->ReadTokens());
  for (const ModelInfo& model : app->context_.models) {
    SM_ASSIGN_OR_RETURN(auto tracker, MakeTracker(config.track(), model));
    app->context_.trackers.push_back(std::move(tracker));
  }
  SM_RETURN_IF_ERROR(app->WarmUp());
  SM_RETURN_IF_ERROR(app->Listen());
  app->janitor_ = std::thread([raw = app.get()] { raw->Janitor(); });
  return app;
}

ServerApp::~ServerApp() {
  Stop(absl::ZeroDuration());
  metrics_
      .StopExposing();  // gauges look at the scheduler and the pool, which end before the metrics
}

absl::Status ServerApp::ReadTokens() {
  const std::string& file = config_.security().token_file();
  if (file.empty() && config_.security().metrics_token()) {
    return absl::FailedPreconditionError("security.metrics_token needs security.token_file");
  }
  if (file.empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(tokens_, TokenTable::Open(file));
  context_.tokens = tokens_.get();
  return absl::OkStatus();
}

absl::Status ServerApp::WarmUp() {
  for (size_t i = 0; i < models_.size(); ++i) {
    const ModelInfo& info = context_.models[i];
    const absl::Time start = absl::Now();
    SM_ASSIGN_OR_RETURN(const StepOutput first, RunOne(scheduler_.get(), models_[i].segmenter, {}));
    SM_RETURN_IF_ERROR(RunOne(scheduler_.get(), models_[i].segmenter, first.next_state).status());
    const absl::Duration took = absl::Now() - start;
    metrics_.SetModel(info, models_[i].load_time, took);
    SM_INFO(
        "model ready name={} version={} role={} input={}x{} slots={} load_ms={:.0f} "
        "warm_up_ms={:.0f}",
        info.name, info.version, info.role, info.input_width_px, info.input_height_px,
        info.num_slots, absl::ToDoubleMilliseconds(models_[i].load_time),
        absl::ToDoubleMilliseconds(took));
  }
  return absl::OkStatus();
}

absl::Status ServerApp::ListenForProbes() {
  const std::string& address = config_.listen().probe_address();
  if (address.empty()) return absl::OkStatus();
  grpc::ServerBuilder builder;
  SetTransport(config_.limits(), &builder);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &probe_port_);
  builder.RegisterService(&health_);
  probe_server_ = builder.BuildAndStart();
  if (probe_server_ == nullptr || probe_port_ == 0) return CannotListen(address);
  return absl::OkStatus();
}

absl::Status ServerApp::Listen() {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetTransport(config_.limits(), &builder);
  SM_ASSIGN_OR_RETURN(const auto credentials, MakeServerCredentials(config_.security().tls()));
  builder.AddListeningPort(config_.listen().grpc_address(), credentials, &grpc_port_);
  builder.RegisterService(&service_);
  builder.RegisterService(&kserve_);
  builder.RegisterService(&health_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || grpc_port_ == 0) return CannotListen(config_.listen().grpc_address());
  SM_RETURN_IF_ERROR(ListenForProbes());
  metrics_.SetSessionCapacity(config_.limits().max_sessions());
  metrics_.SetGauges([this] { return static_cast<double>(scheduler_->queued_frames()); },
                     [this] { return static_cast<double>(pool_->queued()); });
  metrics_.SetLoadGauges([this] { return scheduler_->load(); },
                         [this] { return static_cast<double>(admission_.reserved_bytes()); });
  if (!config_.listen().metrics_address().empty()) {
    std::function<absl::Status(const std::string&)> allow;
    if (config_.security().metrics_token()) {
      allow = [this](const std::string& authorization) {
        return tokens_->Check(authorization, kRoleMetrics).status();
      };
    }
    SM_ASSIGN_OR_RETURN(metrics_port_,
                        metrics_.Expose(config_.listen().metrics_address(), std::move(allow)));
  }
  health_.SetReady(true);
  return absl::OkStatus();
}

void ServerApp::WatchEngine() {
  const absl::Duration limit = absl::Seconds(config_.watchdog().stuck_after_s());
  const bool stuck = limit > absl::ZeroDuration() && absl::Now() - scheduler_->busy_since() > limit;
  if (stuck == stuck_) return;
  stuck_ = stuck;
  health_.SetAlive(!stuck);
  if (stuck) {
    SM_ERROR("engine stuck: a batch has been computed for more than {} s",
             config_.watchdog().stuck_after_s());
  } else {
    SM_WARNING("engine goes on");
  }
}

void ServerApp::Janitor() {
  while (!stopping_.WaitForNotificationWithTimeout(kJanitorPeriod)) {
    scheduler_->Tick();
    sessions_.TickAll(absl::Now());
    WatchEngine();
    if (tokens_ == nullptr) continue;
    const absl::Status status = tokens_->ReloadIfChanged();
    if (!status.ok()) SM_ERROR("tokens kept message=\"{}\"", std::string(status.message()));
  }
}

void ServerApp::Drain() {
  health_.SetReady(false);
  metrics_.SetDraining(true);
  SM_INFO("draining sessions={}", sessions_.size());
  absl::SleepFor(absl::Milliseconds(config_.shutdown().lame_duck_ms()));
  Stop(absl::Milliseconds(config_.shutdown().drain_deadline_ms()));
  SM_INFO("stopped");
}

void ServerApp::Stop(absl::Duration patience) {
  if (stopping_.HasBeenNotified()) return;
  sessions_.BeginDrain();
  if (config_.shutdown().go_away()) sessions_.LeaveAll();
  if (!sessions_.WaitUntilEmpty(absl::Now() + patience)) {
    const absl::Time end = absl::Now() + kLastAnswers;
    sessions_.EndAll(absl::UnavailableError("the server shut down; connect again"));
    if (!sessions_.WaitUntilEmpty(end - kLastStates)) sessions_.DropAllWaiting();
    sessions_.WaitUntilEmpty(end);
  }
  stopping_.Notify();
  for (grpc::Server* server : {server_.get(), probe_server_.get()}) {
    if (server != nullptr) server->Shutdown(std::chrono::system_clock::now());
  }
  scheduler_->Stop();
  pool_->Stop();
  if (janitor_.joinable()) janitor_.join();
}

}  // namespace slotmatch
