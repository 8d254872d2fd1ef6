#include "core/base/options.h"

#include <getopt.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status.h"
#include "core/base/version.h"

namespace slotmatch {
namespace {

std::string WithDefault(const std::string& help, const std::string& value) {
  return value.empty() ? help : absl::StrCat(help, " [", value, "]");
}

absl::Status BadValue(const std::string& name, const std::string& text, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, " must be ", wanted, ", not '", text, "'"));
}

}  // namespace

OptionTable::OptionTable(std::string program, std::string description)
    : program_(std::move(program)), description_(std::move(description)) {
  Flag("help", "print this text and exit", &help_);
  Flag("version", "print version, commit and library versions and exit", &version_);
}

void OptionTable::Text(const std::string& name, const std::string& argument,
                       const std::string& help, std::string* value) {
  rows_.push_back({name, argument, WithDefault(help, *value), [value](const std::string& text) {
                     *value = text;
                     return absl::OkStatus();
                   }});
}

void OptionTable::Repeated(const std::string& name, const std::string& argument,
                           const std::string& help, std::vector<std::string>* values) {
  rows_.push_back({name, argument, help + " (may be repeated)", [values](const std::string& text) {
                     values->push_back(text);
                     return absl::OkStatus();
                   }});
}

void OptionTable::Integer(const std::string& name, const std::string& argument,
                          const std::string& help, int64_t* value) {
  rows_.push_back({name, argument, WithDefault(help, absl::StrCat(*value)),
                   [name, value](const std::string& text) {
                     return absl::SimpleAtoi(text, value) ? absl::OkStatus()
                                                          : BadValue(name, text, "a whole number");
                   }});
}

void OptionTable::Number(const std::string& name, const std::string& argument,
                         const std::string& help, double* value) {
  rows_.push_back({name, argument, WithDefault(help, absl::StrCat(*value)),
                   [name, value](const std::string& text) {
                     return absl::SimpleAtod(text, value) ? absl::OkStatus()
                                                          : BadValue(name, text, "a number");
                   }});
}

void OptionTable::Flag(const std::string& name, const std::string& help, bool* value) {
  rows_.push_back({name, "", help, [value](const std::string&) {
                     *value = true;
                     return absl::OkStatus();
                   }});
}

absl::StatusOr<std::vector<std::string>> OptionTable::Parse(int argc, char** argv, size_t most) {
  std::vector<option> table;
  for (const Row& row : rows_) {
    table.push_back(
        {row.name.c_str(), row.argument.empty() ? no_argument : required_argument, nullptr, 0});
  }
  table.push_back({nullptr, 0, nullptr, 0});
  optind = 0;  // getopt keeps state between calls; 0 starts it afresh
  opterr = 0;
  for (;;) {
    int index = -1;
    const int found = getopt_long(argc, argv, ":", table.data(), &index);
    if (found == -1) break;
    if (found == ':') {
      return absl::InvalidArgumentError(absl::StrCat(argv[optind - 1], " needs a value"));
    }
    if (found == '?') {
      // Inside a cluster such as -xyz optind still points before it; optopt holds the letter.
      const bool letter = optopt > 0;
      const std::string name =
          letter ? "-" + std::string(1, static_cast<char>(optopt)) : std::string(argv[optind - 1]);
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option ", name, "; see ", program_, " --help"));
    }
    SM_RETURN_IF_ERROR(rows_[index].set(optarg == nullptr ? "" : optarg));
  }
  std::vector<std::string> rest(argv + optind, argv + argc);
  if (rest.size() > most && !help_ && !version_) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument '", rest[most], "'; see --help"));
  }
  return rest;
}

std::string OptionTable::Help() const {
  std::string text = description_ + "\n\nOptions:\n";
  for (const Row& row : rows_) {
    const std::string left =
        row.argument.empty() ? row.name : absl::StrCat(row.name, " ", row.argument);
    absl::StrAppendFormat(&text, "  --%-28s %s\n", left, row.help);
  }
  return epilog_.empty() ? text : absl::StrCat(text, "\n", epilog_);
}

std::string OptionTable::Answer(const std::string& libraries) const {
  if (help_) return Help();
  // A sub-command's version is its program's.
  return version_ ? VersionText(program_.substr(0, program_.find(' ')), libraries) : "";
}

bool OptionTable::PrintedAnswer(const std::string& libraries) const {
  const std::string text = Answer(libraries);
  std::fputs(text.c_str(), stdout);
  return !text.empty();
}

}  // namespace slotmatch
