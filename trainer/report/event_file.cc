#include "trainer/report/event_file.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/image/image.h"
#include "trainer/data/tfrecord.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// The version whose readers honour EventSession::START.
constexpr char kFileVersion[] = "brain.Event:2";

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

std::string FileName() {
  static std::atomic<int> files{0};
  return absl::StrCat("events.out.tfevents.", absl::ToUnixSeconds(absl::Now()), ".", HostName(),
                      ".", getpid(), ".", files++);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventFile>> EventFile::Create(const std::string& folder,
                                                             int64_t first_step) {
  std::error_code error;
  fs::create_directories(folder, error);
  auto file = std::unique_ptr<EventFile>(new EventFile);
  file->path_ = (fs::path(folder) / FileName()).string();
  file->file_.open(file->path_, std::ios::binary | std::ios::trunc);
  data::Event version;
  version.set_file_version(kFileVersion);
  SM_RETURN_IF_ERROR(file->Write(0, std::move(version)));
  if (first_step > 0) {
    data::Event start;
    start.mutable_session()->set_status(data::EventSession::START);
    SM_RETURN_IF_ERROR(file->Write(first_step + 1, std::move(start)));
  }
  return file;
}

absl::Status EventFile::Write(int64_t step, data::Event event) {
  event.set_step(step);
  event.set_wall_time(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  file_ << TfRecord(event.SerializeAsString()) << std::flush;
  if (!file_) return absl::AbortedError("cannot write " + path_);
  return absl::OkStatus();
}

absl::Status EventFile::AddScalars(int64_t step,
                                   const std::vector<std::pair<std::string, double>>& values) {
  data::Event event;
  for (const auto& [tag, value] : values) {
    data::EventSummary::Value* row = event.mutable_summary()->add_value();
    row->set_tag(tag);
    row->set_simple_value(static_cast<float>(value));
  }
  return Write(step, std::move(event));
}

absl::Status EventFile::AddImage(int64_t step, const std::string& tag, const std::string& png) {
  SM_ASSIGN_OR_RETURN(const EncodedInfo info, ProbeImage(png));
  data::Event event;
  data::EventSummary::Value* row = event.mutable_summary()->add_value();
  row->set_tag(tag);
  row->mutable_image()->set_height(info.height);
  row->mutable_image()->set_width(info.width);
  row->mutable_image()->set_colorspace(3);
  row->mutable_image()->set_encoded(png);
  return Write(step, std::move(event));
}

}  // namespace slotmatch
