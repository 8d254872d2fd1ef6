#include "client/picture_files.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

class PictureFiles : public FrameSource {
 public:
  explicit PictureFiles(std::vector<std::string> files) : files_(std::move(files)) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    if (next_ == files_.size()) return std::nullopt;
    const std::string& file = files_[next_++];
    SM_ASSIGN_OR_RETURN(std::string bytes, ReadFile(file));
    ClientFrame frame{DecodeBgr(bytes), std::move(bytes)};
    if (frame.bgr.empty()) return absl::DataLossError(file + " is not a readable picture");
    return frame;
  }
  int64_t num_frames() const override { return static_cast<int64_t>(files_.size()); }

 private:
  std::vector<std::string> files_;
  size_t next_ = 0;
};

}  // namespace

cv::Mat DecodeBgr(const std::string& bytes) {
  const cv::Mat view(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  return bytes.empty() ? cv::Mat()
                       : cv::imdecode(view, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenFolder(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = absl::AsciiStrToLower(entry.path().extension().string());
    if (extension == ".jpg" || extension == ".jpeg" || extension == ".png") {
      files.push_back(entry.path().string());
    }
  }
  if (error) return absl::PermissionDeniedError("cannot read folder " + folder);
  if (files.empty()) return absl::NotFoundError(folder + " holds no .jpg or .png pictures");
  std::sort(files.begin(), files.end());
  return std::make_unique<PictureFiles>(std::move(files));
}

bool IsPattern(const std::string& where) { return where.find_first_of("*?[") != std::string::npos; }

absl::StatusOr<std::unique_ptr<FrameSource>> OpenPattern(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {  // sorted
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      if (fs::is_regular_file(found.gl_pathv[i])) files.emplace_back(found.gl_pathv[i]);
    }
  }
  globfree(&found);
  if (files.empty()) return absl::NotFoundError("no file matches " + pattern);
  return std::make_unique<PictureFiles>(std::move(files));
}

}  // namespace slotmatch
