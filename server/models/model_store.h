#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/segmenter.h"
#include "core/engine/session_tracks.h"
#include "slotmatch/config/serve.pb.h"

namespace slotmatch {

// One version of a model in memory, warmed up. Immutable. Who holds it keeps it there: a session
// holds the version it was opened with, however long that is served.
struct ServedModel {
  std::shared_ptr<Segmenter> segmenter;
  std::shared_ptr<const Tracker> tracker;
  config::ServedModel source;
  absl::Duration load_time;
  absl::Duration warm_up_time;
  const ModelInfo& info() const { return segmenter->info(); }
};
using ModelRef = std::shared_ptr<const ServedModel>;

// The segmenter for a session, which keeps the whole model in memory.
inline std::shared_ptr<Segmenter> SegmenterOf(const ModelRef& model) {
  return {model, model->segmenter.get()};
}

// Reads and checks a model directory.
using ModelLoader =
    std::function<absl::StatusOr<std::shared_ptr<Segmenter>>(const config::ServedModel&)>;

enum class ModelState {
  kLoading,   // being read, checked and warmed up
  kReady,     // new sessions get it
  kRetiring,  // no new sessions; in memory until its last one ends
};

struct ModelEntry {
  std::string name;
  std::string version;  // of kLoading: empty when the newest is wanted
  ModelState state;
  ModelRef model;        // null: kLoading
  bool current = false;  // the version that the name alone means
};

// The models a server serves; several versions of a name may be. Loading, warm-up and replacing
// happen beside the running sessions; a load that fails changes nothing. Thread-safe; Load(),
// Reload() and Unload() block, one at a time.
class ModelStore {
 public:
  struct Options {
    ModelLoader load;
    BatchScheduler* scheduler;  // borrowed; the warm-up goes through it
    config::TrackConfig track;
    std::string repository;  // folder of NAME/VERSION folders that Load() looks in
  };
  explicit ModelStore(Options options) : options_(std::move(options)) {}

  // Adds a model at the end; the first added is the default. Statuses of the loader and the
  // warm-up; FAILED_PRECONDITION when that name and version is served already.
  absl::Status Add(const config::ServedModel& source);

  // Adds a version from the repository, the newest when `version` is empty, and makes it the one
  // that its name means. ALREADY_EXISTS when it is served.
  absl::StatusOr<ModelRef> Load(const std::string& name, const std::string& version);
  // Puts a version from beside the current one's folder in the place of all versions of the name,
  // which retire. `version` empty: the newest. The same weights again change nothing: the model
  // that comes back is then the one there was. NOT_FOUND when the name is not served.
  absl::StatusOr<ModelRef> Reload(const std::string& name, const std::string& version);
  // Retires a version, all of the name when `version` is empty. NOT_FOUND when there is none,
  // FAILED_PRECONDITION when nothing would be left to serve.
  absl::StatusOr<std::vector<ModelRef>> Unload(const std::string& name, const std::string& version);

  // The model of a new session: empty name: the default, empty version: the current one. NOT_FOUND
  // names the models there are.
  absl::StatusOr<ModelRef> Find(const std::string& name, const std::string& version = "") const;
  // Those that new sessions get, the default first. Never empty once something was added.
  std::vector<ModelRef> Ready() const;
  std::vector<ModelEntry> List() const;

  // Forgets retired models that are no longer in memory; their number.
  int Sweep();

 private:
  struct Loading {
    std::string name, version;
  };
  absl::StatusOr<ModelRef> Read(const config::ServedModel& source);
  ModelRef FindLocked(const std::string& name, const std::string& version) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Retire(const ModelRef& model) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InsertCurrent(const ModelRef& model) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  absl::Mutex change_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // one change at a time
  mutable absl::Mutex mutex_;
  // The default first; versions of one name newest first.
  std::vector<ModelRef> ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<const ServedModel>> retired_ ABSL_GUARDED_BY(mutex_);
  std::vector<Loading> loading_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
