#include "trainer/data/read_ahead.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/log.h"
#include "trainer/data/random.h"

namespace slotmatch {

std::vector<int64_t> FileOrder(int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int64_t> ShuffledOrder(int64_t count, uint64_t seed) {
  std::vector<int64_t> order = FileOrder(count);
  Random random(seed, 0);
  for (int64_t i = count - 1; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
  return order;
}

ReadAhead::ReadAhead(const VideoDataset& dataset, std::vector<int64_t> order, bool with_labels,
                     int workers)
    : dataset_(dataset),
      order_(std::move(order)),
      with_labels_(with_labels),
      queues_(order_.size()) {
  for (int i = 0; i < std::max(workers, 1); ++i) workers_.emplace_back([this] { Work(); });
}

ReadAhead::~ReadAhead() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (const auto& queue : queues_) {
      if (queue != nullptr) queue->Close();
    }
  }
  for (std::thread& worker : workers_) worker.join();
}

std::shared_ptr<ReadAhead::Queue> ReadAhead::QueueOf(size_t position) {
  if (queues_[position] == nullptr) queues_[position] = std::make_shared<Queue>(kFramesAhead);
  return queues_[position];
}

void ReadAhead::Work() {
  while (true) {
    size_t position = 0;
    std::shared_ptr<Queue> queue;
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_ || next_ == order_.size()) return;
      position = next_++;
      queue = QueueOf(position);
    }
    const int64_t video = order_[position];
    const absl::Status status = dataset_.ForEachFrame(video, with_labels_, [&](DatasetFrame frame) {
      return queue->Push({video, std::move(frame), absl::OkStatus()})
                 ? absl::OkStatus()
                 : absl::CancelledError("the reader has ended");
    });
    queue->Push({video, std::nullopt, status});
  }
}

std::optional<ReadAhead::Item> ReadAhead::Next() {
  if (reading_ == order_.size()) return std::nullopt;
  if (current_ == nullptr) {
    absl::MutexLock lock(&mutex_);
    current_ = QueueOf(reading_);
  }
  std::optional<Item> item = current_->Pop();
  if (!item->frame.has_value()) {
    if (!item->status.ok()) {
      SM_WARNING("video skipped name={} reason=\"{}\"", dataset_.video_name(item->video),
                 std::string(item->status.message()));
      ++skipped_;
    }
    current_ = nullptr;
    absl::MutexLock lock(&mutex_);
    queues_[reading_++] = nullptr;
  }
  return item;
}

}  // namespace slotmatch
