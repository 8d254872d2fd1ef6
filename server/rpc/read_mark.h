#pragma once

#include "google/protobuf/unknown_field_set.h"

// gRPC says of a half-close and of bytes that cannot be parsed only that the read failed. Parsing
// clears the message first, so a mark from before the read survives only when nothing came.
namespace slotmatch {

inline constexpr int kUnreadField = 536870911;  // the highest field number there is

// Empties `message` for a read.
template <typename Message>
void MarkUnread(Message* message) {
  message->Clear();
  message->GetReflection()->MutableUnknownFields(message)->AddVarint(kUnreadField, 1);
}

// Nothing was read into `message`.
template <typename Message>
bool IsUnread(const Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

}  // namespace slotmatch
