#pragma once

#include <filesystem>
#include <string>

namespace slotmatch {

// A fresh folder that is removed with everything in it at the end of its scope.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Path of `name` inside; no file is made.
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file, missing folders included, and returns its path.
  std::string Write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

}  // namespace slotmatch
