#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace slotmatch {

// Puts what `from` sets over `to`: single values replace, messages are merged field by field. An
// entry of a list whose entries have a `name` changes the entry of that name, or is added; every
// other list of `from` takes the place of the one in `to`.
void OverlayConfig(const google::protobuf::Message& from, google::protobuf::Message* to);

// The entry of a list of `message` whose `name` is this; null when there is none, `name` is
// empty, or entries have no names.
google::protobuf::Message* FindNamedEntry(const google::protobuf::FieldDescriptor* field,
                                          const std::string& name,
                                          google::protobuf::Message* message);

}  // namespace slotmatch
