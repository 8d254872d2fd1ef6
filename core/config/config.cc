#include "core/config/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status.h"
#include "core/config/layers.h"

namespace slotmatch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// Collects every complaint of the parser as "origin:line:column: text".
class ErrorList : public google::protobuf::io::ErrorCollector {
 public:
  explicit ErrorList(std::string origin) : origin_(std::move(origin)) {}
  void AddError(int line, int column, const std::string& message) override {
    absl::StrAppend(&text_, text_.empty() ? "" : "; ", origin_, ":", line + 1, ":", column + 1,
                    ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string origin_;
  std::string text_;
};

// One step of an override path: a field name and, for a repeated field, an index or the name of an
// entry.
struct PathStep {
  std::string field;
  int index = -1;
  std::string key;
  bool in_list() const { return index >= 0 || !key.empty(); }
};

absl::StatusOr<PathStep> ParseStep(const std::string& text) {
  PathStep step;
  const size_t bracket = text.find('[');
  step.field = text.substr(0, bracket);
  if (bracket == std::string::npos) return step;
  step.key = text.substr(bracket + 1, text.size() - std::min(text.size(), bracket + 2));
  if (int index; absl::SimpleAtoi(step.key, &index)) {
    step.index = index;
    step.key.clear();
  }
  if (!absl::EndsWith(text, "]") || !step.in_list()) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", text, "' is not a field[index] or field[name]"));
  }
  return step;
}

absl::StatusOr<const FieldDescriptor*> FindField(const Message& message, const std::string& name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) return field;
  std::string known;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    absl::StrAppend(&known, i == 0 ? "" : ", ", message.GetDescriptor()->field(i)->name());
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no setting '", name, "' in ", message.GetDescriptor()->name(), "; it has: ", known));
}

absl::StatusOr<Message*> EntryNamed(const PathStep& step, const FieldDescriptor* field,
                                    Message* message) {
  if (Message* entry = FindNamedEntry(field, step.key, message); entry != nullptr) return entry;
  return absl::FailedPreconditionError(
      absl::StrCat("'", step.field, "' has no entry of the name '", step.key, "'"));
}

absl::StatusOr<Message*> Descend(const PathStep& step, const FieldDescriptor* field,
                                 Message* message) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return absl::FailedPreconditionError(absl::StrCat("'", step.field, "' has no fields"));
  }
  const auto* reflection = message->GetReflection();
  if (!field->is_repeated()) return reflection->MutableMessage(message, field);
  if (!step.key.empty()) return EntryNamed(step, field, message);
  const int size = reflection->FieldSize(*message, field);
  if (step.index < 0 || step.index > size) {
    return absl::FailedPreconditionError(absl::StrCat("'", step.field, "' has ", size,
                                                      " entries; write ", step.field, "[0] to ",
                                                      step.field, "[", size, "]"));
  }
  if (step.index == size) return reflection->AddMessage(message, field);
  return reflection->MutableRepeatedMessage(message, field, step.index);
}

// The value as text format for `field`: strings may come without quotes.
std::string ValueText(const FieldDescriptor* field, const std::string& value) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return value;
  const bool quoted = !value.empty() && (value[0] == '"' || value[0] == '\'');
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING || quoted) return ": " + value;
  return absl::StrCat(": \"", absl::CEscape(value), "\"");
}

absl::Status SetLeaf(const std::string& assignment, const PathStep& step,
                     const FieldDescriptor* field, const std::string& value, Message* message) {
  const auto* reflection = message->GetReflection();
  if (!step.key.empty() ||
      (step.index >= 0 && step.index != reflection->FieldSize(*message, field))) {
    return absl::FailedPreconditionError(
        absl::StrCat("--set ", assignment, ": write the whole list, e.g. ", step.field, "=[1, 2]"));
  }
  if (step.index < 0) reflection->ClearField(message, field);
  return ParseConfigText(absl::StrCat(step.field, ValueText(field, value)),
                         absl::StrCat("--set ", assignment), message);
}

}  // namespace

absl::Status ParseConfigText(const std::string& text, const std::string& origin, Message* message) {
  ErrorList errors(origin);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (parser.MergeFromString(text, message)) return absl::OkStatus();
  return absl::FailedPreconditionError(errors.text());
}

absl::Status ApplyOverride(const std::string& assignment, Message* message) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("--set needs path=value, not '", assignment, "'"));
  }
  const std::vector<std::string> path = absl::StrSplit(assignment.substr(0, equals), '.');
  for (size_t i = 0; i < path.size(); ++i) {
    SM_ASSIGN_OR_RETURN(const PathStep step, ParseStep(path[i]));
    const absl::StatusOr<const FieldDescriptor*> field = FindField(*message, step.field);
    if (!field.ok()) return Annotate(field.status(), absl::StrCat("--set ", assignment));
    if (step.in_list() && !(*field)->is_repeated()) {
      return absl::FailedPreconditionError(
          absl::StrCat("--set ", assignment, ": '", step.field, "' is not a list"));
    }
    if (i + 1 == path.size()) {
      return SetLeaf(assignment, step, *field, assignment.substr(equals + 1), message);
    }
    absl::StatusOr<Message*> child = Descend(step, *field, message);
    if (!child.ok()) return Annotate(child.status(), absl::StrCat("--set ", assignment));
    message = *child;
  }
  return absl::OkStatus();
}

absl::Status ApplyOverrides(const std::vector<std::string>& assignments, Message* message) {
  for (const std::string& assignment : assignments) {
    SM_RETURN_IF_ERROR(ApplyOverride(assignment, message));
  }
  return absl::OkStatus();
}

namespace {

// Sets every singular field to its present value, so that defaults are printed too.
void MakeExplicit(Message* message) {
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) MakeExplicit(reflection->MutableMessage(message, field));
      for (int j = 0; field->is_repeated() && j < reflection->FieldSize(*message, field); ++j) {
        MakeExplicit(reflection->MutableRepeatedMessage(message, field, j));
      }
    } else if (!field->is_repeated() && !reflection->HasField(*message, field)) {
      const std::string name = field->name();
      std::string value;
      TextFormat::PrintFieldValueToString(*message, field, -1, &value);
      TextFormat::MergeFromString(name + ": " + value, message);
    }
  }
}

}  // namespace

std::string ConfigText(const Message& message, bool all) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  if (all) MakeExplicit(copy.get());
  std::string text;
  TextFormat::PrintToString(*copy, &text);
  return text;
}

}  // namespace slotmatch
