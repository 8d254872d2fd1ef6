#include "server/app/app.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <malloc.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "server/admin/admin_convert.h"
#include "server/app/server_config.h"
#include "server/models/model_repository.h"
#include "server/security/server_credentials.h"

namespace slotmatch {
namespace {

constexpr size_t kAdminJobs = 16;  // waiting; more are refused
constexpr absl::Duration kJanitorPeriod = absl::Seconds(1);
constexpr absl::Duration kSpareMemoryPeriod = absl::Seconds(5);
// After the drain deadline: time for the frames inside and the final status to leave. Frames not
// computed by its end less kLastStates are given up, so that every session's state still leaves.
constexpr absl::Duration kLastAnswers = absl::Seconds(3);
constexpr absl::Duration kLastStates = absl::Seconds(1);

// Room for every frame that may be inside, once decoding and once post-processing: a session never
// meets a full pool.
size_t PoolCapacity(const config::LimitsConfig& limits) {
  return size_t{2} * limits.max_sessions() * limits.max_queued_frames() + 16;
}

ModelStore::Options StoreOptions(const config::ServeConfig& config, ModelLoader load,
                                 BatchScheduler* scheduler) {
  std::string repository = config.model_repository();
  if (repository.empty()) repository = RepositoryOf(config.models(0).path());
  return {std::move(load), scheduler, config.track(), std::move(repository)};
}

void SetTransport(const config::ServeConfig& config, grpc::ServerBuilder* builder) {
  const config::ListenConfig& listen = config.listen();
  builder->SetMaxReceiveMessageSize(static_cast<int>(config.limits().max_message_bytes()));
  builder->SetMaxSendMessageSize(-1);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second server must fail, not share
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 1000 * listen.keepalive_time_s());
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 1000 * listen.keepalive_timeout_s());
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // any: idle ones die too
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
}

// gRPC gives every server of a process every plugin that was ever initialised.
class Without : public grpc::ServerBuilderOption {
 public:
  explicit Without(std::string plugin) : plugin_(std::move(plugin)) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [&](const auto& one) { return one->name() == plugin_; }),
                   plugins->end());
  }

 private:
  const std::string plugin_;
};

// Its calls are gRPC's own, which ask for no token: for ports that only this machine reaches.
void WithoutChannelz(grpc::ServerBuilder* builder) {
  builder->SetOption(std::make_unique<Without>("channelz_service"));
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
    if (tracer_.recording()) {
      tracer_.Record(
          BatchTrace{report.model->name, report.compute_began, report.compute, report.batch_size});
    }
    if (!report.status.ok()) {
      SM_ERROR("batch failed error={}", Quoted(report.status.message()));
    }
  };
  options.on_load = [this](const Load& load) {
    metrics_.schedule().LoadChanged(load);
    SM_WARNING("load level={} bridged_frames={}", static_cast<int>(load.level),
               load.bridged_frames);
  };
  return options;
}

ServerApp::ServerApp(const config::ServeConfig& config, SchedulePolicy policy, ModelLoader load,
                     std::function<void()> stop)
    : config_(config),
      pool_(std::make_unique<WorkerPool>(config.compute().decode_threads(),
                                         PoolCapacity(config.limits()))),
      scheduler_(std::make_unique<BatchScheduler>(MakeSchedulerOptions(std::move(policy)))),
      admission_(config.admission(), scheduler_.get(),
                 absl::Milliseconds(config.degrade().interval_ms())),
      models_(StoreOptions(config, std::move(load), scheduler_.get())),
      sessions_(config.limits().max_sessions(), config.limits().max_sessions_per_peer()),
      admin_jobs_(1, kAdminJobs),
      service_(&context_),
      kserve_(&context_),
      admin_(&admin_context_) {
  context_.limits = config.limits();
  const auto& names = config.security().tls().client_names();
  context_.guard.client_names.assign(names.begin(), names.end());
  context_.models = &models_;
  context_.scheduler = scheduler_.get();
  context_.admission = &admission_;
  context_.tenant_header = config.scheduling().tenant_header();
  context_.encoded_frame_bytes = config.admission().encoded_frame_bytes();
  context_.pool = pool_.get();
  context_.sessions = &sessions_;
  context_.metrics = &metrics_;
  context_.tracer = &tracer_;
  admin_context_.service = &context_;
  admin_context_.models = &models_;
  admin_context_.jobs = &admin_jobs_;
  admin_context_.stop = std::move(stop);
}

absl::StatusOr<std::unique_ptr<ServerApp>> ServerApp::Start(const config::ServeConfig& config,
                                                            ModelLoader load,
                                                            std::function<void()> stop) {
  if (config.models().empty()) return absl::FailedPreconditionError("there is no model to serve");
  SM_ASSIGN_OR_RETURN(StateSealer sealer,
                      StateSealer::FromKeyFile(config.security().state_key_file()));
  SM_ASSIGN_OR_RETURN(SchedulePolicy policy,
                      MakeSchedulePolicy(config.batching(), config.scheduling(), config.degrade()));
  std::unique_ptr<ServerApp> app(
      new ServerApp(config, std::move(policy), std::move(load), std::move(stop)));
  app->context_.sealer = std::move(sealer);
  SM_RETURN_IF_ERROR(app->ReadTokens());
  SM_RETURN_IF_ERROR(app->LoadModels());
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
  context_.guard.tokens = tokens_.get();
  return absl::OkStatus();
}

absl::Status ServerApp::LoadModels() {
  for (const config::ServedModel& served : config_.models()) {
    SM_RETURN_IF_ERROR(models_.Add(served));
  }
  return absl::OkStatus();
}

absl::Status ServerApp::ListenForProbes() {
  const std::string& address = config_.listen().probe_address();
  if (address.empty()) return absl::OkStatus();
  grpc::ServerBuilder builder;
  SetTransport(config_, &builder);
  WithoutChannelz(&builder);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &probe_port_);
  builder.RegisterService(&health_);
  probe_server_ = builder.BuildAndStart();
  if (probe_server_ == nullptr || probe_port_ == 0) return CannotListen(address);
  return absl::OkStatus();
}

absl::Status ServerApp::ListenForAdmins() {
  const std::string& address = config_.listen().admin_address();
  if (address.empty()) return absl::OkStatus();
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!IsLoopback(address)) {
    SM_ASSIGN_OR_RETURN(credentials, MakeServerCredentials(config_.security().tls()));
  }
  grpc::ServerBuilder builder;
  SetTransport(config_, &builder);
  if (!IsLoopback(address)) WithoutChannelz(&builder);
  builder.AddListeningPort(address, credentials, &admin_port_);
  builder.RegisterService(&admin_);
  builder.RegisterService(&health_);
  admin_server_ = builder.BuildAndStart();
  if (admin_server_ == nullptr || admin_port_ == 0) return CannotListen(address);
  return absl::OkStatus();
}

std::vector<ModelSample> ServerApp::SampleModels() const {
  const std::vector<SessionReport> sessions = sessions_.Reports();
  std::vector<ModelSample> samples;
  for (const ModelEntry& entry : models_.List()) {
    if (entry.model == nullptr) continue;
    samples.push_back({entry.name, entry.version, entry.model->info().digest,
                       entry.model->load_time, entry.model->warm_up_time,
                       SessionsWith(sessions, entry.name, entry.version),
                       entry.state == ModelState::kRetiring});
  }
  return samples;
}

absl::Status ServerApp::ExposeMetrics() {
  metrics_.SetSessionCapacity(config_.limits().max_sessions());
  metrics_.SetModels([this] { return SampleModels(); });
  metrics_.SetGauges([this] { return static_cast<double>(scheduler_->queued_frames()); },
                     [this] { return static_cast<double>(pool_->queued()); },
                     [this] {
                       int64_t credits = 0;
                       for (const SessionReport& session : sessions_.Reports()) {
                         credits += std::max<int64_t>(0, session.credits);
                       }
                       return static_cast<double>(credits);
                     });
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
  return absl::OkStatus();
}

absl::Status ServerApp::Listen() {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();
  grpc::ServerBuilder builder;
  SetTransport(config_, &builder);
  WithoutChannelz(&builder);
  if (config_.limits().transport_memory_bytes() > 0) {
    grpc::ResourceQuota quota("data");
    builder.SetResourceQuota(quota.Resize(config_.limits().transport_memory_bytes()));
  }
  SM_ASSIGN_OR_RETURN(const auto credentials, MakeServerCredentials(config_.security().tls()));
  builder.AddListeningPort(config_.listen().grpc_address(), credentials, &grpc_port_);
  builder.RegisterService(&service_);
  builder.RegisterService(&kserve_);
  builder.RegisterService(&health_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || grpc_port_ == 0) return CannotListen(config_.listen().grpc_address());
  SM_RETURN_IF_ERROR(ListenForProbes());
  SM_RETURN_IF_ERROR(ListenForAdmins());
  SM_RETURN_IF_ERROR(ExposeMetrics());
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
    if (absl::Now() - spare_returned_ > kSpareMemoryPeriod) {
      ReturnSpareMemory();
      spare_returned_ = absl::Now();
    }
    if (const int freed = models_.Sweep(); freed > 0) {
      malloc_trim(0);
      SM_INFO("models left memory count={}", freed);
    }
    if (tokens_ == nullptr) continue;
    const absl::Status status = tokens_->ReloadIfChanged();
    if (!status.ok()) SM_ERROR("tokens kept error={}", Quoted(status.message()));
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
  for (grpc::Server* server : {server_.get(), probe_server_.get(), admin_server_.get()}) {
    if (server != nullptr) server->Shutdown(std::chrono::system_clock::now());
  }
  admin_jobs_.Stop();  // they may still warm a model up
  scheduler_->Stop();
  pool_->Stop();
  if (janitor_.joinable()) janitor_.join();
}

}  // namespace slotmatch
