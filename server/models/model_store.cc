#include "server/models/model_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/engine/session_tracks.h"
#include "core/engine/warm_up.h"
#include "server/models/model_repository.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxEcho = 64;  // of a client's text in a message

bool Is(const ModelRef& model, const std::string& name, const std::string& version) {
  return model->info().name == name && (version.empty() || model->info().version == version);
}

std::string Known(const std::vector<ModelRef>& models) {
  std::string known;
  for (const ModelRef& model : models) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", model->info().name, " ",
                    model->info().version);
  }
  return known;
}

absl::Status NotServed(const std::string& name, const std::string& version,
                       const std::vector<ModelRef>& models) {
  return absl::NotFoundError(absl::StrCat(
      "model '", name.substr(0, kMaxEcho), version.empty() ? "" : "' version '",
      version.substr(0, kMaxEcho), "' is not loaded; this server has ", Known(models)));
}

}  // namespace

absl::StatusOr<ModelRef> ModelStore::Read(const config::ServedModel& source) {
  const absl::Time start = absl::Now();
  auto model = std::make_shared<ServedModel>();
  SM_ASSIGN_OR_RETURN(model->segmenter, options_.load(source));
  const ModelInfo& info = model->info();
  SM_ASSIGN_OR_RETURN(model->tracker, MakeTracker(options_.track, info));
  const absl::Time loaded = absl::Now();
  SM_RETURN_IF_ERROR(Annotate(WarmUp(model->segmenter, options_.scheduler),
                              absl::StrCat("warm-up of ", info.name, " ", info.version)));
  model->source = source;
  model->load_time = loaded - start;
  model->warm_up_time = absl::Now() - loaded;
  SM_INFO(
      "model ready name={} version={} role={} input={}x{} slots={} load_ms={:.0f} "
      "warm_up_ms={:.0f}",
      info.name, info.version, info.role, info.input_width_px, info.input_height_px, info.num_slots,
      absl::ToDoubleMilliseconds(model->load_time),
      absl::ToDoubleMilliseconds(model->warm_up_time));
  return model;
}

absl::Status ModelStore::Add(const config::ServedModel& source) {
  absl::MutexLock change(&change_mutex_);
  SM_ASSIGN_OR_RETURN(ModelRef model, Read(source));
  absl::MutexLock lock(&mutex_);
  if (FindLocked(model->info().name, model->info().version) != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("two models are named '", model->info().name,
                                                      "' version '", model->info().version,
                                                      "'; names must differ"));
  }
  ready_.push_back(std::move(model));
  return absl::OkStatus();
}

absl::StatusOr<ModelRef> ModelStore::Load(const std::string& name, const std::string& version) {
  absl::MutexLock change(&change_mutex_);
  config::ServedModel source;
  SM_ASSIGN_OR_RETURN(*source.mutable_path(), FindInRepository(options_.repository, name, version));
  {
    absl::MutexLock lock(&mutex_);
    loading_.push_back({name, version});
  }
  absl::StatusOr<ModelRef> model = Read(source);
  absl::MutexLock lock(&mutex_);
  loading_.clear();
  SM_RETURN_IF_ERROR(model.status());
  const ModelInfo& info = (*model)->info();
  if (FindLocked(info.name, info.version) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("model ", info.name, " version ", info.version,
                                                 " is loaded; ReloadModel reads it again"));
  }
  InsertCurrent(*model);
  return model;
}

absl::StatusOr<ModelRef> ModelStore::Reload(const std::string& name, const std::string& version) {
  absl::MutexLock change(&change_mutex_);
  SM_ASSIGN_OR_RETURN(const ModelRef current, Find(name));
  config::ServedModel source = current->source;
  SM_ASSIGN_OR_RETURN(*source.mutable_path(), FindBeside(current->source.path(), version));
  {
    absl::MutexLock lock(&mutex_);
    loading_.push_back({current->info().name, version});
  }
  absl::StatusOr<ModelRef> model = Read(source);
  absl::MutexLock lock(&mutex_);
  loading_.clear();
  SM_RETURN_IF_ERROR(model.status());
  const ModelInfo& info = (*model)->info();
  if (info.name != current->info().name) {
    return absl::FailedPreconditionError(absl::StrCat(source.path(), " is model '", info.name,
                                                      "', not '", current->info().name, "'"));
  }
  const bool same =
      info.version == current->info().version && info.digest == current->info().digest;
  if (same) return current;
  const std::vector<ModelRef> before = ready_;
  InsertCurrent(*model);
  for (const ModelRef& old : before) {
    if (old->info().name == info.name) Retire(old);
  }
  return model;
}

absl::StatusOr<std::vector<ModelRef>> ModelStore::Unload(const std::string& name,
                                                         const std::string& version) {
  absl::MutexLock change(&change_mutex_);
  absl::MutexLock lock(&mutex_);
  std::vector<ModelRef> leaving;
  for (const ModelRef& model : ready_) {
    if (Is(model, name, version)) leaving.push_back(model);
  }
  if (leaving.empty()) return NotServed(name, version, ready_);
  if (leaving.size() == ready_.size()) {
    return absl::FailedPreconditionError(
        "this would leave nothing to serve; load another model first, or drain the server");
  }
  for (const ModelRef& model : leaving) Retire(model);
  return leaving;
}

void ModelStore::InsertCurrent(const ModelRef& model) {
  const auto place = std::find_if(ready_.begin(), ready_.end(), [&](const ModelRef& other) {
    return other->info().name == model->info().name;
  });
  ready_.insert(place, model);
}

void ModelStore::Retire(const ModelRef& model) {
  SM_INFO("model retires name={} version={}", model->info().name, model->info().version);
  retired_.push_back(model);
  ready_.erase(std::find(ready_.begin(), ready_.end(), model));
}

ModelRef ModelStore::FindLocked(const std::string& name, const std::string& version) const {
  for (const ModelRef& model : ready_) {
    if (Is(model, name.empty() ? ready_.front()->info().name : name, version)) return model;
  }
  return nullptr;
}

absl::StatusOr<ModelRef> ModelStore::Find(const std::string& name,
                                          const std::string& version) const {
  absl::MutexLock lock(&mutex_);
  if (ModelRef model = FindLocked(name, version)) return model;
  return NotServed(name, version, ready_);
}

std::vector<ModelRef> ModelStore::Ready() const {
  absl::MutexLock lock(&mutex_);
  return ready_;
}

std::vector<ModelEntry> ModelStore::List() const {
  std::vector<ModelEntry> entries;
  absl::MutexLock lock(&mutex_);
  for (const ModelRef& model : ready_) {
    const ModelInfo& info = model->info();
    entries.push_back(
        {info.name, info.version, ModelState::kReady, model, FindLocked(info.name, "") == model});
  }
  for (const auto& retired : retired_) {
    const ModelRef model = retired.lock();
    if (model == nullptr) continue;
    entries.push_back({model->info().name, model->info().version, ModelState::kRetiring, model});
  }
  for (const Loading& loading : loading_) {
    entries.push_back({loading.name, loading.version, ModelState::kLoading, nullptr});
  }
  return entries;
}

int ModelStore::Sweep() {
  absl::MutexLock lock(&mutex_);
  const size_t before = retired_.size();
  retired_.erase(std::remove_if(retired_.begin(), retired_.end(),
                                [](const auto& retired) { return retired.expired(); }),
                 retired_.end());
  return static_cast<int>(before - retired_.size());
}

}  // namespace slotmatch
