#pragma once

#include <string>

namespace slotmatch {

// Version of the project and the commit it was built from ("unknown" outside a git checkout).
std::string Version();
std::string Commit();

// The text every program prints for --version: program, version, commit, library versions.
// `libraries` holds lines of the rooms the program links, e.g. "LibTorch 1.13.1".
std::string VersionText(const std::string& program, const std::string& libraries);

}  // namespace slotmatch
