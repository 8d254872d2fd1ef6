#include "core/weights/backbone_part.h"

#include <filesystem>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/weights/manifest.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<config::Manifest> ReadManifest(const fs::path& directory) {
  config::Manifest manifest;
  SM_RETURN_IF_ERROR(LoadConfigFile((directory / "manifest.textproto").string(), &manifest));
  return manifest;
}

bool IsName(const std::string& text) {
  return !text.empty() && text != ".." && text != "." && fs::path(text).filename() == text;
}

bool IsInside(const fs::path& path, const fs::path& root) {
  const fs::path relative = path.lexically_relative(root);
  return !relative.empty() && *relative.begin() != "..";
}

// A file that exists at `to` stays.
absl::Status LinkOrCopy(const fs::path& from, const fs::path& to) {
  std::error_code error, linked;
  if (fs::exists(to)) return absl::OkStatus();
  fs::create_directories(to.parent_path(), error);
  fs::create_hard_link(fs::canonical(from, error), to, linked);
  if (linked) fs::copy_file(from, to, error);
  if (!error) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("cannot copy ", from.string(), " to ", to.string(), ": ", error.message()));
}

// Brings a backbone directory into the repository; returns the folder it has there.
absl::StatusOr<fs::path> CopyBackbone(const fs::path& from, const config::Manifest& backbone,
                                      const fs::path& repository) {
  if (!IsName(backbone.name()) || !IsName(backbone.version())) {
    return absl::FailedPreconditionError(absl::StrCat(from.string(), ": name '", backbone.name(),
                                                      "' and version '", backbone.version(),
                                                      "' do not name a folder"));
  }
  const fs::path to = repository / backbone.name() / backbone.version();
  if (fs::exists(to / "manifest.textproto")) return to;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    SM_RETURN_IF_ERROR(LinkOrCopy(entry.path(), to / entry.path().filename()));
  }
  return to;
}

// The encoder's file as DIRECTORY's repository has it.
absl::StatusOr<fs::path> Bring(const fs::path& file, const fs::path& directory) {
  std::error_code error;
  const fs::path repository = fs::weakly_canonical(directory / ".." / "..", error);
  if (IsInside(file, repository)) return file;
  const auto home = ReadManifest(file.parent_path());
  if (home.ok() && home->role() == "backbone") {
    SM_ASSIGN_OR_RETURN(const fs::path to, CopyBackbone(file.parent_path(), *home, repository));
    return to / file.filename();
  }
  const fs::path to = directory / kBackboneFile;
  SM_RETURN_IF_ERROR(LinkOrCopy(file, to));
  return to;
}

}  // namespace

const char kBackboneFile[] = "backbone.safetensors";

absl::Status AddBackbonePart(const std::string& source, const std::string& directory,
                             config::Manifest* manifest) {
  SM_ASSIGN_OR_RETURN(const config::Manifest origin, ReadManifest(source));
  const config::WeightPart* part = nullptr;
  for (const config::WeightPart& candidate : origin.parts()) {
    if (candidate.role() == "backbone") part = &candidate;
  }
  if (part == nullptr) {
    return absl::FailedPreconditionError(source + " has no part of role \"backbone\"");
  }
  std::error_code error;
  const fs::path file = fs::weakly_canonical(fs::absolute(source) / part->file(), error);
  if (!fs::exists(file)) {
    return absl::NotFoundError(absl::StrCat(source, ": part '", part->file(), "' is missing"));
  }
  const fs::path target = fs::weakly_canonical(fs::absolute(directory), error);
  SM_ASSIGN_OR_RETURN(const fs::path brought, Bring(file, target));
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(brought.string()));
  if (digest != part->sha256() && brought == file) {
    return absl::DataLossError(absl::StrCat(file.string(), " is damaged: its SHA-256 is ", digest,
                                            ", the manifest of ", source, " says ",
                                            part->sha256()));
  }
  if (digest != part->sha256()) {
    return absl::AlreadyExistsError(absl::StrCat(brought.string(), " exists and is another file ",
                                                 "than ", file.string(), ", which ", source,
                                                 " uses"));
  }
  config::WeightPart* added = manifest->add_parts();
  added->set_role("backbone");
  added->set_file(brought.lexically_relative(target).string());
  added->set_sha256(digest);
  added->set_key_prefix(kBackbonePrefix);
  return absl::OkStatus();
}

}  // namespace slotmatch
