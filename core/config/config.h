#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace slotmatch {

// Settings as protobuf text format: file, then `--set path=value`, then validation by the program.
// Unknown keys, wrong types and bad enum names are kFailedPrecondition and name file, line and key.

// Parses text into `message`, on top of what it holds.
absl::Status ParseConfigText(const std::string& text, const std::string& origin,
                             google::protobuf::Message* message);
// Reads the file at `path` over what `message` holds (core/config/layers.h). Where the message, or
// one inside, has a field `base`, the files it names, relative to this one, come first; the result
// names none.
absl::Status LoadConfigFile(const std::string& path, google::protobuf::Message* message);

// Applies one override "a.b[2].c=value" (strings need no quotes; an index one past the end appends;
// "a.b[x].c" is the entry whose `name` is x; a message field takes text format in braces).
absl::Status ApplyOverride(const std::string& assignment, google::protobuf::Message* message);
absl::Status ApplyOverrides(const std::vector<std::string>& assignments,
                            google::protobuf::Message* message);

// Text format of what is set; with `all`, defaults included (the resolved configuration).
std::string ConfigText(const google::protobuf::Message& message, bool all = false);

}  // namespace slotmatch
