#include "client/segment_list.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMaxListBytes = 64 << 20;
constexpr int64_t kMaxSummaryBytes = 1 << 20;
constexpr absl::Duration kRetryPeriod = absl::Seconds(1);

bool IsDone(const std::string& folder) {
  const auto text = ReadFile(folder + "/summary.json", kMaxSummaryBytes);
  if (!text.ok()) return false;
  const json summary = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return summary.is_object() && summary.value("status", "") == "OK" &&
         summary.value("frames_failed", 1) == 0;
}

// Holds the shard for one process at a time; given up when the process ends, however it does.
class ShardLock {
 public:
  ~ShardLock() {
    if (fd_ >= 0) close(fd_);
  }
  absl::Status Take(const std::string& path) {
    fd_ = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd_ < 0) return absl::AlreadyExistsError("cannot write " + path);
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    return absl::AbortedError("another process works on this shard: it holds " + path);
  }

 private:
  int fd_ = -1;
};

// What would happen to every other video as well.
bool EndsTheRun(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:  // a wrong option
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kAlreadyExists:  // cannot create
    case absl::StatusCode::kAborted:        // cannot write
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

bool Stopped(const SegmentOptions& options) {
  return options.stop != nullptr && options.stop->load();
}

// Why the video is not done; OK when it is.
absl::Status Outcome(const SegmentReport& report) {
  if (!report.status.ok()) return report.status;
  const auto failed = report.summary->at("frames_failed").get<int64_t>();
  if (failed == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(failed, " frames failed, the first one with: ",
                   report.summary->at("first_frame_error").get<std::string>()));
}

// Tries again while no session can be opened because the server is full or away.
SegmentReport SegmentPatiently(const Connector& connect, const SegmentOptions& options) {
  const absl::Time end = absl::Now() + absl::Seconds(options.resume_for_s);
  for (;;) {
    SegmentReport report = SegmentVideo(connect, options);
    const bool busy =
        absl::IsUnavailable(report.status) || absl::IsResourceExhausted(report.status);
    if (report.summary != nullptr || !busy || Stopped(options)) return report;
    if (absl::Now() + kRetryPeriod > end) return report;
    absl::SleepFor(kRetryPeriod);
  }
}

std::string OneLine(const std::string& text) { return absl::StrReplaceAll(text, {{"\n", " "}}); }

// Videos that failed, one a line.
class FailureList {
 public:
  void Add(const ListedVideo& video, const absl::Status& why) {
    absl::StrAppend(&lines_, video.source, "\t", OneLine(std::string(why.message())), "\n");
    ++count_;
  }
  int64_t count() const { return count_; }
  // No file when nothing failed.
  absl::Status Write(const std::string& path) const {
    if (count_ > 0) return WriteFileAtomically(path, lines_);
    std::error_code ignored;
    fs::remove(path, ignored);
    return absl::OkStatus();
  }

 private:
  std::string lines_;
  int64_t count_ = 0;
};

}  // namespace

absl::StatusOr<Shard> ParseShard(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  Shard shard;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &shard.index) &&
      absl::SimpleAtoi(parts[1], &shard.count) && shard.index >= 0 && shard.index < shard.count) {
    return shard;
  }
  return absl::InvalidArgumentError("--shard is '" + text +
                                    "'; it must be I/N with 0 <= I < N, e.g. 0/3");
}

std::vector<ListedVideo> ParseVideoList(const std::string& text) {
  std::vector<ListedVideo> videos;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::string source(absl::StripAsciiWhitespace(line));
    if (source.empty() || source.front() == '#') continue;
    ListedVideo video{static_cast<int64_t>(videos.size()), source, ""};
    fs::path path(source);
    if (!path.has_filename()) path = path.parent_path();  // a folder with a slash at its end
    video.folder = absl::StrFormat("%05d-%s", video.number, path.stem().string());
    videos.push_back(std::move(video));
  }
  return videos;
}

absl::Status SegmentList(const Connector& connect, const ListOptions& options) {
  const std::string& out = options.segment.out;
  if (out.empty()) return absl::InvalidArgumentError("--list needs --out DIR for the results");
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.list, kMaxListBytes));
  const std::vector<ListedVideo> videos = ParseVideoList(text);
  if (videos.empty()) return absl::DataLossError(options.list + " names no video");
  std::error_code error;
  fs::create_directories(out, error);
  if (error) return absl::AlreadyExistsError("cannot write in folder " + out);
  const std::string shard = absl::StrFormat("%d-of-%d", options.shard.index, options.shard.count);
  ShardLock lock;
  SM_RETURN_IF_ERROR(lock.Take(absl::StrCat(out, "/shard-", shard, ".lock")));
  FailureList failures;
  int64_t mine = 0;
  for (const ListedVideo& video : videos) {
    if (video.number % options.shard.count != options.shard.index) continue;
    ++mine;
    SegmentOptions segment = options.segment;
    segment.source = video.source;
    segment.out = absl::StrCat(out, "/", video.folder);
    if (IsDone(segment.out)) continue;
    if (Stopped(segment)) return absl::CancelledError("interrupted; start again to go on");
    const SegmentReport report = SegmentPatiently(connect, segment);
    if (options.on_video) options.on_video(video, report);
    if (EndsTheRun(report.status)) return Annotate(report.status, video.source);
    if (const absl::Status outcome = Outcome(report); !outcome.ok()) failures.Add(video, outcome);
  }
  const std::string failed = absl::StrCat(out, "/failed-", shard, ".txt");
  SM_RETURN_IF_ERROR(failures.Write(failed));
  if (failures.count() == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(failures.count(), " of ", mine, " videos failed; ", failed, " says which"));
}

}  // namespace slotmatch
