#include "trainer/data/tar_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
constexpr int64_t kHeaderBytes = 512;  // at least

archive* NewTar() {
  archive* tar = archive_read_new();
  archive_read_support_format_tar(tar);
  return tar;
}

std::string ErrorOf(archive* tar) {
  const char* text = archive_error_string(tar);
  return text == nullptr ? "damaged" : text;
}

// A file from an offset on, in the form libarchive reads.
struct Source {
  std::FILE* file = nullptr;
  std::vector<char> buffer = std::vector<char>(kBlockBytes);
  ~Source() {
    if (file != nullptr) std::fclose(file);
  }
};

la_ssize_t ReadBlock(archive*, void* source, const void** block) {
  auto* from = static_cast<Source*>(source);
  *block = from->buffer.data();
  return static_cast<la_ssize_t>(
      std::fread(from->buffer.data(), 1, from->buffer.size(), from->file));
}

int CloseSource(archive*, void* source) {
  delete static_cast<Source*>(source);
  return ARCHIVE_OK;
}

}  // namespace

absl::StatusOr<TarListing> ListTar(const std::string& path) {
  std::error_code error;
  const auto file_size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (error) return absl::NotFoundError("cannot open " + path);
  archive* tar = NewTar();
  TarListing listing;
  archive_entry* entry = nullptr;
  int result = archive_read_open_filename(tar, path.c_str(), kBlockBytes);
  // A warning is a name that the locale cannot spell.
  while (result >= ARCHIVE_WARN &&
         (result = archive_read_next_header(tar, &entry)) >= ARCHIVE_WARN &&
         result != ARCHIVE_EOF) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const char* name = archive_entry_pathname(entry);
    TarMember member{name == nullptr ? "" : name, archive_read_header_position(tar),
                     archive_entry_size(entry)};
    // Skipping over the end of a file is no error to libarchive until the next header.
    if (member.size < 0 || member.size > file_size - member.header_offset - kHeaderBytes) {
      archive_set_error(tar, EILSEQ, "cut short in %s", member.name.c_str());
      break;
    }
    listing.members.push_back(std::move(member));
  }
  if (result != ARCHIVE_EOF) {
    listing.problem = absl::DataLossError(absl::StrCat(path, " is no sound tar: ", ErrorOf(tar)));
  }
  archive_read_free(tar);
  return listing;
}

void TarMemberReader::Close::operator()(archive* tar) const { archive_read_free(tar); }

absl::StatusOr<TarMemberReader> TarMemberReader::Open(const std::string& path,
                                                      const TarMember& member) {
  TarMemberReader reader;
  reader.name_ = absl::StrCat(path, ":", member.name);
  auto source = std::make_unique<Source>();
  source->file = std::fopen(path.c_str(), "rb");
  if (source->file == nullptr || std::fseek(source->file, member.header_offset, SEEK_SET) != 0) {
    return absl::NotFoundError("cannot open " + path);
  }
  reader.tar_.reset(NewTar());
  archive_entry* entry = nullptr;
  if (archive_read_open(reader.tar_.get(), source.release(), nullptr, ReadBlock, CloseSource) !=
          ARCHIVE_OK ||
      archive_read_next_header(reader.tar_.get(), &entry) < ARCHIVE_WARN ||
      archive_entry_size(entry) != member.size) {
    return absl::DataLossError(
        absl::StrCat(reader.name_, " cannot be read: ", ErrorOf(reader.tar_.get())));
  }
  return reader;
}

absl::Status TarMemberReader::Read(absl::Span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const la_ssize_t got = archive_read_data(tar_.get(), out.data() + done, out.size() - done);
    if (got <= 0) {
      return absl::DataLossError(
          absl::StrCat(name_, got < 0 ? " is damaged: " + ErrorOf(tar_.get()) : " ends too early"));
    }
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
