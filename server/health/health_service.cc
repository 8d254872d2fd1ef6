#include "server/health/health_service.h"

#include <grpcpp/grpcpp.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slotmatch {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

namespace {

constexpr size_t kMaxEchoBytes = 64;  // of a client's text in a message

}  // namespace

// One Watch call. At most one write is in flight; of statuses that change meanwhile the last is
// written. Owned by itself until OnDone.
class HealthWatcher : public grpc::ServerWriteReactor<HealthCheckResponse>,
                      public std::enable_shared_from_this<HealthWatcher> {
 public:
  static std::shared_ptr<HealthWatcher> Make() {
    auto watcher = std::make_shared<HealthWatcher>();
    watcher->self_ = watcher;
    return watcher;
  }

  void Tell(HealthCheckResponse::ServingStatus status) {
    {
      absl::MutexLock lock(&mutex_);
      current_ = status;
    }
    Advance();
  }
  void OnWriteDone(bool) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    Advance();
  }
  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    Advance();
  }
  void OnDone() override { self_.reset(); }

 private:
  void Advance() {
    const auto alive = shared_from_this();  // Finish may run OnDone on this very thread
    bool finish;
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      finish = finished_ = cancelled_;
      if (!finish) {
        if (writing_ || told_ == current_) return;
        writing_ = true;
        told_ = current_;
        response_.set_status(*current_);
      }
    }
    if (finish) {
      Finish(grpc::Status::CANCELLED);
    } else {
      StartWrite(&response_);  // nobody changes it until OnWriteDone
    }
  }

  std::shared_ptr<HealthWatcher> self_;
  HealthCheckResponse response_;
  absl::Mutex mutex_;
  std::optional<HealthCheckResponse::ServingStatus> current_ ABSL_GUARDED_BY(mutex_);
  std::optional<HealthCheckResponse::ServingStatus> told_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

HealthService::HealthService() {
  SetAlive(true);
  SetReady(false);
}
HealthService::~HealthService() = default;

void HealthService::SetAlive(bool alive) { Set({"", "liveness"}, alive); }
void HealthService::SetReady(bool ready) {
  Set({"readiness", "slotmatch.v1.SlotMatchService", "inference.GRPCInferenceService"}, ready);
}

void HealthService::Set(const std::vector<std::string>& services, bool serving) {
  const Status status = serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  std::vector<std::shared_ptr<HealthWatcher>> concerned;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& service : services) {
      statuses_[service] = status;
      const auto [begin, end] = watchers_.equal_range(service);
      for (auto it = begin; it != end;) {
        auto watcher = it->second.lock();
        it = watcher == nullptr ? watchers_.erase(it) : std::next(it);
        if (watcher != nullptr) concerned.push_back(std::move(watcher));
      }
    }
  }
  for (const auto& watcher : concerned) watcher->Tell(status);
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* call,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  grpc::Status result = grpc::Status::OK;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = statuses_.find(request->service());
    if (it == statuses_.end()) {
      result = grpc::Status(
          grpc::StatusCode::NOT_FOUND,
          absl::StrCat("there is no service '", request->service().substr(0, kMaxEchoBytes), "'"));
    } else {
      response->set_status(it->second);
    }
  }
  reactor->Finish(result);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* call, const HealthCheckRequest* request) {
  const std::shared_ptr<HealthWatcher> watcher = HealthWatcher::Make();
  Status status = HealthCheckResponse::SERVICE_UNKNOWN;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = statuses_.find(request->service());
    if (it != statuses_.end()) {
      status = it->second;
      watchers_.emplace(request->service(), watcher);
    }
  }
  watcher->Tell(status);
  return watcher.get();
}

}  // namespace slotmatch
