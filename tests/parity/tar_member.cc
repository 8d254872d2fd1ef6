#include "tests/parity/tar_member.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace slotmatch::parity {
namespace {

constexpr int64_t kBlock = 512;

// A field of the header, up to its first NUL.
std::string Field(const std::string& header, size_t at, size_t size) {
  const absl::string_view field = absl::string_view(header).substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

std::string NameOf(const std::string& header) {
  const std::string name = Field(header, 0, 100), prefix = Field(header, 345, 155);
  return prefix.empty() ? name : absl::StrCat(prefix, "/", name);
}

}  // namespace

absl::StatusOr<std::string> ReadTarMember(const std::string& tar, const std::string& member) {
  std::ifstream file(tar, std::ios::binary);
  if (!file) return absl::NotFoundError(tar + " cannot be read");
  std::string header(kBlock, '\0');
  while (file.read(header.data(), kBlock)) {
    const int64_t size = std::strtoll(Field(header, 124, 12).c_str(), nullptr, 8);
    if (size < 0) break;
    if (NameOf(header) == member) {
      std::string bytes(static_cast<size_t>(size), '\0');
      if (file.read(bytes.data(), size)) return bytes;
      break;
    }
    file.seekg((size + kBlock - 1) / kBlock * kBlock, std::ios::cur);
  }
  return absl::NotFoundError(absl::StrCat(tar, " has no whole member '", member, "'"));
}

}  // namespace slotmatch::parity
