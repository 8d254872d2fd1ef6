#include "server/app/launch.h"

#include <grpc/support/log.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "server/app/app.h"
#include "server/app/server_config.h"

namespace slotmatch {
namespace {

// SIGTERM and SIGINT are waited for, not handled: blocked here, before any thread exists.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// gRPC's own lines, such as those of a failed TLS handshake, in the server's log.
void LogOfGrpc(gpr_log_func_args* line) {
  if (line->severity == GPR_LOG_SEVERITY_ERROR) {
    SM_WARNING("grpc text={}", Quoted(line->message));
  } else {
    SM_DEBUG("grpc text={}", Quoted(line->message));
  }
}

// Backbones named by several models are in memory once, whenever they are loaded.
ModelLoader MakeLoader(const config::ComputeConfig& compute) {
  return [compute, backbones = NewBackboneCache()](
             const config::ServedModel& served) -> absl::StatusOr<std::shared_ptr<Segmenter>> {
    auto segmenter = LoadSegmenter(served, compute, backbones);
    malloc_trim(0);  // the files' pages and what was read on the way
    return segmenter;
  };
}

std::string ReadyText(const ServerApp& app) {
  nlohmann::json ready = {{"grpc_port", app.grpc_port()},
                          {"metrics_port", app.metrics_port()},
                          {"probe_port", app.probe_port()},
                          {"admin_port", app.admin_port()}};
  for (const ModelRef& model : app.models().Ready()) {
    ready["models"].push_back(model->info().name);
  }
  return ready.dump() + "\n";
}

absl::Status Serve(const ServerOptions& options) {
  const sigset_t signals = BlockStopSignals();
  gpr_set_log_function(LogOfGrpc);
  KeepFreedMemory();
  SM_ASSIGN_OR_RETURN(const std::string torch, InitTorch(options.config.compute()));
  SM_INFO("starting {}", torch);
  SM_ASSIGN_OR_RETURN(const auto app,
                      ServerApp::Start(options.config, MakeLoader(options.config.compute()),
                                       [] { kill(getpid(), SIGTERM); }));
  SM_INFO("ready grpc_port={} metrics_port={} admin_port={}", app->grpc_port(), app->metrics_port(),
          app->admin_port());
  if (!options.ready_file.empty()) {
    SM_RETURN_IF_ERROR(WriteFileAtomically(options.ready_file, ReadyText(*app)));
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  SM_INFO("signal {}", signal_number);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // the next one ends the process
  app->Drain();
  return absl::OkStatus();
}

}  // namespace

absl::Status LaunchServer(int argc, char** argv) {
  SM_ASSIGN_OR_RETURN(
      const ServerOptions options,
      ParseServerOptions(argc, argv, TorchLibraries() + "gRPC " + grpc::Version() + "\n"));
  if (!options.early_text.empty()) {
    std::printf("%s", options.early_text.c_str());
    return absl::OkStatus();
  }
  if (!InitLog(options.config.log().level(), options.config.log().json())) {
    return absl::FailedPreconditionError("log.level is '" + options.config.log().level() +
                                         "'; it must be trace, debug, info, warning or error");
  }
  if (options.print_config) std::printf("%s", ConfigText(options.config, /*all=*/true).c_str());
  if (options.print_config || options.check_config) return absl::OkStatus();
  return Serve(options);
}

}  // namespace slotmatch
