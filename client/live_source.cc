#include "client/live_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(100);  // for a wish to stop
constexpr absl::Duration kRetryDelay = absl::Milliseconds(500);

}  // namespace

LiveSource::LiveSource(std::string name, std::unique_ptr<FrameSource> source, Opener open,
                       absl::Duration patience, const std::atomic<bool>* stop)
    : name_(std::move(name)),
      open_(std::move(open)),
      patience_(patience),
      stop_(stop),
      frames_per_second_(source->frames_per_second()),
      reader_([this, first = std::move(source)]() mutable { Run(std::move(first)); }) {}

LiveSource::~LiveSource() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  reader_.join();
}

absl::StatusOr<std::optional<ClientFrame>> LiveSource::Next() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(this, &LiveSource::Something), kLook)) {
    if (stop_ != nullptr && stop_->load()) return std::nullopt;
  }
  if (newest_.has_value()) return std::exchange(newest_, std::nullopt);
  SM_RETURN_IF_ERROR(*end_);
  return std::nullopt;
}

void LiveSource::Put(ClientFrame frame) {
  absl::MutexLock lock(&mutex_);
  if (newest_.has_value()) frame.skipped += newest_->skipped + 1;
  newest_ = std::move(frame);
}

void LiveSource::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = status;
}

void LiveSource::Run(std::unique_ptr<FrameSource> source) {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (closing_) return;
    }
    auto frame = source->Next();
    if (frame.ok() && frame->has_value()) {
      Put(*std::move(*frame));
      continue;
    }
    if (patience_ == absl::ZeroDuration()) return End(frame.status());
    source = Reopen();
    if (source != nullptr) continue;
    return End(absl::UnavailableError(absl::StrCat(
        name_, " broke off and did not come back within ", absl::FormatDuration(patience_))));
  }
}

std::unique_ptr<FrameSource> LiveSource::Reopen() {
  const absl::Time end = absl::Now() + patience_;
  while (absl::Now() < end) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(this, &LiveSource::Closing), kRetryDelay)) {
        return nullptr;
      }
    }
    auto source = open_();
    if (source.ok()) return *std::move(source);
  }
  return nullptr;
}

}  // namespace slotmatch
