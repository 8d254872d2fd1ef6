#include "core/config/layers.h"

#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/config/config.h"

namespace slotmatch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int64_t kMaxFileBytes = 1 << 24;
constexpr int kMaxDepth = 8;  // files on files; more is a circle

bool IsMessage(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// The string field of this name; null when there is none.
const FieldDescriptor* TextField(const google::protobuf::Descriptor* type, const char* name) {
  const FieldDescriptor* field = type->FindFieldByName(name);
  return field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING ? field : nullptr;
}

const FieldDescriptor* NameField(const FieldDescriptor* list) {
  const FieldDescriptor* name = IsMessage(list) ? TextField(list->message_type(), "name") : nullptr;
  return name == nullptr || name->is_repeated() ? nullptr : name;
}

void OverlayNamedEntries(const Message& from, const FieldDescriptor* field, Message* to) {
  const FieldDescriptor* name = NameField(field);
  const auto* reflection = from.GetReflection();
  std::vector<Message*> targets;  // found before any is added: names of `from` itself may repeat
  for (int i = 0; i < reflection->FieldSize(from, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(from, field, i);
    targets.push_back(FindNamedEntry(field, entry.GetReflection()->GetString(entry, name), to));
  }
  for (int i = 0; i < reflection->FieldSize(from, field); ++i) {
    OverlayConfig(reflection->GetRepeatedMessage(from, field, i),
                  targets[i] != nullptr ? targets[i] : reflection->AddMessage(to, field));
  }
}

absl::Status LoadLayers(const std::string& path, int depth, Message* message);

// Replaces `message`, as the file at `path` has it, by its base files with it on top.
absl::Status ResolveBases(const std::string& path, int depth, Message* message) {
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!IsMessage(field) || field->is_repeated()) continue;
    SM_RETURN_IF_ERROR(ResolveBases(path, depth, reflection->MutableMessage(message, field)));
  }
  const FieldDescriptor* bases = TextField(message->GetDescriptor(), "base");
  if (bases == nullptr || !bases->is_repeated()) return absl::OkStatus();
  std::unique_ptr<Message> result(message->New());
  for (int i = 0; i < reflection->FieldSize(*message, bases); ++i) {
    const std::filesystem::path base = std::filesystem::path(path).parent_path() /
                                       reflection->GetRepeatedString(*message, bases, i);
    SM_RETURN_IF_ERROR(Annotate(
        LoadLayers(base.lexically_normal().string(), depth + 1, result.get()), path + ": base"));
  }
  reflection->ClearField(message, bases);
  OverlayConfig(*message, result.get());
  reflection->Swap(message, result.get());
  return absl::OkStatus();
}

absl::Status LoadLayers(const std::string& path, int depth, Message* message) {
  if (depth > kMaxDepth) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " comes after more than ", kMaxDepth, " other base files"));
  }
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  std::unique_ptr<Message> file(message->New());
  SM_RETURN_IF_ERROR(ParseConfigText(text, path, file.get()));
  SM_RETURN_IF_ERROR(ResolveBases(path, depth, file.get()));
  OverlayConfig(*file, message);
  return absl::OkStatus();
}

}  // namespace

void OverlayConfig(const Message& from, Message* to) {
  const auto* reflection = from.GetReflection();
  std::unique_ptr<Message> rest(from.New());
  rest->CopyFrom(from);
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool named = field->is_repeated() && NameField(field) != nullptr;
    if (named) {
      OverlayNamedEntries(from, field, to);
    } else if (field->is_repeated()) {
      reflection->ClearField(to, field);
    } else if (IsMessage(field)) {
      OverlayConfig(reflection->GetMessage(from, field), reflection->MutableMessage(to, field));
    }
    if (named || (IsMessage(field) && !field->is_repeated())) {
      reflection->ClearField(rest.get(), field);
    }
  }
  to->MergeFrom(*rest);
}

Message* FindNamedEntry(const FieldDescriptor* field, const std::string& name, Message* message) {
  const FieldDescriptor* key = field->is_repeated() ? NameField(field) : nullptr;
  if (key == nullptr || name.empty()) return nullptr;
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
    Message* entry = reflection->MutableRepeatedMessage(message, field, i);
    if (entry->GetReflection()->GetString(*entry, key) == name) return entry;
  }
  return nullptr;
}

absl::Status LoadConfigFile(const std::string& path, Message* message) {
  return LoadLayers(path, 0, message);
}

}  // namespace slotmatch
