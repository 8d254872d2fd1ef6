#pragma once

#include <string>

#include "absl/status/status.h"
#include "slotmatch/config/manifest.pb.h"

namespace slotmatch {

// Adds to `manifest`, which will stand in DIRECTORY, the part of the encoder that the model
// directory `source` uses: `source` is a backbone, or a whole model with a part of role
// "backbone". A file of the same repository (DIRECTORY/../..) is shared. From another repository a
// backbone directory is linked or copied as REPOSITORY/NAME/VERSION, and a whole model's own
// encoder file as DIRECTORY/backbone.safetensors.
// kNotFound: a file is missing. kFailedPrecondition: `source` has no such part. kAlreadyExists: the
// place in the repository holds another backbone. kDataLoss: the file is not what the manifest of
// `source` says. kAborted: an I/O error.
absl::Status AddBackbonePart(const std::string& source, const std::string& directory,
                             config::Manifest* manifest);

// File name of an encoder inside the directory of the model it belongs to.
extern const char kBackboneFile[];

}  // namespace slotmatch
