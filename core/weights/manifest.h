#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/weights/safetensors.h"
#include "slotmatch/config/manifest.pb.h"

namespace slotmatch {

// A model directory opened and checked: manifest plus every part, its SHA-256 verified.
struct ModelFiles {
  std::string directory;
  config::Manifest manifest;
  // Part file (canonical path) per part, in manifest order.
  std::vector<std::shared_ptr<const SafetensorsFile>> parts;
  std::string digest;  // SHA-256 hex over the parts' digests in order
  // Tensor by full key (part prefix + key); null when absent. Keys may not repeat over parts.
  const TensorView* Find(const std::string& key) const;
  std::map<std::string, TensorView> tensors;
};

// Opens parts once per process however many models name them: share one cache between calls.
// Not thread-safe.
class PartCache {
 public:
  absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path,
                                                              const std::string& sha256);

 private:
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> files_;
};

// Where the frozen encoder's keys stand inside a whole model: "encoder.module.backbone.model.".
extern const char kBackbonePrefix[];

// Writes DIR/manifest.textproto, atomically.
absl::Status WriteManifest(const std::string& directory, const config::Manifest& manifest);

// Reads DIR/manifest.textproto and its parts. Part paths are relative to the manifest and may not
// leave the model repository root, the parent of the model's folder (DIR/../..).
// kNotFound: a file is missing. kDataLoss: a digest differs, a key repeats. kFailedPrecondition:
// the manifest is wrong. Messages name the file.
absl::StatusOr<ModelFiles> OpenModelDirectory(const std::string& directory, PartCache* cache);

}  // namespace slotmatch
