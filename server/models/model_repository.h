#pragma once

#include <string>

#include "absl/status/statusor.h"

// Folders NAME/VERSION with a manifest.textproto each. No state, thread-safe.
namespace slotmatch {

// The folder of folders NAME that `model_directory`, NAME/VERSION, stands in.
std::string RepositoryOf(const std::string& model_directory);

// ROOT/NAME/VERSION; the empty version is the newest. INVALID_ARGUMENT for a name or version that
// is no plain folder name, NOT_FOUND when the folder has no such version.
absl::StatusOr<std::string> FindInRepository(const std::string& root, const std::string& name,
                                             const std::string& version);

// The same for the versions beside a model directory: FOLDER/VERSION. The newest is the one with
// the highest number; a folder whose own name is no number stands for itself.
absl::StatusOr<std::string> FindBeside(const std::string& model_directory,
                                       const std::string& version);

}  // namespace slotmatch
