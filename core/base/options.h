#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// GNU long options of a program: a table of rows that fills variables and prints --help.
//
//   OptionTable options("slotmatch_client", "Sends a video ...");
//   options.Text("server", "HOST:PORT", "address of the server", &server);
//   options.Flag("json", "print the summary as JSON", &json);
//   SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
//   if (options.PrintedAnswer()) return absl::OkStatus();
//
// Accepts --name value and --name=value. Unknown options, missing values and arguments too many are
// kInvalidArgument and name what is wrong. --help and --version are rows of every table.
class OptionTable {
 public:
  OptionTable(std::string program, std::string description);

  // Pointers are borrowed and must outlive Parse(). Their values at the time of the call are
  // printed as defaults.
  void Text(const std::string& name, const std::string& argument, const std::string& help,
            std::string* value);
  void Repeated(const std::string& name, const std::string& argument, const std::string& help,
                std::vector<std::string>* values);
  void Integer(const std::string& name, const std::string& argument, const std::string& help,
               int64_t* value);
  void Number(const std::string& name, const std::string& argument, const std::string& help,
              double* value);
  void Flag(const std::string& name, const std::string& help, bool* value);

  // Printed below the options by --help.
  void Epilog(std::string text) { epilog_ = std::move(text); }

  // Any number of positional arguments, for Parse().
  static constexpr size_t kAnyNumber = SIZE_MAX;

  // Positional arguments, at most `most` of them.
  absl::StatusOr<std::vector<std::string>> Parse(int argc, char** argv, size_t most = 0);

  // After Parse(): the text --help or --version asked for; empty when neither was given.
  // `libraries` holds lines for VersionText().
  std::string Answer(const std::string& libraries = "") const;
  // Prints Answer() to stdout; true when there was one, and the program is done.
  bool PrintedAnswer(const std::string& libraries = "") const;

 private:
  struct Row {
    std::string name;
    std::string argument;  // empty: a flag
    std::string help;
    std::function<absl::Status(const std::string&)> set;
  };
  std::string Help() const;

  std::string program_;
  std::string description_;
  std::string epilog_;
  std::vector<Row> rows_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace slotmatch
