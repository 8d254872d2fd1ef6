#pragma once

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
//   SM_ASSIGN_OR_RETURN(auto rest, options.Parse(argc, argv));
//
// Accepts --name value and --name=value. Unknown options and missing values are
// kInvalidArgument and name the option. --help and --version are rows of every table.
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

  // Positional arguments left over. `help_asked()` or `version_asked()` may then be true, and the
  // caller prints Help() or its version text and returns 0.
  absl::StatusOr<std::vector<std::string>> Parse(int argc, char** argv);
  bool help_asked() const { return help_; }
  bool version_asked() const { return version_; }
  std::string Help() const;

 private:
  struct Row {
    std::string name;
    std::string argument;  // empty: a flag
    std::string help;
    std::function<absl::Status(const std::string&)> set;
  };
  std::string program_;
  std::string description_;
  std::vector<Row> rows_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace slotmatch
