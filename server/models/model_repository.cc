#include "server/models/model_repository.h"

#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNameBytes = 128;

// Without "." and a slash at the end, so that the last part is the folder's own name.
fs::path Clean(const std::string& directory) {
  std::error_code ignored;
  const fs::path path = fs::absolute(directory, ignored).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

absl::Status CheckName(const char* what, const std::string& name) {
  const bool plain = !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
                     name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
  if (plain) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " '", name.substr(0, kMaxNameBytes), "' is no name of a folder"));
}

bool IsModel(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "manifest.textproto", ignored);
}

absl::StatusOr<std::string> Newest(const fs::path& folder) {
  std::optional<std::pair<uint64_t, fs::path>> newest;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    uint64_t number = 0;
    const fs::path& path = it->path();
    if (!absl::SimpleAtoi(path.filename().string(), &number) || !IsModel(path)) continue;
    if (!newest.has_value() || number > newest->first) newest = {number, path};
  }
  if (newest.has_value()) return newest->second.string();
  return absl::NotFoundError(
      absl::StrCat(folder.string(), " has no version: no numbered folder with a manifest"));
}

absl::StatusOr<std::string> FindIn(const fs::path& folder, const std::string& version) {
  if (version.empty()) return Newest(folder);
  SM_RETURN_IF_ERROR(CheckName("version", version));
  if (IsModel(folder / version)) return (folder / version).string();
  return absl::NotFoundError(
      absl::StrCat((folder / version).string(), " has no manifest.textproto"));
}

}  // namespace

std::string RepositoryOf(const std::string& model_directory) {
  return Clean(model_directory).parent_path().parent_path().string();
}

absl::StatusOr<std::string> FindInRepository(const std::string& root, const std::string& name,
                                             const std::string& version) {
  SM_RETURN_IF_ERROR(CheckName("model", name));
  return FindIn(Clean(root) / name, version);
}

absl::StatusOr<std::string> FindBeside(const std::string& model_directory,
                                       const std::string& version) {
  const fs::path path = Clean(model_directory);
  uint64_t number = 0;
  const bool numbered = absl::SimpleAtoi(path.filename().string(), &number);
  if (version.empty() && !numbered) return path.string();
  return FindIn(path.parent_path(), version);
}

}  // namespace slotmatch
