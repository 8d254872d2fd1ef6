#include "tests/parity/parity.h"

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/parity/parity_table.h"

namespace slotmatch::parity {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> FixtureNames(const std::string& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file() && it->path().extension() == ".safetensors") {
      names.push_back(fs::relative(it->path(), root).string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Places PlacesOf(const Options& options) {
  const fs::path beside = fs::absolute(options.fixtures) / "..";
  return {options.models.empty() ? (beside / "models").string() : options.models,
          options.data.empty() ? (beside / "data").string() : options.data};
}

// False when the fixture could not be used.
bool RunFixture(const std::string& root, const std::string& name, const Places& places,
                Report* report, std::ostream& out) {
  try {
    const Fixture fixture(root, name);
    const KindRow& kind = KindOf(fixture);
    try {
      kind.run(fixture, places, report);
      report->FailForgotten(fixture);
    } catch (const c10::Error& error) {  // the product refuses what the reference accepts
      report->Check(fixture, kind.name, false, error.what_without_backtrace());
    }
    return true;
  } catch (const FixtureError& error) {
    out << "UNUSABLE " << error.what() << "\n";
  } catch (const nlohmann::json::exception& error) {
    out << "UNUSABLE " << name << ": settings: " << error.what() << "\n";
  }
  return false;
}

}  // namespace

int RunParity(const Options& options, std::ostream& out) {
  const std::vector<std::string> names = FixtureNames(options.fixtures);
  if (names.empty()) out << "UNUSABLE " << options.fixtures << ": no *.safetensors in it\n";
  const Places places = PlacesOf(options);
  Report report;
  bool usable = !names.empty();
  for (const std::string& name : names) {
    usable = RunFixture(options.fixtures, name, places, &report, out) && usable;
  }
  report.Print(out, options.failures_only);
  if (!options.markdown.empty()) {
    const absl::Status written = WriteFileAtomically(options.markdown, report.Markdown());
    if (!written.ok()) out << written.message() << "\n";
    usable = usable && written.ok();
  }
  if (!usable) return kUnusable;
  return report.failures() == 0 ? kAllEqual : kDifferent;
}

}  // namespace slotmatch::parity
