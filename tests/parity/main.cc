#include <iostream>

#include "core/base/options.h"
#include "core/base/status.h"
#include "tests/parity/parity.h"

int main(int argc, char** argv) {
  slotmatch::parity::Options settings;
  slotmatch::OptionTable options("slotmatch_parity",
                                 "Compares this build with numbers of the reference. Exits 0 when "
                                 "all are equal within the bounds, 1 when one is not, 2 when a "
                                 "fixture is unknown or incomplete.");
  options.Text("fixtures", "DIR", "folder of fixtures, searched recursively", &settings.fixtures);
  options.Text("models", "DIR", "folder of weight files, by default DIR/../models",
               &settings.models);
  options.Text("data", "DIR", "folder of picture archives, by default DIR/../data", &settings.data);
  options.Text("markdown", "FILE", "write the table of errors there", &settings.markdown);
  options.Flag("failures-only", "print only rows that failed", &settings.failures_only);
  const absl::Status parsed = options.Parse(argc, argv).status();
  if (!parsed.ok()) return slotmatch::ExitStatus("slotmatch_parity", parsed);
  if (options.PrintedAnswer()) return 0;
  if (settings.fixtures.empty()) {
    return slotmatch::ExitStatus(
        "slotmatch_parity", absl::InvalidArgumentError("slotmatch_parity needs --fixtures DIR"));
  }
  return slotmatch::parity::RunParity(settings, std::cout);
}
